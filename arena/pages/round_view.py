"""What the pages of all modes share: ask, read as it is written, stop, ask again, come back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, ClassVar

from rostra.arena.access.toll import Toll
from rostra.arena.access.voter import Voter
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.contestant import Contestant
from rostra.arena.errors import ArenaError, ToldVoterError, VoteRefusedError
from rostra.arena.images.picture import Picture
from rostra.arena.matchmaking import Side
from rostra.arena.pages.attachments import Attachments, sizes
from rostra.arena.pages.entrance import Entrance
from rostra.arena.pages.frame import consent_cookie
from rostra.arena.pages.voting import Voting
from rostra.arena.rendering import AnswerStream
from rostra.arena.round import CADENCE, Round
from rostra.arena.state import Arena
from rostra.arena.texts import Texts
from rostra.arena.votes.records import Mode

logger = logging.getLogger(__name__)


class RoundView(Voting):
    """Does what the voter asks for."""

    mode: ClassVar[Mode]

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
            texts,
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
        self._entrance = Entrance(arena.campaigns, campaign, voter, texts, agreed)
        self._toll = Toll(arena.limits, arena.proofs, voter, texts)
        self._attachments = Attachments(arena, voter, texts)
        self._current: Round | None = None
        self._acting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._show_campaign()

    @property
    def campaign(self) -> Campaign:
        """As it is now, or as it was last before it went."""
        return self._entrance.campaign

    def new_round(self, chosen: dict[str, Any], *, images: bool) -> Round:
        """A round with new contestants, who take images where there are `images`. `chosen` is what
        the browser says was chosen; raises `ToldVoterError` where it cannot be."""
        raise NotImplementedError

    def _round(
        self, contestants: dict[Side, Contestant], matchmaking: dict[str, Any] | None = None
    ) -> Round:
        return self._arena.new_round(
            self.campaign,
            contestants,
            self.mode,
            self._voter,
            consent_sha256=self._entrance.consent_sha256,
            matchmaking=matchmaking,
        )

    async def _handle_msg(self, data: Any) -> None:  # type: ignore[override]
        """One action of the voter. What arrives is untrusted, and one runs at a time."""
        if not isinstance(data, dict) or data.get("round") != self.round:
            return
        action = data.get("action")
        if action == "stop" and self._current is not None:
            self._current.stop()
        elif action == "redraw":
            self._redraw()
        elif action == "detach":
            self._attachments.drop(data.get("images"))
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

    async def _ask(
        self, data: dict[str, Any], paid: bool = False, given: Sequence[Picture] = ()
    ) -> None:
        """`given`: images of a question that is asked once more."""
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
        images = given or self._attachments.found(data.get("images"), self._current, fresh=fresh)
        if not paid and not self._pay(data, prompt):
            return
        await self._moderate(prompt, images)
        if self.phase in ("voted", "failed"):
            await self._leave_round()
        chosen = data.get("chosen")
        current = self._current or self.new_round(
            chosen if isinstance(chosen, dict) else {}, images=bool(images)
        )
        self._arena.limits.begin_round(self._voter, current, self._texts)
        await current.ask(prompt, images)
        self._attachments.drop(data.get("images"))
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

    async def _moderate(self, prompt: str, images: Sequence[Picture]) -> None:
        """Raises `ToldVoterError` for a question that nobody may be asked."""
        if self._arena.moderation.asks:
            self.status = self._texts("moderation.checking")
        refusal = await self._arena.moderation.check(prompt, [each.data_url for each in images])
        if refusal is not None:
            await asyncio.to_thread(
                self._arena.store.refuse_prompt, self._voter.key, refusal.rule, self.campaign.name
            )
            raise ToldVoterError(
                self._texts("moderation.refused" if refusal.judged else "moderation.unanswered")
            )

    def _show_campaign(self) -> None:
        attach = self._attachments.shown(self.campaign, self._current, blind=self.mode == "battle")
        self._tell(attach=attach, **self._entrance.shown())

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
            prompt, images = self._current.turns[0], self._current.images[0]
            if self._pay(data, prompt):
                await self._leave_round()
                await self._ask({"prompt": prompt}, paid=True, given=images)

    async def _new(self, _data: dict[str, Any]) -> None:
        await self._leave_round()

    async def _leave_round(self) -> None:
        left, self._current = self._current, None
        self._streams = []
        self._tell(
            phase="empty",
            round=self.round + 1,
            prompts=[],
            images=[],
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

    async def _resume(self, data: dict[str, Any]) -> None:
        ticket = self._arena.claims.take(str(data.get("claim", "")))
        if ticket is None or self.phase != "empty" or self._current is not None:
            return
        current = await self._arena.resume(ticket, self.campaign.name, self.mode)
        if current is None:
            return
        self._current = current
        self._arena.live.watch(current)
        await self._show_past(current)
        self._begin(current)

    _actions: ClassVar[dict[str, Callable[[RoundView, dict[str, Any]], Awaitable[None]]]] = {
        "agree": _agree,
        "ask": _ask,
        "again": _again,
        "another": _another,
        "new": _new,
        "vote": Voting._vote,
        "reasons": Voting._reasons,
        "resume": _resume,
    }

    def _begin(self, current: Round) -> None:
        """Shows the last turn from its beginning, and those before as they are."""
        last = len(current.turns) - 1
        self._streams[last:] = [{side: AnswerStream() for side in current.contestants}]
        self._tell(
            phase="answering",
            prompts=list(current.turns),
            images=sizes(current),
            notes={},
            names=self._names(current),
        )
        self._show_campaign()
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
            if current.ended:
                # All of it is here; a long answer takes more than one update to draw.
                await asyncio.sleep(CADENCE)
            else:
                await current.next_moment()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def leave(self) -> None:
        """The browser is gone, and may come back."""
        left, self._current = self._current, None
        self._attachments.close()
        if left is not None:
            self._arena.live.leave(left)
