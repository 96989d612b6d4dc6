"""A worker whose packets are lost, or that is killed, is sent nothing more within seconds."""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks.mesh_namespaces import NamespaceError, find_way, network_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


async def test_a_partitioned_worker_leaves_the_routing_table(tmp_path: Path) -> None:
    try:
        find_way()
    except NamespaceError as error:
        pytest.skip(f"no network namespaces here: {error}")
    options = ("--network", "namespaces", "--rounds", "1", "--workers", "2")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.partition", *options),
        *("--work", str(tmp_path), "--json", str(tmp_path / "result.json")),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    cut, kill = json.loads((tmp_path / "result.json").read_text())["rows"]
    assert (cut["network"], cut["what"], kill["what"]) == ("namespaces", "cut", "kill")
    assert cut["slowest_gateway_s"] < 10.0
    assert kill["slowest_gateway_s"] < 3.0


def test_which_network_it_is_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused() -> None:
        raise NamespaceError("`unshare --net` says 'Operation not permitted'")

    monkeypatch.setattr("benchmarks.mesh_namespaces.find_way", refused)
    for asked in ("proxy", "auto"):
        assert network_of(Namespace(network=asked), "benchmarks.chaos").kind == "proxy"
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in told] == [
        "network: proxies; a cut swallows bytes",
    ] * 2
    assert told[1].endswith("since `unshare --net` says 'Operation not permitted'")
    with pytest.raises(SystemExit, match="Operation not permitted"):
        network_of(Namespace(network="namespaces"), "benchmarks.chaos")
