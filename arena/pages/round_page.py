"""What the browser is told of a round, and how."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, ClassVar, Literal

import param
from panel.custom import JSComponent

from rostra.arena.matchmaking import Side
from rostra.arena.pages import words
from rostra.arena.pages.answer import ANSWER_CSS, ANSWER_JS
from rostra.arena.pages.templates import source
from rostra.arena.pages.told import Told, first
from rostra.arena.rendering import AnswerStream, Part
from rostra.arena.round import Round
from rostra.arena.texts import Texts
from rostra.arena.votes.records import MOST_COMMENT, REASON_TAGS

Phase = Literal["empty", "answering", "ended", "voted", "failed"]
SCRIPTS = (
    "told.js",
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

    It goes in one property, as it is when the page is opened or comes back, and from then on in
    messages of what has changed: a page costs by its properties, a change by its messages. Nothing
    is taken back from a browser but what it asks for.
    """

    told = param.Parameter(doc="Everything below by its name.")

    phase = Told[Phase]("empty")
    round = Told[int](0, "Counts rounds, so that a late press cannot hit the next.")
    prompts = Told[list[str]]([], "The questions so far.")
    images = Told[list[list[list[int]]]]([], "By turn, width and height of its images.")
    attach = Told[dict[str, Any]]({}, "Whether and how images may go with a question.")
    status = Told[str]("", "What is waited for, or what can be done.")
    notes = Told[dict[str, str]]({}, "By side: how its last answer stands.")
    names = Told[dict[str, str]]({}, "By side; in a battle set by the vote.")
    ratings = Told[dict[str, str]]({}, "By side; set by the vote.")
    settings = Told[dict[str, Any]]({}, "By side, rows of name and value; set by the vote.")
    verdict = Told[list[str]]([], "Sentences, the last one of what the vote does; set by it.")
    choice = Told[str]("", "The outcome voted for.")
    reasons_given = Told[bool](False, "Whether the reasons for the vote are stored.")
    sides = Told[list[str]](["a", "b"])
    kind = Told[str]("", "The mode.")
    suggestions = Told[list[str]]([])
    contestants = Told[list[list[str]]]([], "Name and label of those to choose from.")
    chosen = Told[dict[str, str]]({}, "By side, the name that stands in the choice at first.")
    reason_tags = Told[list[str]](list(REASON_TAGS))
    texts = Told[dict[str, Any]]({})
    base = Told[str]("", "What the addresses of the campaign begin with.")
    consent_cookie = Told[str]("", "Where the browser keeps what was agreed to.")
    entrance = Told[dict[str, Any]]({}, "What is told in place of a line for a question.")
    progress = Told[dict[str, Any]]({}, "Votes of those that are wanted.")
    max_chars = Told[int](0)
    max_comment = Told[int](MOST_COMMENT)

    _bundle_path: ClassVar[None] = None
    _esm = ANSWER_JS + source(*SCRIPTS)
    _stylesheets: ClassVar[list[str]] = [
        source("round.css", "attaching.css", "ballot.css") + ANSWER_CSS
    ]

    def __init__(
        self, language: Texts, /, *, sizing_mode: str = "stretch_both", **told: Any
    ) -> None:
        super().__init__(told={**first(RoundPage), **told}, sizing_mode=sizing_mode)
        self._texts = language
        self._streams: list[dict[Side, AnswerStream]] = []

    @property
    def _linked_properties(self) -> tuple[str, ...]:
        return ()

    def _tell(self, *, parts: Iterable[tuple[int, Side, Part]] = (), **told: Any) -> None:
        """Tells of `told` what has changed, with `parts` of answers, in one message: each costs as
        much as what is drawn."""
        changed = {name: value for name, value in told.items() if self.told[name] != value}
        # In place: Bokeh sends the same object to a page that comes back.
        self.told.update(changed)
        drawn = [{"turn": t, "side": side, **asdict(part)} for t, side, part in parts]
        message: dict[str, Any] = {"told": changed} if changed else {}
        if drawn:
            message["parts"] = drawn
        if message:
            self._say(**message)

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
        told: dict[str, Any] = {
            "status": words.status(current, self._texts),
            "notes": {
                side: words.note(answer, self._texts) for side, answer in current.answers.items()
            },
        }
        # What is not drawn yet cannot be voted on.
        if current.ended and all(stream.done for stream in streams.values()):
            told["phase"] = "ended" if current.can_go_on or current.vote else "failed"
        self._tell(
            parts=((turn, side, part) for side, part in grown.items() if part is not None), **told
        )

    def _redraw(self) -> None:
        self._tell(
            parts=(
                (turn, side, stream.whole())
                for turn, streams in enumerate(self._streams)
                for side, stream in streams.items()
            )
        )

    def _say(self, **message: Any) -> None:
        self._send_msg({"round": self.round, **message})
