"""Which adapters are resident, in which slot, and which requests use them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rostra.mesh.engine.admission import RequestRefusedError
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.mesh.adapters.slots import PreparedAdapter


class AdapterFault(enum.Enum):
    """Why an adapter was not loaded or unloaded."""

    DISABLED = "disabled"
    """The engine was started without room for adapters."""
    EXISTS = "exists"
    """The name is taken by another one."""
    FULL = "full"
    UNKNOWN = "unknown"
    INVALID = "invalid"
    """The folder holds none that can be served."""


class AdapterError(RostraError):
    def __init__(self, fault: AdapterFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class UnknownAdapterError(RequestRefusedError):
    """No adapter of that name takes requests."""


class AdapterRunner(Protocol):
    """What has the memory of the slots."""

    def prepare_adapter(self, folder: Path) -> PreparedAdapter:
        """Reads and checks; may run beside steps, in another thread. Raises RostraError."""
        ...

    def load_adapter(self, slot: int, adapter: PreparedAdapter) -> None:
        """Copies into a slot that no request uses. Raises RostraError."""
        ...


class State(enum.Enum):
    LOADING = "being loaded"
    READY = "resident"
    LEAVING = "being unloaded"


@dataclass(eq=False)
class ResidentAdapter:
    name: str
    slot: int
    state: State = State.LOADING
    revision: str = ""
    rank: int = 0
    users: set[str] = field(default_factory=set)
    """Ids of the requests that have not ended."""


class AdapterTable:
    """The slots and who is in them.

    A slot is reserved while its adapter is read, takes requests from when it is filled, and is
    given back when the last request has ended after the adapter was told to leave.
    """

    def __init__(self, num_slots: int, runner: AdapterRunner) -> None:
        self._num_slots = num_slots
        self._runner = runner
        self._free_slots = list(reversed(range(num_slots)))
        self._by_name: dict[str, ResidentAdapter] = {}
        self._by_request: dict[str, ResidentAdapter] = {}
        self._gone: list[str] = []

    def require_slots(self) -> None:
        """Raises AdapterError where there are none."""
        if not self._num_slots:
            raise AdapterError(
                AdapterFault.DISABLED,
                "this worker takes no adapters: start it with --max-adapters",
            )

    def find(self, name: str) -> ResidentAdapter | None:
        """The one of that name, also while it is read or leaving."""
        return self._by_name.get(name)

    def prepare(self, folder: Path) -> PreparedAdapter:
        """Reads an adapter; for any thread. Raises AdapterError."""
        try:
            return self._runner.prepare_adapter(folder)
        except RostraError as error:
            raise AdapterError(AdapterFault.INVALID, str(error)) from error

    def reserve(self, name: str) -> ResidentAdapter:
        """A slot for an adapter that is about to be read. Raises AdapterError."""
        self.require_slots()
        if name in self._by_name:
            raise AdapterError(
                AdapterFault.EXISTS,
                f"another adapter named {name!r} is {self._by_name[name].state.value}",
            )
        if not self._free_slots:
            raise AdapterError(
                AdapterFault.FULL,
                f"all {self._num_slots} adapter slots are in use: unload one, or start the worker "
                "with a higher --max-adapters",
            )
        resident = self._by_name[name] = ResidentAdapter(name, self._free_slots.pop())
        return resident

    def fill(self, resident: ResidentAdapter, adapter: PreparedAdapter) -> None:
        """Copies it into its slot; it takes requests from now on. Raises AdapterError."""
        try:
            self._runner.load_adapter(resident.slot, adapter)
        except RostraError as error:
            raise AdapterError(AdapterFault.INVALID, str(error)) from error
        resident.revision, resident.rank = adapter.revision, adapter.rank
        resident.state = State.READY

    def drop(self, resident: ResidentAdapter) -> None:
        """Gives the slot of one back that nobody uses."""
        del self._by_name[resident.name]
        self._free_slots.append(resident.slot)

    def dismiss(self, name: str) -> None:
        """Refuses new requests at once; `take_gone` tells when the last one has ended.

        Raises AdapterError where there is none of that name, or it is not ready.
        """
        self.require_slots()
        resident = self._by_name.get(name)
        if resident is None or resident.state is not State.READY:
            raise AdapterError(AdapterFault.UNKNOWN, f"no adapter named {name!r} is resident")
        resident.state = State.LEAVING
        self._leave_if_idle(resident)

    def begin(self, name: str, request_id: str) -> ResidentAdapter:
        """Counts a request in. Raises UnknownAdapterError."""
        resident = self._by_name.get(name)
        if resident is None or resident.state is not State.READY:
            raise UnknownAdapterError(f"no adapter named {name!r} is resident")
        resident.users.add(request_id)
        self._by_request[request_id] = resident
        return resident

    def end(self, request_id: str) -> None:
        """Nothing, for a request without adapter."""
        resident = self._by_request.pop(request_id, None)
        if resident is not None:
            resident.users.remove(request_id)
            self._leave_if_idle(resident)

    def take_gone(self) -> list[str]:
        """Names of those that have left since the last call."""
        gone, self._gone = self._gone, []
        return gone

    def _leave_if_idle(self, resident: ResidentAdapter) -> None:
        if resident.state is State.LEAVING and not resident.users:
            self.drop(resident)
            self._gone.append(resident.name)
