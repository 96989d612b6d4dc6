"""One round: the same questions to one contestant or two, and of two one vote."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rostra.arena.contestant import Contestant
from rostra.arena.conversation import (
    ABANDONED,
    STOPPED,
    Conversation,
    StreamedAnswer,
)
from rostra.arena.errors import VoteRefusedError
from rostra.arena.gateway_client import GatewayClient
from rostra.arena.identity import give_aways, reveals
from rostra.arena.images.picture import Picture
from rostra.arena.matchmaking import Pair, Side
from rostra.arena.release import AsReceived, InStep, Received, Release
from rostra.arena.votes.records import (
    Mode,
    Outcome,
    StoredBattle,
    StoredReasons,
    StoredVote,
    Ticket,
)
from rostra.arena.votes.store import VoteStore

logger = logging.getLogger(__name__)

CADENCE = 0.08
"""Seconds. Answers grow at these moments and at no others."""


@dataclass(frozen=True)
class Opening:
    """What is stored with a battle when it is opened, beside who plays and the first question."""

    campaign: str
    voter: str
    """What tells voters apart; the store hashes it."""
    groups: frozenset[str] = frozenset()
    consent_sha256: bytes | None = None
    """Of the text that the voter agreed to."""
    matchmaking: Mapping[str, Any] | None = None
    """How the pair was drawn."""


class Round:
    """A battle from its first question to its vote. Belongs to one voter and one event loop.

    Who answers is known here and not to the page, until `contestants` is read: in a blind battle
    after the vote. Everything is stored before it is shown.
    """

    def __init__(
        self,
        contestants: Mapping[Side, Contestant],
        mode: Mode,
        store: VoteStore,
        client: GatewayClient,
        opening: Opening,
    ) -> None:
        self.contestants = contestants
        self.mode = mode
        self.turns: list[str] = []
        self.images: list[tuple[Picture, ...]] = []
        """Of each turn."""
        self.vote: StoredVote | None = None
        self.reasons: StoredReasons | None = None
        self.ticket: Ticket | None = None
        self.revealed = False
        """An answer has said who wrote it."""
        self._store = store
        self._opening = opening
        self._conversations = {
            side: Conversation(contestant, client) for side, contestant in contestants.items()
        }
        self._phrases = give_aways(contestants.values())
        self._attempt = 0
        self._moment = asyncio.Event()
        self._showing: asyncio.Task[None] | None = None

    @classmethod
    def resumed(
        cls,
        contestants: Mapping[Side, Contestant],
        stored: StoredBattle,
        ticket: Ticket,
        store: VoteStore,
        client: GatewayClient,
    ) -> Round:
        """The round of a stored battle, as its voter left it."""
        current = cls(contestants, stored.mode, store, client, Opening(stored.campaign, ""))
        current.ticket = ticket
        current.vote, current.reasons = stored.vote, stored.reasons
        current.revealed = stored.identity_revealed
        answers = {(answer.turn, answer.side): answer for answer in stored.answers}
        for turn in stored.turns:
            current.turns.append(turn.prompt)
            current.images.append(turn.images)
            for side, conversation in current._conversations.items():
                answer = answers.get((turn.number, side))
                conversation.recall(turn.prompt, answer, turn.images)
        last = len(stored.turns) - 1
        current._attempt = max((a.attempt for a in stored.answers if a.turn == last), default=0)
        return current

    @property
    def campaign(self) -> str:
        """By name."""
        return self._opening.campaign

    @property
    def answers(self) -> dict[Side, StreamedAnswer]:
        """To the last question; empty before the first."""
        if not self.turns:
            return {}
        return {side: each.answer for side, each in self._conversations.items()}

    @property
    def ended(self) -> bool:
        return bool(self.turns) and all(answer.ended for answer in self.answers.values())

    @property
    def failed_sides(self) -> list[Side]:
        return [side for side, answer in self.answers.items() if answer.state == "failed"]

    @property
    def interrupted(self) -> bool:
        return any(answer.state == "interrupted" for answer in self.answers.values())

    @property
    def can_go_on(self) -> bool:
        """Whether the answers can be voted on, or be asked about further."""
        return self.ended and not self.failed_sides and not self.interrupted

    def history(self, side: Side) -> list[str]:
        """The answers to the questions before the last one."""
        return self._conversations[side].history[: len(self.turns) - 1]

    async def next_moment(self) -> None:
        """Returns when there may be something new to show."""
        await self._moment.wait()

    async def ask(self, prompt: str, images: Sequence[Picture] = ()) -> None:
        """Stores the question, then puts it to all. Raises `VoteRefusedError` after the vote."""
        opening = self._opening
        if self.ticket is None:
            pair = (
                Pair(self.contestants["a"], self.contestants["b"])
                if "b" in self.contestants
                else self.contestants["a"]
            )
            self.ticket = await asyncio.to_thread(
                self._store.open_battle,
                pair,
                prompt,
                opening.voter,
                campaign=opening.campaign,
                mode=self.mode,
                matchmaking=opening.matchmaking,
                consent_sha256=opening.consent_sha256,
                groups=opening.groups,
                images=images,
            )
        else:
            await asyncio.to_thread(
                self._store.add_turn, self.ticket, len(self.turns), prompt, images
            )
        self.turns.append(prompt)
        self.images.append(tuple(images))
        self._attempt = 0
        for conversation in self._conversations.values():
            conversation.ask(prompt, images)
        self._show()

    async def ask_again(self) -> None:
        """Has the last question answered anew by all. Not after the vote."""
        if self.vote is not None or not self.ended:
            return
        self._attempt += 1
        for conversation in self._conversations.values():
            conversation.ask_again()
        self._show()

    def stop(self) -> None:
        """Cuts all answers where they are. What they said stands and can be voted on."""
        self._cut(STOPPED)

    async def close(self) -> None:
        """Cuts what still runs, and returns when it is stored."""
        self._cut(ABANDONED)
        if self._showing is not None:
            await self._showing

    async def cast(self, outcome: Outcome) -> StoredVote:
        """Stores the vote. Raises `VoteRefusedError`."""
        if self.ticket is None:
            raise VoteRefusedError("There is nothing to vote on yet: ask a question.")
        if self.vote is None and not self.can_go_on:
            raise VoteRefusedError(
                "An answer of this round failed or was interrupted: have it written again."
                if self.ended
                else "Wait until both answers have ended."
            )
        try:
            self.vote = await asyncio.to_thread(self._store.vote, self.ticket, outcome)
        except VoteRefusedError:
            # Voted on in another tab, it may be: that vote stands, and is what is shown.
            self.vote = (await asyncio.to_thread(self._store.resume, self.ticket)).vote
            raise
        return self.vote

    async def give_reasons(self, tags: Iterable[str], comment: str) -> StoredReasons:
        """Stores why the voter voted so. Raises `VoteRefusedError`."""
        if self.ticket is None:
            raise VoteRefusedError("There is no vote yet to give reasons for.")
        self.reasons = await asyncio.to_thread(
            self._store.give_reasons, self.ticket, list(tags), comment
        )
        return self.reasons

    def _cut(self, why: str) -> None:
        for conversation in self._conversations.values():
            conversation.cut(why)

    def _tell(self) -> None:
        self._moment.set()
        self._moment = asyncio.Event()

    def _show(self) -> None:
        self._showing = asyncio.create_task(self._show_answers(len(self.turns) - 1, self._attempt))

    async def _show_answers(self, turn: int, attempt: int) -> None:
        """Lets the answers grow, moment by moment, and stores each when it is over."""
        release: Release = InStep() if self.mode == "battle" else AsReceived()
        growing = dict(self._conversations)
        storing: list[asyncio.Task[None]] = []
        before = time.monotonic()
        while growing:
            await asyncio.sleep(CADENCE)
            now = time.monotonic()
            received = {
                side: Received(each.received, each.whole)
                for side, each in self._conversations.items()
            }
            length = release.advance(received, now - before)
            before = now
            for side, conversation in list(growing.items()):
                conversation.show(length)
                if conversation.over:
                    del growing[side]
                    storing.append(
                        asyncio.create_task(self._conclude(side, conversation, turn, attempt))
                    )
            self._tell()
        await asyncio.gather(*storing)
        self._tell()

    async def _conclude(
        self, side: Side, conversation: Conversation, turn: int, attempt: int
    ) -> None:
        """Stores how an answer ended; only then does it count as ended."""
        if self.ticket is None:
            raise RuntimeError("an answer ended before its battle was stored")
        ended = conversation.conclude()
        battle_id = self.ticket.battle_id
        named = reveals(ended.text, self._phrases)
        self.revealed = self.revealed or named
        try:
            await asyncio.to_thread(
                self._store.end_answer, battle_id, turn, side, ended, named, attempt
            )
        except Exception:
            logger.exception("cannot store an answer of battle %s", battle_id)
            conversation.fail()
        else:
            conversation.end(ended)
        if ended.error:
            logger.warning("battle %s, answer %s: %s", battle_id, side, ended.error)
        if conversation.answer.state == "failed":
            self._cut(ABANDONED)
        self._tell()
