"""Workers by a file that changes."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from rostra.gateway.membership.workers_file import FileMembership


def write(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


async def test_each_change_is_told_and_nonsense_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "workers"
    said = FileMembership(path, 0.01).addresses()

    async def next_one() -> set[str]:
        return set(await asyncio.wait_for(anext(said), 30))

    assert await next_one() == set()  # there is no file yet
    write(path, "# replicas\n10.0.0.1:50051  # worker-1.1\n\n[fd00::1]:50051\n")
    assert await next_one() == {"10.0.0.1:50051", "[fd00::1]:50051"}
    with caplog.at_level(logging.WARNING):
        for text in ("10.0.0.1\n", "10.0.0.1:50051\nhost:99999\n"):
            write(path, text)
            following = asyncio.ensure_future(next_one())
            done, _ = await asyncio.wait([following], timeout=0.5)
            assert not done
            write(path, f"10.0.0.{len(text)}:1\n")
            assert await following == {f"10.0.0.{len(text)}:1"}
        path.unlink()
        following = asyncio.ensure_future(next_one())
        done, _ = await asyncio.wait([following], timeout=0.5)
        assert not done
        write(path, "")
        assert await following == set()
    messages = [record.getMessage() for record in caplog.records]
    assert sum("is no worker address; write host:port" in message for message in messages) == 2
    assert sum("No such file" in message for message in messages) == 2
