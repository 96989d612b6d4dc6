"""The server's side of the process that checks grammars."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
from collections import OrderedDict
from pathlib import Path

from rostra.mesh.grammar import GrammarError
from rostra.mesh.grammar.check_process import HEADER
from rostra.mesh.worker.engine_stream import EngineUnavailableError

REMEMBERED = 1024
"""Grammars whose verdicts are kept."""


class GrammarChecker:
    """Finds out whether a grammar compiles before a request is submitted with it.

    The process starts with the first grammar, and again where it ended. It checks one at a time.
    """

    def __init__(self, model_path: Path) -> None:
        self._model_path = model_path
        self._process: asyncio.subprocess.Process | None = None
        self._asking = asyncio.Lock()
        self._verdicts: OrderedDict[bytes, asyncio.Task[str]] = OrderedDict()
        """Empty for good ones, by digest; the one asked for last at the end."""

    async def check(self, grammar: str, vocab_size: int) -> None:
        """Raises GrammarError with the reason, in one line; EngineUnavailableError where the
        process ended."""
        key = hashlib.blake2b(grammar.encode(), digest_size=16).digest()
        asked = self._verdicts.get(key)
        if asked is None or (asked.done() and asked.exception() is not None):
            asked = self._verdicts[key] = asyncio.create_task(self._ask(grammar, vocab_size))
        self._verdicts.move_to_end(key)
        if len(self._verdicts) > REMEMBERED:
            self._verdicts.popitem(last=False)
        # Others may wait for the same, and the process for whoever reads its answer.
        verdict = await asyncio.shield(asked)
        if verdict:
            raise GrammarError(verdict)

    async def close(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None

    async def _ask(self, grammar: str, vocab_size: int) -> str:
        async with self._asking:
            return await self._exchange(grammar.encode(), vocab_size)

    async def _exchange(self, data: bytes, vocab_size: int) -> str:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "rostra.mesh.grammar.check_process",
                str(self._model_path),
                str(vocab_size),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(HEADER.pack(len(data)) + data)
            await process.stdin.drain()
            (size,) = HEADER.unpack(await process.stdout.readexactly(HEADER.size))
            return (await process.stdout.readexactly(size)).decode()
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise EngineUnavailableError(
                "grammar_check_failed", "the process that checks grammars ended; try again"
            ) from error
