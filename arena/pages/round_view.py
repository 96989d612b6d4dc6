"""What the pages of all modes share: ask, read as it is written, stop, ask again, come back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Any, ClassVar, cast

import param
from panel.custom import JSComponent

from rostra.arena.access.toll import Toll
from rostra.arena.access.voter import Voter
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.errors import ArenaError, ToldVoterError, VoteRefusedError
from rostra.arena.matchmaking import Side
from rostra.arena.pages import reveal, words
from rostra.arena.pages.answer import ANSWER_CSS, ANSWER_JS
from rostra.arena.pages.entrance import Entrance
from rostra.arena.pages.frame import HERE, consent_cookie
from rostra.arena.rendering import AnswerStream, Part
from rostra.arena.round import Round
from rostra.arena.state import Arena
from rostra.arena.texts import Texts
from rostra.arena.votes.records import MOST_COMMENT, OUTCOMES, REASON_TAGS, Mode, Outcome

logger = logging.getLogger(__name__)

SCRIPTS = ("prover.js", "opening.js", "ballot.js", "verdict.js", "keeping.js", "round.js")


class RoundView(JSComponent):
    """All that the browser is told of a round. In a battle names come with the vote, never before.

    What the answers say goes by messages, so that nothing of it is sent twice.
    """

    mode: ClassVar[Mode]

    phase: Any = param.Selector(
        default="empty", objects=["empty", "answering", "ended", "voted", "failed"]
    )
    round = param.Integer(default=0, doc="Counts rounds, so that a late press cannot hit the next.")
    prompts = param.List(doc="The questions so far.")
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
        HERE / "ballot.css",
        ANSWER_CSS,
    ]

    def __init__(
        self,
        arena: Arena,
        campaign: Campaign,
        voter: Voter,
        texts: Texts,
        agreed: str = "",
        **params: Any,
    ) -> None:
        """`agreed`: SHA-256 in hexadecimal of the consent text that the voter agreed to, if any."""
        super().__init__(
            kind=self.mode,
            texts={"page": texts.section("page"), "mode": texts.section(self.mode)},
            suggestions=campaign.prompts.suggested(texts.language),
            max_chars=arena.settings.max_prompt_chars,
            base=campaign.base,
            consent_cookie=consent_cookie(campaign),
            **params,
        )
        self._arena = arena
        self._voter = voter
        self._texts = texts
        self._entrance = Entrance(arena.campaigns, campaign, voter, texts, agreed)
        self._toll = Toll(arena.limits, arena.proofs, voter, texts)
        self._current: Round | None = None
        self._streams: list[dict[Side, AnswerStream]] = []
        self._acting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._show_campaign()

    @property
    def campaign(self) -> Campaign:
        """As it is now, or as it was last before it went."""
        return self._entrance.campaign

    def new_round(self, chosen: dict[str, Any]) -> Round:
        """A round with new contestants. `chosen` is what the browser says was chosen; raises
        `ToldVoterError` where it cannot be."""
        raise NotImplementedError

    async def _handle_msg(self, data: Any) -> None:  # type: ignore[override]
        """One action of the voter. What arrives is untrusted, and one runs at a time."""
        if not isinstance(data, dict) or data.get("round") != self.round:
            return
        action = data.get("action")
        if action == "stop" and self._current is not None:
            self._current.stop()
        elif action == "redraw":
            self._redraw()
        elif action == "random":
            self._say(random=self.campaign.prompts.draw(self._texts.language))
        elif action in self._actions:
            async with self._acting:
                if data["round"] == self.round:
                    await self._act(action, data)

    async def _act(self, action: str, data: dict[str, Any]) -> None:
        try:
            await self._actions[action](self, data)
        except ToldVoterError as error:
            self.status = str(error)
        except VoteRefusedError as error:
            logger.info("refused: %s", error)
            self.status = self._texts("status.refused")
        except ArenaError as error:
            logger.warning("%s", error)
            self.status = self._texts("status.error")
        except Exception:
            logger.exception("the page of mode %s failed", self.mode)
            self.status = self._texts("status.error")

    async def _ask(self, data: dict[str, Any], paid: bool = False) -> None:
        prompt = str(data.get("prompt", "")).strip()
        if prompt and self.phase == "answering":
            # Sent in the instant in which the answers were asked for again.
            self._say(later=prompt)
        if not prompt or self.phase == "answering":
            return
        fresh = self._current is None or self.phase in ("voted", "failed")
        self._show_campaign()
        self._entrance.check(fresh)
        # Not the parameter: a browser can change what it was told.
        longest = self._arena.settings.max_prompt_chars
        if len(prompt) > longest:
            self.status = self._texts("status.too_long", length=len(prompt), limit=longest)
            return
        if not paid and not self._pay(data, prompt):
            return
        await self._moderate(prompt)
        if self.phase in ("voted", "failed"):
            await self._leave_round()
        chosen = data.get("chosen")
        current = self._current or self.new_round(chosen if isinstance(chosen, dict) else {})
        self._arena.limits.begin_round(self._voter, current, self._texts)
        await current.ask(prompt)
        if fresh:
            self._current = current
            self._arena.live.watch(current)
            if current.ticket is not None:
                self._say(claim=self._arena.claims.give(current.ticket))
        self._begin(current)

    def _pay(self, data: dict[str, Any], prompt: str) -> bool:
        """Whether the question may go off now. Raises `ToldVoterError`."""
        challenge = self._toll.pay(data)
        if challenge is not None:
            self.status = self._texts("proof.working")
            self._say(prove=challenge, prompt=prompt)
        return challenge is None

    async def _moderate(self, prompt: str) -> None:
        """Raises `ToldVoterError` for a question that nobody may be asked."""
        if self._arena.moderation.asks:
            self.status = self._texts("moderation.checking")
        refusal = await self._arena.moderation.check(prompt)
        if refusal is not None:
            await asyncio.to_thread(
                self._arena.store.refuse_prompt, self._voter.key, refusal.rule, self.campaign.name
            )
            raise ToldVoterError(
                self._texts("moderation.refused" if refusal.judged else "moderation.unanswered")
            )

    def _show_campaign(self) -> None:
        self.param.update(**self._entrance.shown())

    async def _agree(self, data: dict[str, Any]) -> None:
        self._entrance.agreed = str(data.get("sha256", ""))
        self._show_campaign()

    async def _again(self, _data: dict[str, Any]) -> None:
        if self._current is not None and self.phase in ("ended", "failed"):
            self._arena.limits.check("question", self._voter, self._texts)
            self._arena.limits.begin_round(self._voter, self._current, self._texts)
            await self._current.ask_again()
            self._begin(self._current)

    async def _another(self, data: dict[str, Any]) -> None:
        if self._current is not None and self.phase == "failed":
            prompt = self._current.turns[0]
            if self._pay(data, prompt):
                await self._leave_round()
                await self._ask({"prompt": prompt}, paid=True)

    async def _new(self, _data: dict[str, Any]) -> None:
        await self._leave_round()

    async def _leave_round(self) -> None:
        left, self._current = self._current, None
        self._streams = []
        self.param.update(
            phase="empty",
            round=self.round + 1,
            prompts=[],
            status="",
            choice="",
            verdict=[],
            reasons_given=False,
            suggestions=self.campaign.prompts.suggested(self._texts.language),
            **{name: {} for name in ("notes", "names", "ratings", "settings")},
        )
        self._show_campaign()
        if left is not None:
            await self._arena.live.drop(left)

    async def _vote(self, data: dict[str, Any]) -> None:
        outcome = data.get("outcome")
        if outcome not in OUTCOMES or self.phase != "ended" or self._current is None:
            return
        current = self._current
        self._arena.limits.check("vote", self._voter, self._texts)
        try:
            await current.cast(cast(Outcome, outcome))
        except VoteRefusedError:
            if current.vote is None:
                raise
            await self._reveal(current)
            self.status = self._texts("status.refused_voted")
        else:
            self.campaign.progress.votes += 1
            await self._reveal(current)

    async def _reveal(self, current: Round) -> None:
        told = await reveal.told(current, self.campaign.standings, self._texts)
        if current is self._current:
            self.param.update(phase="voted", **told)
            self._show_campaign()
            self._run(self._judge(current))

    async def _judge(self, current: Round) -> None:
        lines = await reveal.verdict(current, self.campaign.results, self._texts)
        if current is self._current:
            self.verdict = lines

    async def _reasons(self, data: dict[str, Any]) -> None:
        tags, comment = data.get("tags"), str(data.get("comment", ""))
        if self._current is None or self.phase != "voted" or not isinstance(tags, list):
            return
        try:
            await self._current.give_reasons(map(str, tags), comment)
        except VoteRefusedError as error:
            raise ToldVoterError(self._texts("status.refused_reasons")) from error
        self.reasons_given = True

    async def _resume(self, data: dict[str, Any]) -> None:
        ticket = self._arena.claims.take(str(data.get("claim", "")))
        if ticket is None or self.phase != "empty" or self._current is not None:
            return
        current = await self._arena.resume(ticket, self.campaign.name, self.mode)
        if current is None:
            return
        self._current = current
        self._arena.live.watch(current)
        self._streams = []
        for turn in range(len(current.turns) - 1):
            self._streams.append({})
            for side in current.contestants:
                stream = AnswerStream()
                stream.update(current.history(side)[turn], ended=True)
                self._streams[-1][side] = stream
        self._begin(current)

    _actions: ClassVar[dict[str, Callable[[RoundView, dict[str, Any]], Awaitable[None]]]] = {
        "agree": _agree,
        "ask": _ask,
        "again": _again,
        "another": _another,
        "new": _new,
        "vote": _vote,
        "reasons": _reasons,
        "resume": _resume,
    }

    def _begin(self, current: Round) -> None:
        """Shows the last turn from its beginning, and those before as they are."""
        last = len(current.turns) - 1
        self._streams[last:] = [{side: AnswerStream() for side in current.contestants}]
        self.param.update(
            phase="answering",
            prompts=list(current.turns),
            notes={},
            names=self._names(current),
        )
        self._redraw()
        self._run(self._stream(current))

    def _names(self, current: Round) -> dict[str, str]:
        if self.mode == "battle":
            return {}
        return {side: contestant.label for side, contestant in current.contestants.items()}

    async def _stream(self, current: Round) -> None:
        """Shows the answers as they grow, until they have ended or the voter has left them."""
        streams = self._streams[-1]
        while current is self._current and streams is self._streams[-1]:
            self._show(current, streams)
            if self.phase != "answering":
                if current.vote is not None:
                    await self._reveal(current)
                return
            await current.next_moment()

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
        if current.ended:
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

    def _run(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def leave(self) -> None:
        """The browser is gone, and may come back."""
        left, self._current = self._current, None
        if left is not None:
            self._arena.live.leave(left)
