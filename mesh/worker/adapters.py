"""The server's side of adapters: who is resident in the engine, now and after it started again."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from rostra.mesh.engine.adapters import AdapterError, AdapterFault
from rostra.mesh.errors import RostraError
from rostra.mesh.worker import wire

log = logging.getLogger(__name__)

MAX_NAME_LENGTH = 128
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")


def name_problem(name: str) -> str | None:
    """What is wrong with a name for an adapter, if anything."""
    if not name:
        return "must not be empty"
    if len(name) > MAX_NAME_LENGTH:
        return f"must have at most {MAX_NAME_LENGTH} characters, got {len(name)}"
    if not _NAME.fullmatch(name):
        return "must be of letters, digits and . _ : / @ + -, a letter or digit first"
    return None


class EngineAdapters:
    """The adapters of one engine. All methods belong to one event loop."""

    def __init__(
        self,
        send: Callable[[wire.Command], None],
        require_able: Callable[[], None],
        configured: Mapping[str, str],
    ) -> None:
        """`require_able` raises where nothing can be asked of the engine now. `configured`: folders
        by name, to be loaded before the engine is ready."""
        self.resident: dict[str, wire.AdapterState] = {}
        """Those that take requests, by name."""
        self.version = 0
        """Counts changes of `resident`."""
        self.on_change: Callable[[], None] = lambda: None
        """Called after each."""
        self.failure: str | None = None
        """Why one that was to be restored could not be, the first of them."""
        self._folders = dict(configured)
        self._send = send
        self._require_able = require_able
        self._numbers = itertools.count()
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._pending: dict[int, tuple[str, asyncio.Future[wire.AdapterAnswer] | None]] = {}

    async def load(self, name: str, folder: str) -> wire.AdapterState:
        """Returns when the adapter takes requests; at once where the very same does already.

        Raises AdapterError, and what an engine raises that is not able or ends.
        """
        state = await self._to_its_end(name, lambda number: wire.LoadAdapter(number, name, folder))
        assert state is not None
        return state

    async def unload(self, name: str) -> None:
        """Refuses new requests for it at once, and returns when the running ones have ended.

        Raises as `load` does.
        """
        await self._to_its_end(name, lambda number: wire.UnloadAdapter(number, name))

    def restore(self) -> None:
        """Loads into a new engine what is to be there."""
        self.failure = None
        for name, folder in self._folders.items():
            number = next(self._numbers)
            self._pending[number] = name, None
            self._send(wire.LoadAdapter(number, name, folder))

    @property
    def restoring(self) -> bool:
        return any(waiter is None for _, waiter in self._pending.values())

    def take(self, answers: Sequence[wire.AdapterAnswer]) -> None:
        for answer in answers:
            name, waiter = self._pending.pop(answer.number)
            if answer.state is not None:
                self.resident[name] = answer.state
                self._folders[name] = answer.state.folder
                self._changed()
            elif waiter is None:
                log.error("adapter %s is not served any more: %s", name, answer.message)
                self.failure = self.failure or f"--adapter {name}: {answer.message}"
                self.resident.pop(name, None)
                self._folders.pop(name)
                self._changed()
            if waiter is not None and not waiter.done():
                waiter.set_result(answer)

    def fail(self, error: Exception) -> None:
        """The engine is gone: nothing that was asked of it will be answered."""
        pending, self._pending = self._pending, {}
        for _, waiter in pending.values():
            if waiter is not None and not waiter.done():
                waiter.set_exception(error)

    def _changed(self) -> None:
        self.version += 1
        self.on_change()

    async def _to_its_end(
        self, name: str, command: Callable[[int], wire.LoadAdapter | wire.UnloadAdapter]
    ) -> wire.AdapterState | None:
        # A caller who goes away does not end what the engine is doing, and the next one waits.
        asking = asyncio.ensure_future(self._ask(name, command))
        asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(asking)

    async def _ask(
        self, name: str, command: Callable[[int], wire.LoadAdapter | wire.UnloadAdapter]
    ) -> wire.AdapterState | None:
        async with self._locks[name]:
            self._require_able()
            number = next(self._numbers)
            asked = command(number)
            if isinstance(asked, wire.UnloadAdapter) and name in self.resident:
                del self.resident[name], self._folders[name]
                self._changed()
            waiter = asyncio.get_running_loop().create_future()
            self._pending[number] = name, waiter
            self._send(asked)
            answer: wire.AdapterAnswer = await waiter
        if answer.fault is not None:
            raise AdapterError(answer.fault, answer.message)
        return answer.state


def check_configured(adapters: Mapping[str, str], taken: Sequence[str]) -> None:
    """Raises RostraError for a name that an adapter cannot have beside a model's names."""
    for name in adapters:
        problem = name_problem(name)
        if problem is not None:
            raise RostraError(f"--adapter {name!r}: the name {problem}")
        if name in taken:
            raise RostraError(f"--adapter {name}: the model itself has that name")


def name_taken(name: str) -> AdapterError:
    return AdapterError(AdapterFault.EXISTS, f"the model itself is named {name!r}")
