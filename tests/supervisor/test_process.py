"""A child is restarted when it dies and ended with everything it started."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from rostra.mesh.supervisor.process import ManagedProcess


async def eventually(condition, timeout=20.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        await asyncio.sleep(0.02)


def python(tmp_path, source, **options):
    return ManagedProcess(
        name="child",
        command=[sys.executable, "-c", source],
        log_path=tmp_path / "logs" / "child.log",
        **options,
    )


async def test_a_killed_child_is_started_again(tmp_path):
    exits = []
    child = python(
        tmp_path,
        "import time; print('up', flush=True); time.sleep(600)",
        on_exit=lambda name, code, delay: exits.append((name, code)),
    )
    child.start()
    try:
        await eventually(lambda: child.pid is not None)
        first = child.pid
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: child.pid not in (None, first))
        assert exits == [("child", -signal.SIGKILL)]
        assert child.restarts == 1
    finally:
        await child.stop()
    assert child.pid is None


async def test_backoff_grows(tmp_path):
    delays = []
    child = python(
        tmp_path, "raise SystemExit(3)", on_exit=lambda n, c, delay: delays.append(delay)
    )
    child.start()
    try:
        await eventually(lambda: len(delays) == 3)
    finally:
        await child.stop()
    assert delays == sorted(delays)
    assert delays[2] > delays[0]
    assert child.last_exit == 3


async def test_stop_waits_for_a_graceful_end(tmp_path):
    child = python(
        tmp_path,
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit(0)))\n"
        "print('up', flush=True)\n"
        "time.sleep(600)",
    )
    child.start()
    await eventually(lambda: "up" in child.log_tail())
    await child.stop()
    assert child.last_exit == 0
    assert "bye" in child.log_tail()
    await child.stop()


async def test_stop_kills_what_does_not_listen_and_its_children(tmp_path):
    child = python(
        tmp_path,
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(600)",
        stop_grace=0.5,
    )
    child.start()
    await eventually(lambda: child.log_tail().strip().isdigit())
    grandchild = int(child.log_tail())
    await child.stop()
    assert child.last_exit == -signal.SIGKILL
    await eventually(lambda: not _runs(grandchild))


async def test_stop_during_backoff_returns_at_once(tmp_path):
    waiting = asyncio.Event()
    child = python(tmp_path, "raise SystemExit(1)", on_exit=lambda *_: waiting.set())
    child.start()
    await waiting.wait()
    await asyncio.wait_for(child.stop(), 5)
    assert child.pid is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="parent-death signals are Linux's")
async def test_a_child_does_not_outlive_a_killed_supervisor(tmp_path):
    source = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from rostra.mesh.supervisor.process import ManagedProcess\n"
        "async def main():\n"
        "    child = ManagedProcess('c', [sys.executable, '-c', 'import time; time.sleep(600)'],\n"
        f"                           Path({str(tmp_path)!r}) / 'c.log')\n"
        "    child.start()\n"
        "    while child.pid is None:\n"
        "        await asyncio.sleep(0.01)\n"
        "    print(child.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    pid = int(supervisor.stdout.readline())
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    await eventually(lambda: not _runs(pid))


def _runs(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
