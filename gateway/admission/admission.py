"""Lets requests through to the workers: within the limits of their key, and in their turn."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from rostra.gateway.admission.estimate import answer_tokens, num_prompts, prompt_tokens
from rostra.gateway.admission.limits import KeyLimits, Limits
from rostra.gateway.admission.settings import AdmissionSettings
from rostra.gateway.admission.waiting_room import Entrant, WaitingRoom
from rostra.gateway.context import Exchange
from rostra.gateway.errors import priority_not_allowed
from rostra.gateway.fleet import Fleet
from rostra.gateway.link import Link
from rostra.gateway.routing.names import Names

_GONE = 499
_MISTAKES = range(400, 500)


@dataclass
class Ticket:
    """What a request was let through with, to be settled when it has ended."""

    prompt_estimate: int
    estimate: int
    """Of prompt and answer."""
    limits: KeyLimits | None = None
    room: WaitingRoom | None = None
    entrant: Entrant | None = None


class Admission:
    """One queue for each model, and for each name that stands for several."""

    def __init__(
        self,
        settings: AdmissionSettings,
        fleet: Fleet,
        names: Names | None = None,
        now: Callable[[], int] | None = None,
    ) -> None:
        """`names`: what they stand for. `now`: milliseconds of a clock that never goes back, for
        the limits."""
        self.limits = Limits(now)
        self._settings = settings
        self._fleet = fleet
        self._names = names or Names({})
        self._rooms: dict[str, WaitingRoom] = {}

    async def admit(self, exchange: Exchange, body: BaseModel, model: str, remote: str) -> None:
        """Returns when the request may go on. `remote` is whose it is where there are no keys.

        Raises ApiError: 403 for a priority that the key may not have, 429 where it is too much, and
        504 where the deadline comes first.
        """
        key = exchange.key
        best = -math.inf if key is None else key.max_priority
        wanted = getattr(body, "priority", None)
        if wanted is not None and wanted < best:
            raise priority_not_allowed(wanted, int(best))
        # Counting tokens and the like is over at once, and nothing of it runs in an engine.
        queued: bool = getattr(type(body), "queued", True)
        prompt = prompt_tokens(body) if queued else 0
        ticket = Ticket(prompt, prompt + answer_tokens(body) if queued else 0)
        if key is not None:
            exchange.limits = limits = self.limits.of(key)
            limits.begin(prompt)
            ticket.limits = limits
        exchange.ticket = ticket
        room = self._room(model) if queued else None
        if room is None:
            return
        calls = num_prompts(body)
        entrant = Entrant(
            flow=f"address {remote}" if key is None else f"key {key.name}",
            weight=1.0 if key is None else key.weight,
            priority=int(max(0, best)) if wanted is None else wanted,
            cost=float(ticket.estimate),
            dispatched=lambda: len(exchange.workers) >= calls,
        )
        await room.enter(entrant, exchange.remaining())
        ticket.room, ticket.entrant = room, entrant

    def settle(self, exchange: Exchange, status: int) -> None:
        """The request has ended, with this status; what it took is known now."""
        ticket, exchange.ticket = exchange.ticket, None
        if ticket is None:
            return
        used = _used(exchange, status, ticket.prompt_estimate) if ticket.estimate else 0
        if ticket.limits is not None:
            ticket.limits.end(used - ticket.prompt_estimate)
        if ticket.room is not None and ticket.entrant is not None:
            ticket.room.left(ticket.entrant, used - ticket.estimate)

    def waiting(self) -> dict[str, int]:
        """Requests that wait, by model."""
        return {model: len(room) for model, room in self._rooms.items()}

    def close(self) -> None:
        for room in self._rooms.values():
            room.close()

    def _room(self, model: str) -> WaitingRoom | None:
        """None where nobody serves the model: whoever routes the request has to say what then."""
        serving = self._serving(model)
        if not serving:
            return None
        named = self._names.find(model)
        name = serving[0].models[model].name if named is None else named[0]
        if name not in self._rooms:
            self._rooms[name] = WaitingRoom(
                self._settings, lambda: self._free(name), lambda: self._soonest(name)
            )
        return self._rooms[name]

    def _serving(self, model: str) -> list[Link]:
        """Those that one of the models behind the name is served by."""
        found = [
            link for target in self._names.order(model) for link in self._fleet.serving(target)
        ]
        return list(dict.fromkeys(found))

    def _free(self, model: str) -> float:
        serving = self._serving(model)
        return sum(link.room for link in serving) if serving else math.inf

    def _soonest(self, model: str) -> float:
        soonest = min((link.wait for link in self._serving(model)), default=0.0)
        return soonest if math.isfinite(soonest) else 0.0


def _used(exchange: Exchange, status: int, prompt_estimate: int) -> int:
    """Tokens. Where the worker did not come to say it, what was seen of them."""
    counted = exchange.prompt_tokens + exchange.completion_tokens
    if counted:
        return counted
    refused = status in _MISTAKES and status != _GONE
    if refused or not exchange.workers:
        return 0
    return prompt_estimate + exchange.streamed_tokens
