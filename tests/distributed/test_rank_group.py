"""What a worker says when one of its ranks ends, and that the others end with it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil
import pytest
from worker_harness import tiny_config

from rostra.mesh.errors import RostraError
from rostra.mesh.worker.engine_client import EngineClient
from rostra.mesh.worker.engine_group import EngineGroup

PRELUDE = """
import os, pathlib, signal, sys, time
import rostra.mesh.worker.engine_process as process
from rostra.mesh.distributed.place import PeerLostError
from rostra.mesh.engine.messages import EngineLoad
from rostra.mesh.errors import RostraError
from rostra.mesh.worker import wire
INFO = wire.EngineInfo(device="cpu", device_name="", dtype="", max_model_len=9, vocab_size=9)
class Engine:
    has_work = False
    def load(self): return EngineLoad()
def wait(*_): time.sleep(1000)
OVER = pathlib.Path(sys.argv[0]).with_suffix(".over")
def lose(*_):
    while not OVER.exists(): time.sleep(0.01)
    time.sleep(0.1)
    raise PeerLostError("gone")
def first(end):
    def end_it(*_):
        OVER.touch()
        end()
    return end_it
def fail(error):
    def raise_it(): raise error
    return first(raise_it)
def serve(*_): return Engine(), INFO
def run(*ranks):
    def follow(setup): ranks[setup.place.rank](setup)
    process.follow = follow
    process.main(ranks[0])
"""


def client(tmp_path: Path, ranks: str) -> EngineClient:
    """Of three processes that do what the functions do, instead of what ranks do."""
    script = tmp_path / "engine.py"
    script.write_text(f"{PRELUDE}\nrun({ranks})\n")
    config = tiny_config(tmp_path, tensor_parallel_size=3).engine
    return EngineClient(config, command=(sys.executable, str(script)))


@pytest.mark.parametrize(
    ("ranks", "message"),
    [
        ("wait, wait, fail(RostraError('buy more memory'))", "^buy more memory$"),
        ("lose, fail(RostraError('buy more memory')), lose", "^buy more memory$"),
        ("fail(RostraError('no such model')), lose, wait", "^no such model$"),
        ("wait, fail(KeyError('x')), lose", "did not start: KeyError: 'x'"),
        ("lose, lose, first(lambda: os._exit(7))", "process of rank 2 ended with exit code 7"),
        ("first(os.abort), lose, lose", "process of rank 0 was ended by SIGABRT"),
        ("wait, first(lambda: os.kill(os.getpid(), 9)), lose", "of rank 1 was ended by SIGKILL"),
    ],
)
async def test_the_first_to_end_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ranks: str, message: str
):
    pids: list[int] = []
    close = EngineGroup.close

    async def note_and_close(group: EngineGroup):
        pids.extend(group.pids)
        return await close(group)

    monkeypatch.setattr(EngineGroup, "close", note_and_close)
    engine = client(tmp_path, ranks)
    try:
        async with asyncio.timeout(60):
            with pytest.raises(RostraError, match=message):
                await engine.start()
    finally:
        await engine.close()
    assert len(pids) == 3
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_all_ranks_end_with_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = client(tmp_path, "serve, wait, wait")
    await engine.start()
    pids = engine.pids
    assert len(pids) == 3
    (folder,) = meetings(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    await engine.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not folder.exists()


def meetings(folder: Path) -> list[Path]:
    return list(folder.glob("rostra-ranks-*"))
