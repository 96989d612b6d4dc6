"""Any order of calls, right ones and wrong ones, on a store against a model of it in memory."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy.exc import IntegrityError
from vote_rounds import PAIR, ended

from rostra.arena.errors import VoteRefusedError
from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.records import MOST_COMMENT, OUTCOMES, REASON_TAGS, Ticket
from rostra.arena.votes.store import VoteStore

ANY_TEXT = st.text(max_size=20)
TAGS = st.lists(st.sampled_from([*REASON_TAGS, "other"]), max_size=3)


@dataclass
class Known:
    """What a battle must be."""

    mode: str
    turns: list[str]
    answers: dict[tuple[int, str], dict[int, bool]] = field(default_factory=dict)
    """Whether it failed, by turn and side and by attempt."""
    vote: str | None = None
    reasons: tuple[tuple[str, ...], str | None] | None = None

    @property
    def failed(self) -> bool:
        return any(attempts[max(attempts)] for attempts in self.answers.values())

    @property
    def votable(self) -> bool:
        both = {side for turn, side in self.answers if turn == len(self.turns) - 1} == {"a", "b"}
        return self.mode != "direct" and both and not self.failed


class Histories(RuleBasedStateMachine):
    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = VoteStore(f"sqlite:///{Path(self.folder.name) / 'votes.sqlite3'}")
        self.known: dict[str, Known] = {}

    def teardown(self) -> None:
        try:
            self.check()
        finally:
            self.store.close()
            self.folder.cleanup()

    @rule(
        target=tickets,
        mode=st.sampled_from(["battle", "battle", "side_by_side", "direct"]),
        prompt=ANY_TEXT,
        voter=st.sampled_from(["one", "two", "\ud800"]),
    )
    def open(self, mode, prompt, voter):
        pair = PAIR.a if mode == "direct" else PAIR
        ticket = self.store.open_battle(pair, prompt, voter, mode=mode)
        self.known[ticket.battle_id] = Known(mode, [prompt])
        return ticket

    @rule(ticket=tickets, prompt=ANY_TEXT, off=st.sampled_from([0, 0, 0, -1, 1]))
    def turn(self, ticket, prompt, off):
        known = self.known[ticket.battle_id]
        number = len(known.turns) + off
        if known.vote is not None or off:
            with pytest.raises(VoteRefusedError):
                self.store.add_turn(ticket, number, prompt)
        else:
            self.store.add_turn(ticket, number, prompt)
            known.turns.append(prompt)

    @rule(
        ticket=tickets,
        sides=st.sampled_from(["a", "b", "ab", "ab", "ab"]),
        attempt=st.sampled_from([0, 0, 0, 1, 2]),
        fails=st.sampled_from([False, False, False, True]),
        text=ANY_TEXT,
    )
    def end(self, ticket, sides, attempt, fails, text):
        known = self.known[ticket.battle_id]
        turn = len(known.turns) - 1
        answer = ended(text, error="lost") if fails else ended(text)
        for side in sides:
            attempts = known.answers.setdefault((turn, side), {})
            wrong = (
                VoteRefusedError if known.vote is not None
                else ValueError if known.mode == "direct" and side == "b"
                else IntegrityError if attempt in attempts
                else None
            )  # fmt: skip
            if wrong is None:
                self.store.end_answer(ticket.battle_id, turn, side, answer, attempt=attempt)
                attempts[attempt] = fails
            else:
                with pytest.raises(wrong):
                    self.store.end_answer(ticket.battle_id, turn, side, answer, attempt=attempt)
            if not attempts:
                del known.answers[turn, side]

    @rule(ticket=tickets, outcome=st.sampled_from([*OUTCOMES, "left"]))
    def vote(self, ticket, outcome):
        known = self.known[ticket.battle_id]
        if outcome == known.vote:
            assert self.store.vote(ticket, outcome) == self.store.resume(ticket).vote
        elif known.vote is None and known.votable and outcome in OUTCOMES:
            assert self.store.vote(ticket, outcome).outcome == outcome
            known.vote = outcome
        else:
            with pytest.raises(VoteRefusedError):
                self.store.vote(ticket, outcome)

    @rule(
        ticket=tickets,
        tags=TAGS,
        comment=st.one_of(st.none(), ANY_TEXT, st.just("x" * (MOST_COMMENT + 1))),
    )
    def reasons(self, ticket, tags, comment):
        known = self.known[ticket.battle_id]
        kept = (comment or "").replace("\0", "\ufffd").strip() or None
        given = (tuple(tag for tag in REASON_TAGS if tag in tags), kept)
        refused = "other" in tags or len(kept or "") > MOST_COMMENT or given == ((), None)
        if refused or known.vote is None or known.reasons not in (None, given):
            with pytest.raises(VoteRefusedError):
                self.store.give_reasons(ticket, tags, comment)
        else:
            stored = self.store.give_reasons(ticket, tags, comment)
            assert (stored.tags, stored.comment) == given
            known.reasons = given

    @precondition(lambda self: len(self.known) > 1)
    @rule(ticket=tickets, other=tickets, call=st.sampled_from(["vote", "turn", "why", "resume"]))
    def use_a_wrong_token(self, ticket, other, call):
        token = "\ud800" if ticket.battle_id == other.battle_id else other.token
        wrong = Ticket(ticket.battle_id, token)
        calls = {
            "vote": lambda: self.store.vote(wrong, "a"),
            "turn": lambda: self.store.add_turn(wrong, 1, "mine"),
            "why": lambda: self.store.give_reasons(wrong, ["safe"]),
            "resume": lambda: self.store.resume(wrong),
        }
        with pytest.raises(VoteRefusedError, match="does not belong"):
            calls[call]()

    @rule(ticket=tickets)
    def resume(self, ticket):
        known, battle = self.known[ticket.battle_id], self.store.resume(ticket)
        assert battle.mode == known.mode
        assert [turn.prompt for turn in battle.turns] == [
            prompt.replace("\0", "\ufffd") for prompt in known.turns
        ]
        newest = {place: max(attempts) for place, attempts in known.answers.items()}
        assert {(each.turn, each.side): each.attempt for each in battle.answers} == newest
        assert battle.failed == known.failed
        assert (battle.vote and battle.vote.outcome) == known.vote
        reasons = battle.reasons and (battle.reasons.tags, battle.reasons.comment)
        assert reasons == known.reasons

    @invariant()
    def what_is_counted_was_cast(self):
        if self.known:
            assert self.store.counts().votes == sum(
                known.vote is not None for known in self.known.values()
            )

    def check(self) -> None:
        found = verify(self.store._engine)
        voted = {battle: known.vote for battle, known in self.known.items() if known.vote}
        given = sum(known.reasons is not None for known in self.known.values())
        assert found.kinds == {"vote": len(voted), "reasons": given, "import": 0}
        blind = sorted(known.vote for known in self.known.values() if known.vote
                       and known.mode == "battle")  # fmt: skip
        assert sorted(row.outcome for row in self.store.comparisons()) == blind


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=10,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
