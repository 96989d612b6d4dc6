"""Grammars are checked in bounded time and memory, in a process that nobody else needs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rostra.mesh import grammar as forms
from rostra.mesh.grammar import GrammarError
from rostra.mesh.grammar.limits import MAX_COMPILED_BYTES
from rostra.mesh.worker.engine_stream import EngineUnavailableError
from rostra.mesh.worker.grammar_checker import GrammarChecker

GOOD, BAD = forms.regex("a+"), forms.regex("a(?=b)")
HUGE = json.dumps({"grammars": [{"json_schema": {"const": "x" * 1_000_000}}]})
"""Beyond what `json_schema` takes, to meet what the library does not bound by itself."""
SLOW = forms.json_schema('{"type": "integer", "multipleOf": 1000003}')


@pytest.fixture
async def checker(tiny_model: Path):
    checker = GrammarChecker(tiny_model)
    yield checker
    await checker.close()


async def test_verdicts_are_remembered(checker: GrammarChecker):
    for _ in range(2):
        await checker.check(GOOD, 320)
        with pytest.raises(GrammarError, match="look-ahead"):
            await checker.check(BAD, 320)
    await checker.close()
    await checker.check(GOOD, 320)
    assert checker._process is None, "nobody was asked"


async def test_the_same_grammar_is_asked_for_once_by_all_who_wait(checker: GrammarChecker):
    waiting = [asyncio.create_task(checker.check(BAD, 320)) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(isinstance(result, GrammarError) for result in results[1:])
    assert len(checker._verdicts) == 1


async def test_one_that_takes_all_memory_is_refused_and_the_next_is_checked(
    checker: GrammarChecker,
):
    megabytes = MAX_COMPILED_BYTES // 2**20
    with pytest.raises(GrammarError, match=f"more than {megabytes} MiB of memory|too many expr"):
        await checker.check(HUGE, 320)
    await checker.check(GOOD, 320)


async def test_a_process_that_died_is_started_again(checker: GrammarChecker):
    await checker.check(GOOD, 320)
    os.kill(checker._process.pid, signal.SIGKILL)
    with pytest.raises(EngineUnavailableError, match="try again"):
        await checker.check(BAD, 320)
    with pytest.raises(GrammarError, match="look-ahead"):
        await checker.check(BAD, 320)


IN_A_SECOND = """
import sys
from pathlib import Path
from rostra.mesh.grammar import check_process
from rostra.mesh.grammar.compiled import Vocabulary

check_process.MAX_COMPILE_SECONDS = 1
vocabulary = Vocabulary.load(Path(sys.argv[1]), 320)
for grammar in sys.argv[2:]:
    print(check_process.check_in_fork(vocabulary, grammar))
"""


def test_one_that_takes_too_long_is_ended(tiny_model: Path):
    command = [sys.executable, "-c", IN_A_SECOND, str(tiny_model), SLOW, GOOD, BAD]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    slow, good, bad = done.stdout.splitlines()
    assert "to compile" in slow
    assert good == ""
    assert "look-ahead" in bad
