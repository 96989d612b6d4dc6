"""What the browser is told of a round, and how."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from rostra.arena.matchmaking import Side
from rostra.arena.pages import words
from rostra.arena.pages.answer import ANSWER_CSS, ANSWER_JS
from rostra.arena.pages.frame import HERE
from rostra.arena.rendering import AnswerStream, Part
from rostra.arena.round import Round
from rostra.arena.texts import Texts
from rostra.arena.votes.records import MOST_COMMENT, REASON_TAGS

SCRIPTS = (
    "prover.js",
    "opening.js",
    "attaching.js",
    "ballot.js",
    "verdict.js",
    "keeping.js",
    "round.js",
)


class RoundPage(JSComponent):
    """All that the browser is told. In a battle names come with the vote, never before.

    What the answers say goes by messages, so that nothing of it is sent twice.
    """

    phase: Any = param.Selector(
        default="empty", objects=["empty", "answering", "ended", "voted", "failed"]
    )
    round = param.Integer(default=0, doc="Counts rounds, so that a late press cannot hit the next.")
    prompts = param.List(doc="The questions so far.")
    images = param.List(doc="By turn, width and height of its images.")
    attach = param.Dict(default={}, doc="Whether and how images may go with a question.")
    status = param.String(doc="What is waited for, or what can be done.")
    notes = param.Dict(default={}, doc="By side: how its last answer stands.")
    names = param.Dict(default={}, doc="By side; in a battle set by the vote.")
    ratings = param.Dict(default={}, doc="By side; set by the vote.")
    settings = param.Dict(default={}, doc="By side, rows of name and value; set by the vote.")
    verdict = param.List(doc="Sentences; set by the vote.")
    choice = param.String(doc="The outcome voted for.")
    reasons_given = param.Boolean(doc="Whether the reasons for the vote are stored.")
    sides = param.List(default=["a", "b"])
    kind = param.String(doc="The mode.")
    suggestions = param.List()
    contestants = param.List(doc="Name and label of those to choose from; none in a battle.")
    chosen = param.Dict(default={}, doc="By side, the name that stands in the choice at first.")
    reason_tags = param.List(default=list(REASON_TAGS))
    texts = param.Dict(default={})
    base = param.String(doc="What the addresses of the campaign begin with.")
    consent_cookie = param.String(doc="Where the browser keeps what was agreed to.")
    entrance = param.Dict(default={}, doc="What is told in place of a line for a question.")
    progress = param.Dict(default={}, doc="Votes of those that are wanted.")
    max_chars = param.Integer()
    max_comment = param.Integer(default=MOST_COMMENT)

    _bundle_path: ClassVar[None] = None
    _esm = ANSWER_JS + "".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    _stylesheets: ClassVar[list[Any]] = [
        HERE / "round.css",
        HERE / "attaching.css",
        HERE / "ballot.css",
        ANSWER_CSS,
    ]

    def __init__(self, language: Texts, /, **params: Any) -> None:
        super().__init__(**params)
        self._texts = language
        self._streams: list[dict[Side, AnswerStream]] = []

    async def _show_past(self, current: Round) -> None:
        """The answers before the last ones, as they ended."""
        self._streams = []
        for turn in range(len(current.turns) - 1):
            self._streams.append({})
            for side in current.contestants:
                stream = self._streams[-1][side] = AnswerStream()
                while not stream.done:
                    stream.update(current.history(side)[turn], ended=True)
                    # Other pages have their turn between two parts of a long answer.
                    await asyncio.sleep(0)

    def _show(self, current: Round, streams: dict[Side, AnswerStream]) -> None:
        turn = len(self._streams) - 1
        grown = {
            side: streams[side].update(answer.text, ended=answer.ended)
            for side, answer in current.answers.items()
        }
        self._draw((turn, side, part) for side, part in grown.items() if part is not None)
        shown: dict[str, Any] = {
            "status": words.status(current, self._texts),
            "notes": {
                side: words.note(answer, self._texts) for side, answer in current.answers.items()
            },
        }
        # What is not drawn yet cannot be voted on.
        if current.ended and all(stream.done for stream in streams.values()):
            shown["phase"] = "ended" if current.can_go_on or current.vote else "failed"
        self.param.update(**shown)

    def _redraw(self) -> None:
        self._draw(
            (turn, side, stream.whole())
            for turn, streams in enumerate(self._streams)
            for side, stream in streams.items()
        )

    def _draw(self, parts: Iterable[tuple[int, Side, Part]]) -> None:
        """In one message: each costs as much as what is drawn."""
        if drawn := [{"turn": t, "side": side, **asdict(part)} for t, side, part in parts]:
            self._say(parts=drawn)

    def _say(self, **message: Any) -> None:
        self._send_msg({"round": self.round, **message})
