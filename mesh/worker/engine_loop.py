"""The turns of an engine: commands are taken, a step is made, what came of both is reported."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

from rostra.mesh.engine.adapters import AdapterTable, UnknownAdapterError
from rostra.mesh.engine.admission import (
    PromptTooLongError,
    QueueFullError,
    RequestRefusedError,
)
from rostra.mesh.engine.cache_log import CacheChanges
from rostra.mesh.engine.grammar_table import Grammars
from rostra.mesh.engine.messages import (
    EmbeddingRequest,
    EngineLoad,
    EngineRequest,
    RequestOutput,
)
from rostra.mesh.worker import wire
from rostra.mesh.worker.adapter_desk import AdapterDesk, Prepared
from rostra.mesh.worker.engine_pipes import Inbox, Outbox
from rostra.mesh.worker.grammar_desk import Compiled, GrammarDesk

REFUSALS = {
    QueueFullError: wire.Refusal.QUEUE_FULL,
    UnknownAdapterError: wire.Refusal.NO_ADAPTER,
    PromptTooLongError: wire.Refusal.TOO_LONG,
}


class ServedEngine(Protocol):
    """What the loop drives: an engine that generates text, or one that makes vectors."""

    @property
    def adapters(self) -> AdapterTable | None:
        """None where it takes none."""
        ...

    @property
    def grammars(self) -> Grammars | None:
        """None where it follows none."""
        ...

    @property
    def has_work(self) -> bool:
        """Whether `step` would do anything."""
        ...

    def add_request(self, request: Any) -> None:
        """Queues one of the engine's kind. Raises RequestRefusedError."""
        ...

    def abort(self, request_id: str) -> bool: ...

    def step(self) -> list[RequestOutput]: ...

    def load(self) -> EngineLoad: ...

    def follow_cache(self, *, keys: bool, blocks: bool) -> None: ...

    def cache_changes(self) -> CacheChanges | None: ...


class EngineLoop:
    """Takes commands, makes steps, and reports each turn. Blocks while there is nothing to do."""

    def __init__(self, engine: ServedEngine, inbox: Inbox, outbox: Outbox) -> None:
        self.engine = engine
        self.inbox = inbox
        self.outbox = outbox
        self.adapters = AdapterDesk(engine.adapters, inbox.put)
        self.grammars = GrammarDesk(engine.grammars, inbox.put)

    def run(self) -> None:
        while True:
            self.turn()

    def turn(self) -> None:
        commands = self.inbox.take(wait=not self.engine.has_work)
        self.outbox.busy_since = time.monotonic()
        admissions = []
        for command in commands:
            if isinstance(command, wire.Add):
                if not self.grammars.hold(command):
                    admissions.append(self._add(command.requests))
            elif isinstance(command, Compiled):
                admissions += self._add_held(command)
            elif isinstance(command, wire.Abort):
                self.grammars.abort(command.request_ids)
                for request_id in command.request_ids:
                    self.engine.abort(request_id)
            elif isinstance(command, wire.LoadAdapter):
                self.adapters.load(command)
            elif isinstance(command, wire.UnloadAdapter):
                self.adapters.unload(command)
            elif isinstance(command, Prepared):
                self.adapters.finish(command)
            elif isinstance(command, wire.FollowCache):
                self.engine.follow_cache(keys=command.keys, blocks=command.blocks)
        began = time.monotonic()
        outputs = self.engine.step() if self.engine.has_work else []
        seconds = time.monotonic() - began
        self.outbox.busy_since = None
        answers = self.adapters.take_answers()
        self.outbox.put(
            wire.Turn(
                admissions,
                outputs,
                self.engine.load(),
                answers,
                self.engine.cache_changes(),
                seconds,
            )
        )

    def _add_held(self, compiled: Compiled) -> list[wire.Admission]:
        requests = self.grammars.finish(compiled)
        if not requests:
            return []
        if compiled.error is not None:
            name = requests[0].request_id
            return [wire.Admission(name, wire.Refusal.INVALID, compiled.error)]
        return [self._add(requests)]

    def _add(self, requests: Sequence[EngineRequest | EmbeddingRequest]) -> wire.Admission:
        name = requests[0].request_id
        for position, request in enumerate(requests):
            try:
                self.engine.add_request(request)
            except RequestRefusedError as error:
                for earlier in requests[:position]:
                    self.engine.abort(earlier.request_id)
                refusal = REFUSALS.get(type(error), wire.Refusal.INVALID)
                return wire.Admission(name, refusal, str(error))
        return wire.Admission(name)
