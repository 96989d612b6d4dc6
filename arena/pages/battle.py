"""The battle page: ask, read two answers, vote, be told who they were."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from typing import Any, ClassVar, cast

import param
from panel.custom import JSComponent

from rostra.arena.errors import ArenaError, VoteRefusedError
from rostra.arena.matchmaking import SIDES, Side
from rostra.arena.pages import words
from rostra.arena.pages.answer import ANSWER_CSS, ANSWER_JS
from rostra.arena.pages.frame import HERE
from rostra.arena.rendering import AnswerStream, Part
from rostra.arena.round import Round
from rostra.arena.standings import Standings
from rostra.arena.state import Arena
from rostra.arena.votes.records import OUTCOMES, Outcome

logger = logging.getLogger(__name__)

CADENCE = 0.08
"""Seconds. Both answers grow at the same moments, so that no rhythm gives a model away."""


class BattleView(JSComponent):
    """All that the browser is told of a round. Names come in with the vote and never before.

    What the answers say goes by messages, so that nothing of it is sent twice.
    """

    phase: Any = param.Selector(
        default="empty", objects=["empty", "answering", "ended", "voted", "failed"]
    )
    round = param.Integer(default=0, doc="Counts rounds, so that a late press cannot hit the next.")
    turn = param.Integer(default=-1)
    prompt = param.String()
    status = param.String(doc="What is waited for, or what can be done.")
    a_note = param.String(doc="How the answer stands.")
    b_note = param.String()
    a_name = param.String(doc="Set by the vote.")
    b_name = param.String()
    a_rating = param.String(doc="Set by the vote, where there is one.")
    b_rating = param.String()
    choice = param.String(doc="The outcome voted for.")
    suggestions = param.List()
    max_chars = param.Integer()

    _esm = ANSWER_JS + (HERE / "battle.js").read_text(encoding="utf-8")
    _stylesheets: ClassVar[list[Any]] = [HERE / "battle.css", ANSWER_CSS]

    def __init__(self, arena: Arena, address: str, **params: Any) -> None:
        super().__init__(
            suggestions=list(arena.settings.suggested_prompts),
            max_chars=arena.settings.max_prompt_chars,
            **params,
        )
        self._arena = arena
        self._address = address
        self._current: Round | None = None
        self._streams: dict[Side, AnswerStream] = {}
        self._busy = False
        self._streaming: asyncio.Task[None] | None = None

    async def _handle_msg(self, data: Any) -> None:  # type: ignore[override]
        """One action of the voter. What arrives is untrusted, and one runs at a time."""
        if not isinstance(data, dict) or data.get("round") != self.round:
            return
        action = data.get("action")
        if action == "stop" and self._current is not None:
            self._current.stop()
        if action == "redraw":
            for side, stream in self._streams.items():
                self._send(side, stream.whole())
        if self._busy:
            return
        self._busy = True
        try:
            if action == "ask":
                await self._ask(str(data.get("prompt", "")).strip())
            elif action == "vote" and data.get("outcome") in OUTCOMES:
                await self._vote(cast(Outcome, data["outcome"]))
            elif action == "retry" and self._current is not None:
                prompt = self._current.turns[0]
                await self._new_pair()
                await self._ask(prompt)
            elif action == "new pair":
                await self._new_pair()
        except ArenaError as error:
            logger.warning("%s", error)
            refused = isinstance(error, VoteRefusedError)
            self.status = str(error) if refused else words.INTERNAL_ERROR
        except Exception:
            logger.exception("the battle page failed")
            self.status = words.INTERNAL_ERROR
        finally:
            self._busy = False

    async def _ask(self, prompt: str) -> None:
        if not prompt or self.phase == "answering":
            return
        # Not the parameter: a browser can change what it was told.
        longest = self._arena.settings.max_prompt_chars
        if len(prompt) > longest:
            self.status = words.too_long(len(prompt), longest)
            return
        if self.phase in ("voted", "failed"):
            await self._new_pair()
        if self._current is None:
            self._current = self._arena.new_round(self._address)
        await self._current.ask(prompt)
        self._streams = {side: AnswerStream() for side in SIDES}
        self.param.update(
            phase="answering",
            turn=self.turn + 1,
            prompt=prompt,
            **{f"{side}_note": "" for side in SIDES},
        )
        self._streaming = asyncio.create_task(self._stream(self._current))

    async def _new_pair(self) -> None:
        left = self._current
        self._current = None
        self.param.update(
            phase="empty",
            round=self.round + 1,
            turn=-1,
            prompt="",
            status="",
            choice="",
            **{f"{side}_{part}": "" for side in SIDES for part in ("name", "rating")},
        )
        if left is not None:
            await left.close()

    async def _vote(self, outcome: Outcome) -> None:
        if self.phase != "ended" or self._current is None:
            return
        vote = await self._current.cast(outcome)
        standings = await self._standings()
        shown: dict[str, str] = {}
        for side, answer in self._current.answers.items():
            contestant = self._current.pair[side]
            row = standings.row(contestant.name) if standings else None
            shown |= {
                f"{side}_name": contestant.label,
                f"{side}_rating": words.rating(row),
                f"{side}_note": words.revealed_note(answer),
            }
        self.param.update(
            phase="voted", choice=vote.outcome, status=words.voted(vote.outcome), **shown
        )

    async def _standings(self) -> Standings | None:
        try:
            return await self._arena.standings.newest()
        except ArenaError as error:
            # The vote is stored and the names are due, with or without ratings beside them.
            logger.warning("%s", error)
            return None

    async def _stream(self, current: Round) -> None:
        """Shows both answers as they grow, until they have ended or the voter has left them."""
        while current is self._current and self.phase == "answering":
            self._show(current)
            await asyncio.sleep(CADENCE)

    def _show(self, current: Round) -> None:
        shown: dict[str, str] = {"status": words.status(current)}
        for side, answer in current.answers.items():
            stream = self._streams[side]
            part = stream.update(answer.text, ended=answer.ended)
            if part is not None:
                self._send(side, part)
            shown[f"{side}_note"] = words.note(answer)
        if current.ended and all(stream.done for stream in self._streams.values()):
            shown["phase"] = "failed" if current.failed_sides else "ended"
        self.param.update(**shown)

    def _send(self, side: Side, part: Part) -> None:
        self._send_msg({"side": side, "round": self.round, "turn": self.turn, "part": asdict(part)})

    async def leave(self) -> None:
        """The browser is gone: cut what is still written for it."""
        left, self._current = self._current, None
        if left is not None:
            await left.close()
