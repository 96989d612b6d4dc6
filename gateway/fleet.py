"""All members of the mesh that the gateway knows."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

import grpc

from rostra.gateway.backoff import persist
from rostra.gateway.errors import GatewayError
from rostra.gateway.link import Link
from rostra.gateway.members.link import MemberLink
from rostra.gateway.membership import Membership
from rostra.gateway.membership.revisions import revision_warnings
from rostra.gateway.membership.sources import following_backoff
from rostra.gateway.membership.state import Announcements
from rostra.gateway.routing.reckoning import Traffic
from rostra.gateway.settings import GatewaySettings
from rostra.gateway.worker_channel import open_channel
from rostra.gateway.worker_link import DRAINING, NOT_REACHED, WorkerLink
from rostra.v1 import control_pb2, control_pb2_grpc

logger = logging.getLogger(__name__)

_REMEMBERED = 600.0
"""Seconds for which a model whose last worker has left is one that is out, not one that is none."""
_MAX_REMEMBERED = 1024


@dataclass
class ServedModel:
    info: control_pb2.ModelInfo
    first_seen: int
    """Unix time."""
    owner: str
    takes_images: bool


class Fleet:
    """Keeps one link to each worker and to each other server, and tells waiters when something
    changed.

    Raises GatewayError where the key or the certificates of a server are missing.
    """

    def __init__(
        self,
        membership: Membership,
        settings: GatewaySettings,
        announcements: Announcements | None = None,
    ) -> None:
        """`announcements`: of those workers that join by themselves."""
        self._membership = membership
        self._settings = settings
        self._announcements = announcements
        self._tls = None if settings.worker_tls is None else settings.worker_tls.tls
        if self._tls is not None:
            self._tls.credentials()
        self._links: dict[str, WorkerLink] = {}
        self._traffic = Traffic()
        self._access = [(member, member.key(), member.tls()) for member in settings.members]
        self._members: list[MemberLink] = []
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._following: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._left: dict[str, tuple[float, control_pb2.ModelInfo]] = {}
        """Models of workers that left, by name and alias, with when to forget them."""
        self.warnings: dict[str, tuple[str, ...]] = {}
        """What is odd about workers that are in use, by address."""
        if announcements is not None:
            announcements.listen(self._announced)

    def __iter__(self) -> Iterator[Link]:
        return itertools.chain(self._links.values(), self._members)

    @property
    def members(self) -> list[MemberLink]:
        """Those that are other servers."""
        return self._members

    @property
    def workers(self) -> list[WorkerLink]:
        return list(self._links.values())

    async def start(self) -> None:
        for member, key, tls in self._access:
            link = MemberLink(member, key, tls, self._settings.failover, self._notify)
            self._members.append(link)
            self._runs[link.address] = asyncio.create_task(link.run())
        following = persist(self._follow, "learning who the workers are", following_backoff())
        self._following = asyncio.create_task(following)

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
        for address in list(self._links):
            self._drop(address)
        for link in self._members:
            self._close(link)
        if self._closing:
            await asyncio.wait(self._closing)

    def serving(self, model: str) -> list[Link]:
        return [link for link in self if link.serving and model in link.models]

    def any_serving(self) -> bool:
        return any(link.serving for link in self)

    def may_serve(self, model: str) -> bool:
        """Whether the model was seen lately, or could not have been because nobody is there."""
        known = any(model in link.models for link in self) or self._remembered(model) is not None
        return known or not self.any_serving()

    def called(self, name: str) -> list[control_pb2.ModelInfo]:
        """What each worker that was met lately calls so, be it serving or not."""
        found = [link.models[name] for link in self if name in link.models]
        remembered = self._remembered(name)
        return found if found or remembered is None else [remembered]

    def models(self) -> dict[str, ServedModel]:
        """The models that are served now. What several serve is told as the first of them has it,
        workers before other servers."""
        found: dict[str, ServedModel] = {}
        for link in self:
            for info in link.models.values() if link.serving else ():
                seen = link.first_seen[info.name]
                known = found.get(info.name)
                if known is None:
                    found[info.name] = ServedModel(info, seen, link.owner, info.takes_images)
                    continue
                known.first_seen = min(seen, known.first_seen)
                known.takes_images |= info.takes_images
        return found

    async def wait_for_change(self, timeout: float) -> None:
        """Returns after the next change, or raises TimeoutError."""
        changed = self._changed
        async with asyncio.timeout(timeout):
            await changed.wait()

    def wake(self) -> None:
        """Has whoever waits for a change look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def instance_at(self, address: str) -> str:
        """The instance id that answers there; empty: nobody does."""
        try:
            channel = open_channel(address, self._settings, self._tls)
        except GatewayError:
            return ""
        async with channel:
            control = control_pb2_grpc.ControlStub(channel)
            request = control_pb2.GetServerInfoRequest()
            try:
                reply = await control.GetServerInfo(request, timeout=self._settings.load_timeout)
            except grpc.aio.AioRpcError:
                return ""
            return reply.instance_id

    def _notify(self) -> None:
        self.wake()
        self._warn()
        if self._announcements is None:
            return
        for address, link in self._links.items():
            told = "" if link.reason in (NOT_REACHED, DRAINING) else link.reason
            self._announcements.report(address, told, self.warnings.get(address, ()))

    def _warn(self) -> None:
        before = self.warnings
        self.warnings = revision_warnings(link for link in self._links.values() if link.serving)
        for address, lines in self.warnings.items():
            for line in lines if lines != before.get(address) else ():
                logger.warning("worker %s: %s", address, line)

    async def _follow(self) -> None:
        async for addresses in self._membership.addresses():
            for address in self._links.keys() - addresses:
                self._drop(address)
            for address in sorted(addresses - self._links.keys()):
                self._add(address)
            self._notify()

    def _add(self, address: str) -> None:
        try:
            link = WorkerLink(
                address,
                self._settings,
                self._notify,
                tls=self._tls,
                same_instance=self._same_instance,
                traffic=self._traffic,
            )
        except GatewayError as error:
            logger.error("worker %s cannot be called: %s", address, error)
            return
        if self._announcements is not None:
            link.announce(self._announcements.latest(address))
        self._links[address] = link
        self._runs[address] = asyncio.create_task(link.run())

    def _announced(self, address: str) -> None:
        """A worker said something of itself."""
        link = self._links.get(address)
        if link is not None and self._announcements is not None:
            link.announce(self._announcements.latest(address))

    def _same_instance(self, asking: WorkerLink, instance_id: str) -> str | None:
        for link in self._links.values():
            if link is not asking and link.serving and link.info.instance_id == instance_id:
                return link.address
        return None

    def _drop(self, address: str) -> None:
        """Takes no new requests to a worker that has left; those it still answers may finish."""
        link = self._links.pop(address)
        now = time.monotonic()
        self._left = {name: known for name, known in self._left.items() if known[0] > now} | {
            name: (now + _REMEMBERED, info) for name, info in link.models.items()
        }
        while len(self._left) > _MAX_REMEMBERED:
            del self._left[next(iter(self._left))]
        self._close(link)

    def _remembered(self, name: str) -> control_pb2.ModelInfo | None:
        until, info = self._left.get(name, (0.0, None))
        return info if until > time.monotonic() else None

    def _close(self, link: Link) -> None:
        self._runs.pop(link.address).cancel()
        closing = asyncio.create_task(link.close(self._settings.drain_grace))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
