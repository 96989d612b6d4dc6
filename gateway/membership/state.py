"""Who has joined: what a registry knows, apart from how it is told."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import grpc

from rostra.gateway.membership.contract import revision_problem
from rostra.gateway.membership.settings import split_address
from rostra.v1 import registry_pb2

Kind = registry_pb2.MemberChange


class Announcements(Protocol):
    """What workers say of themselves, and what they are told."""

    def latest(self, address: str) -> registry_pb2.Member | None:
        """None: no worker of this address is joined."""
        ...

    def listen(self, callback: Callable[[str], None]) -> None:
        """Calls with the address of each worker that joined, said something, or left."""
        ...

    def report(self, address: str, problem: str, warnings: Sequence[str]) -> None:
        """Tells the worker why it gets no requests (empty: it does), and what else is odd."""
        ...


class JoinRefusedError(Exception):
    """A worker cannot join; the message says why."""

    def __init__(self, code: grpc.StatusCode, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        """`google.rpc.ErrorInfo.reason`."""


@dataclass(eq=False)
class Seat:
    """One worker that has joined, by one stream."""

    member: registry_pb2.Member
    wake: Callable[[], None] = lambda: None
    """Called when `ending`, `problem` or `warnings` have changed."""
    heard: float = 0.0
    """By the registry's own clock."""
    ending: JoinRefusedError | None = None
    """Why the stream is to end."""
    warnings: tuple[str, ...] = ()
    version: int = 0

    @property
    def address(self) -> str:
        return self.member.address

    @property
    def instance_id(self) -> str:
        return self.member.info.instance_id


@dataclass
class View:
    """What a watcher has been told."""

    known: dict[str, tuple[int, registry_pb2.Member]] = field(default_factory=dict)
    """By address: version and last state."""


class RegistryState:
    """Each address and each instance id has one seat at most.

    Silence is measured by `clock`, in seconds, and nothing depends on what time a worker has.
    """

    def __init__(
        self,
        silence: float,
        max_workers: int = 4096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.silence = silence
        """Seconds without a message after which a worker is out."""
        self._max_workers = max_workers
        self._clock = clock
        self._seats: dict[str, Seat] = {}
        self._versions = itertools.count(1)
        self._listeners: list[Callable[[str], None]] = []
        self._watchers: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._seats)

    def __contains__(self, seat: Seat) -> bool:
        return self._seats.get(seat.address) is seat

    @property
    def addresses(self) -> frozenset[str]:
        return frozenset(self._seats)

    def members(self) -> list[registry_pb2.Member]:
        return [seat.member for seat in self._seats.values()]

    def seats(self) -> list[Seat]:
        return list(self._seats.values())

    def latest(self, address: str) -> registry_pb2.Member | None:
        seat = self._seats.get(address)
        return None if seat is None else seat.member

    def listen(self, callback: Callable[[str], None]) -> None:
        self._listeners.append(callback)

    def forget(self, callback: Callable[[str], None]) -> None:
        """Ends a `listen`."""
        self._listeners.remove(callback)

    def watch(self, callback: Callable[[], None]) -> None:
        """Calls whenever there may be new `changes`."""
        self._watchers.append(callback)

    def unwatch(self, callback: Callable[[], None]) -> None:
        self._watchers.remove(callback)

    def rival(self, seat: Seat) -> Seat | None:
        """Another instance that has the seat's address."""
        held = self._seats.get(seat.address)
        return held if held is not None and held.instance_id != seat.instance_id else None

    def join(self, seat: Seat, *, supersede: bool = False) -> None:
        """Takes a worker in; an older stream of the same worker is told to end, and with
        `supersede` also that of another instance at its address.

        Raises JoinRefusedError.
        """
        rival = self.rival(seat)
        if rival is not None and not supersede:
            raise _exists(
                "address_taken",
                f"the address {seat.address} is held by another worker (instance "
                f"{rival.instance_id}), which answers there: give each worker an address of its "
                "own with --listen or --advertise",
            )
        for other in self._seats.values():
            if other.instance_id == seat.instance_id and other.address != seat.address:
                raise _exists(
                    "instance_taken",
                    f"the worker at {other.address} has the same instance id "
                    f"({seat.instance_id}): start this one again to get another",
                )
        held = self._seats.get(seat.address)
        if held is None and len(self._seats) >= self._max_workers:
            raise JoinRefusedError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "registry_full",
                f"this gateway has {len(self._seats)} workers, as many as it takes",
            )
        if held is not None:
            self._end(held, _superseded(rival is not None))
        seat.heard = self._clock()
        self._seats[seat.address] = seat
        self._changed(seat)

    def update(self, seat: Seat, request: registry_pb2.JoinRequest) -> None:
        """Takes in a later message. Of a seat that is no more, nothing."""
        if seat not in self:
            return
        seat.heard = self._clock()
        member = seat.member
        if request.models:
            del member.models[:]
            member.models.extend(request.models)
        if request.HasField("load"):
            member.load.CopyFrom(request.load)
        if request.HasField("draining"):
            member.draining = request.draining
        self._changed(seat)

    def leave(self, seat: Seat) -> None:
        """Idempotent."""
        if seat in self:
            del self._seats[seat.address]
            self._tell(seat.address)

    def expire(self) -> list[Seat]:
        """Takes out those that have been silent for too long, and returns them."""
        limit = self._clock() - self.silence
        silent = [seat for seat in self._seats.values() if seat.heard < limit]
        for seat in silent:
            reason = f"the gateway heard nothing of this worker for {self.silence:g} s"
            self.end(seat, JoinRefusedError(grpc.StatusCode.DEADLINE_EXCEEDED, "silent", reason))
        return silent

    def forgive(self, seconds: float) -> None:
        """For when the registry itself did not listen for so long."""
        for seat in self._seats.values():
            seat.heard += seconds

    def end(self, seat: Seat, why: JoinRefusedError) -> None:
        """Takes a worker out, and tells its stream to end."""
        self.leave(seat)
        self._end(seat, why)

    def report(self, address: str, problem: str, warnings: Sequence[str]) -> None:
        seat = self._seats.get(address)
        if seat is None or (seat.member.problem, seat.warnings) == (problem, tuple(warnings)):
            return
        seat.member.problem, seat.warnings = problem, tuple(warnings)
        seat.version = next(self._versions)
        self._show()
        seat.wake()

    def changes(self, view: View) -> list[registry_pb2.MemberChange]:
        """What a watcher does not know yet; it does from now on."""
        found = []
        for address, (_, member) in list(view.known.items()):
            if address not in self._seats:
                found.append(registry_pb2.MemberChange(kind=Kind.KIND_LEFT, member=member))
                del view.known[address]
        for address, seat in self._seats.items():
            known = view.known.get(address)
            if known is None or known[0] != seat.version:
                kind = Kind.KIND_JOINED if known is None else Kind.KIND_UPDATED
                member = registry_pb2.Member()
                member.CopyFrom(seat.member)
                found.append(registry_pb2.MemberChange(kind=kind, member=member))
                view.known[address] = seat.version, member
        return found

    def _end(self, seat: Seat, why: JoinRefusedError) -> None:
        seat.ending = why
        seat.wake()

    def _changed(self, seat: Seat) -> None:
        seat.version = next(self._versions)
        self._tell(seat.address)

    def _tell(self, address: str) -> None:
        for listener in list(self._listeners):
            listener(address)
        self._show()

    def _show(self) -> None:
        for watcher in list(self._watchers):
            watcher()


def seat_of(request: registry_pb2.JoinRequest, *, tls: bool) -> Seat:
    """What a first message says. `tls`: whether this gateway calls its workers with TLS.

    Raises JoinRefusedError where something is missing or cannot be.
    """
    if split_address(request.address) is None:
        raise _invalid(f"address: {request.address[:128]!r} is no host:port to reach a worker at")
    if not request.info.instance_id:
        raise _invalid("info.instance_id: must not be empty")
    names = [name for model in request.models for name in (model.name, *model.aliases)]
    if not names or not all(names):
        raise _invalid("models: a worker serves one at least, and each has a name")
    if problem := revision_problem(request.info.contract_revision):
        raise JoinRefusedError(grpc.StatusCode.FAILED_PRECONDITION, "contract_revision", problem)
    if request.tls != tls:
        raise JoinRefusedError(
            grpc.StatusCode.FAILED_PRECONDITION,
            "tls_mismatch",
            "the worker listens with TLS and this gateway calls its workers without: set "
            "[gateway.worker_tls]"
            if request.tls
            else "this gateway calls its workers with TLS and the worker listens without: set "
            "--tls-cert and --tls-key",
        )
    member = registry_pb2.Member(
        address=request.address,
        info=request.info,
        models=request.models,
        load=request.load,
        draining=request.draining,
    )
    return Seat(member)


def _invalid(message: str) -> JoinRefusedError:
    return JoinRefusedError(grpc.StatusCode.INVALID_ARGUMENT, "invalid_value", message)


def _exists(reason: str, message: str) -> JoinRefusedError:
    return JoinRefusedError(grpc.StatusCode.ALREADY_EXISTS, reason, message)


def _superseded(by_another: bool) -> JoinRefusedError:
    who = "another instance answers at its address" if by_another else "it has joined once more"
    return JoinRefusedError(grpc.StatusCode.ABORTED, "superseded", who)
