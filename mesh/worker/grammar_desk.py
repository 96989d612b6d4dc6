"""Compiles grammars in the engine's process, beside its steps."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from rostra.mesh.engine.grammar_table import Grammars
from rostra.mesh.engine.messages import EngineRequest
from rostra.mesh.grammar.errors import GrammarError
from rostra.mesh.worker import wire


class Compiled(NamedTuple):
    """Requests whose grammar a thread has compiled."""

    command: wire.Add
    error: str | None = None
    """Why it could not, in one line."""


class GrammarDesk:
    """Holds requests back until their grammar is compiled. One is at a time."""

    def __init__(self, grammars: Grammars | None, wake: Callable[[Compiled], None]) -> None:
        """`grammars`: None for an engine that follows none. `wake` is called in another thread with
        what is to be handed to `finish` in the engine's."""
        self._grammars = grammars
        self._wake = wake
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="grammars")
        self._num_held = 0
        self._aborted: set[str] = set()

    def hold(self, command: wire.Add) -> bool:
        """False where nothing has to be waited for."""
        grammar = next(
            (each.grammar for each in command.requests if isinstance(each, EngineRequest)), ""
        )
        if not grammar or self._grammars is None or self._grammars.is_compiled(grammar):
            return False
        self._num_held += 1
        self._thread.submit(self._compile, self._grammars, command, grammar)
        return True

    def abort(self, request_ids: list[str]) -> None:
        """Those that are held never go on; nothing, for others."""
        if self._num_held:
            self._aborted.update(request_ids)

    def finish(self, compiled: Compiled) -> list[EngineRequest]:
        """The requests to go on with."""
        going_on = [
            request
            for request in compiled.command.requests
            if isinstance(request, EngineRequest) and request.request_id not in self._aborted
        ]
        self._num_held -= 1
        if not self._num_held:
            self._aborted.clear()
        return going_on

    def _compile(self, grammars: Grammars, command: wire.Add, grammar: str) -> None:
        error = None
        try:
            grammars.compile(grammar)
        except GrammarError as refused:
            error = str(refused)
        except Exception as fault:
            # Whatever it is, the caller must have an answer.
            error = f"the grammar could not be compiled: {type(fault).__name__}: {fault}"
        self._wake(Compiled(command, error))
