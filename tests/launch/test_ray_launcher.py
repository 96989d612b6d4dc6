"""`rostra up --launcher ray` on a real cluster: nodes die, queues come and go."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import psutil
import pytest

from benchmarks.local import READY, Local, rostra_up

if TYPE_CHECKING:
    from ray_nodes import RayNodes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

BOUND = 120.0
"""Seconds until what must come has come."""


def eventually(condition: Callable[[], bool], what: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


@contextmanager
def up_on_ray(nodes: RayNodes, model: Path, home: Path, settings: str) -> Iterator[Local]:
    config = home / "rostra.toml"
    config.write_text(
        f'[launcher]\naddress = "{nodes.address}"\n[[worker]]\nmodel = "{model}"\nname = "tiny"\n'
        f"num_threads = 1\nnum_blocks = 512\n{settings}"
    )
    flags = ("--launcher", "ray", "--config", str(config), "--home", str(home), "--no-arena")
    with rostra_up(*flags) as up:
        up.wait_for(READY, BOUND)
        yield up


def workers(up: Local) -> dict[str, str]:
    """What the gateway says of each address."""
    try:
        with urllib.request.urlopen(f"{up.api}/ready", timeout=30) as response:
            body = response.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    return dict(json.loads(body)["workers"])


def serving(up: Local) -> set[str]:
    return {address for address, state in workers(up).items() if state == "serving"}


def ask(up: Local, max_tokens: int) -> str:
    request = {"model": "tiny", "prompt": "the quick", "max_tokens": max_tokens, "temperature": 0}
    data = json.dumps(request | {"ignore_eos": True}).encode()
    headers = {"Content-Type": "application/json"}
    call = urllib.request.Request(f"{up.api}/v1/completions", data, headers)
    with urllib.request.urlopen(call, timeout=BOUND) as response:
        return str(json.load(response)["choices"][0]["text"])


def processes_of(model: Path) -> list[psutil.Process]:
    """The rank processes that serve a model, on every node."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            config = next((each for each in command if each.startswith("--config=")), None)
            if config and "worker" in command:
                text = Path(config.removeprefix("--config=")).read_text()
                found += [process] if str(model) in text else []
        except (psutil.Error, OSError):
            continue
    return found


def nothing_is_left(nodes: RayNodes, model: Path) -> None:
    eventually(lambda: not processes_of(model), lambda: processes_of(model))
    import ray

    ray.init(address=nodes.address, log_to_driver=False, configure_logging=False)
    try:
        groups = ray.util.placement_group_table
        eventually(lambda: all(group["state"] == "REMOVED" for group in groups().values()), groups)
        whole = ray.cluster_resources()["CPU"]
        eventually(lambda: ray.available_resources().get("CPU") == whole, ray.available_resources)
    finally:
        ray.shutdown()


def test_replicas_follow_the_queue_and_outlive_their_node(
    ray_nodes: RayNodes, tiny_model: Path, own_home: Path
):
    ray_nodes.have(2)
    settings = (
        "max_num_seqs = 2\nreplicas = { max = 2, target_waiting = 2, up_after = 1, down_after = 4 }"
    )
    with up_on_ray(ray_nodes, tiny_model, own_home, settings) as up:
        (first,) = serving(up)
        answer = ask(up, 8)

        enough = Event()

        def keep_asking() -> int:
            asked = 0
            while not enough.is_set():
                ask(up, 400)
                asked += 1
            return asked

        # A queue that stays: another replica, on the other node.
        with ThreadPoolExecutor(6) as pool:
            callers = [pool.submit(keep_asking) for _ in range(6)]
            try:
                eventually(lambda: len(serving(up)) == 2, lambda: (workers(up), callers))
            finally:
                enough.set()
            assert all(caller.result() for caller in callers)
        hosts = {address.partition(":")[0] for address in serving(up) | {first}}
        assert len(hosts) == 2

        # One of the two leaves, and nobody who asks meanwhile notices.
        enough.clear()
        with ThreadPoolExecutor(1) as pool:
            caller = pool.submit(keep_asking)
            try:
                eventually(lambda: len(workers(up)) == 1, lambda: (workers(up), caller))
            finally:
                enough.set()
            assert caller.result()

        # The node of the one that stayed dies.
        (address,) = serving(up)
        host = address.partition(":")[0]
        ray_nodes.kill(host)
        eventually(lambda: bool(serving(up) - {address}), lambda: workers(up))
        (moved,) = serving(up)
        assert moved.partition(":")[0] != host
        assert ask(up, 8) == answer

        assert up.interrupt(BOUND) == 0
        assert "is not needed any more and drains" in up.printed
        assert "its node or its actor is gone" in up.printed
        assert up.printed.rstrip().endswith("stopped")
    nothing_is_left(ray_nodes, tiny_model)


def test_ranks_on_two_nodes_are_one_worker(ray_nodes: RayNodes, tiny_model: Path, own_home: Path):
    ray_nodes.have(2)
    settings = 'tensor_parallel_size = 2\nreplicas = { strategy = "STRICT_SPREAD" }'
    with up_on_ray(ray_nodes, tiny_model, own_home, settings) as up:
        (first,) = serving(up)
        ranks = processes_of(tiny_model)
        assert len(ranks) == 2
        answer = ask(up, 8)
        # One rank dies: the other is ended, and another pair takes over.
        ranks[1].kill()
        eventually(lambda: bool(serving(up) - {first}), lambda: workers(up))
        assert ask(up, 8) == answer
        # With its driver, everything goes that Ray or Rostra has started for it.
        up.process.kill()
        up.wait(BOUND)
    nothing_is_left(ray_nodes, tiny_model)


def test_what_cannot_start_says_why(ray_nodes: RayNodes, tiny_model: Path, own_home: Path):
    ray_nodes.have(1)
    settings = 'quantization = "fp8"'
    with (
        pytest.raises(RuntimeError, match=r"worker-1\.1 does not start: .*fp8"),
        up_on_ray(ray_nodes, tiny_model, own_home, settings),
    ):
        pass
    nothing_is_left(ray_nodes, tiny_model)


def test_without_a_cluster_it_says_how_to_start_one(tiny_model: Path, tmp_path: Path):
    config = tmp_path / "rostra.toml"
    nobody = 'kind = "ray"\naddress = "127.0.0.1:9"'
    config.write_text(f'[launcher]\n{nobody}\n[[worker]]\nmodel = "{tiny_model}"\n')
    with rostra_up("--config", str(config), "--no-arena", "--home", str(tmp_path)) as up:
        assert up.wait(BOUND) == 2
    assert "no Ray cluster at 127.0.0.1:9 (Connection refused)" in up.printed
    assert "ray start --head" in up.printed
