"""All members of the mesh that the gateway knows."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from rostra.gateway.link import Link
from rostra.gateway.members.link import MemberLink
from rostra.gateway.membership import Membership
from rostra.gateway.settings import GatewaySettings
from rostra.gateway.worker_link import WorkerLink
from rostra.v1 import control_pb2


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

    def __init__(self, membership: Membership, settings: GatewaySettings) -> None:
        self._membership = membership
        self._settings = settings
        self._links: dict[str, WorkerLink] = {}
        self._access = [(member, member.key(), member.tls()) for member in settings.members]
        self._members: list[MemberLink] = []
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._following: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

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
            link = MemberLink(member, key, tls, self._notify)
            self._members.append(link)
            self._runs[link.address] = asyncio.create_task(link.run())
        self._following = asyncio.create_task(self._follow())

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
        """Whether the model was ever seen, or could not have been because nobody is there."""
        return any(model in link.models for link in self) or not self.any_serving()

    def called(self, name: str) -> list[control_pb2.ModelInfo]:
        """What each worker that was ever met calls so, be it serving or not."""
        return [link.models[name] for link in self if name in link.models]

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

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _follow(self) -> None:
        async for addresses in self._membership.addresses():
            for address in self._links.keys() - addresses:
                self._drop(address)
            for address in sorted(addresses - self._links.keys()):
                link = WorkerLink(address, self._settings, self._notify)
                self._links[address] = link
                self._runs[address] = asyncio.create_task(link.run())
            self._notify()

    def _drop(self, address: str) -> None:
        """Takes no new requests to a worker that has left; those it still answers may finish."""
        self._close(self._links.pop(address))

    def _close(self, link: Link) -> None:
        self._runs.pop(link.address).cancel()
        closing = asyncio.create_task(link.close(self._settings.drain_grace))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
