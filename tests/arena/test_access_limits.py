"""Token buckets of voters and addresses, rounds at once, and proofs of work."""

from __future__ import annotations

import hashlib
import itertools
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from pyrate_limiter import Rate

from rostra.arena.access.limits import Buckets, Limits, network, waiting
from rostra.arena.access.proof import (
    LIFETIME,
    ProofRefusedError,
    Proofs,
    leading_zeros,
)
from rostra.arena.access.settings import LimitSettings, ProofSettings
from rostra.arena.access.toll import Toll
from rostra.arena.access.voter import Voter
from rostra.arena.errors import ToldVoterError
from rostra.arena.texts import LANGUAGES, texts

ADA = Voter("cookie ada", "192.0.2.1")
BOB = Voter("cookie bob", "192.0.2.1")
EVE = Voter("cookie eve", "198.51.100.1")
ENGLISH = texts("en")


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def milliseconds(self) -> int:
        return round(self.seconds * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limits(clock: Clock, **settings: int) -> Limits:
    return Limits(LimitSettings(**settings), clock.milliseconds)


def test_a_voter_who_asks_too_often_is_told_when_to_come_back(clock):
    ours = limits(clock, questions_per_minute=3)
    for _ in range(3):
        ours.check("question", ADA, ENGLISH)
    with pytest.raises(ToldVoterError, match="Ask again in 20 seconds"):
        ours.check("question", ADA, ENGLISH)
    ours.check("question", BOB, ENGLISH)
    clock.seconds += 19.9
    with pytest.raises(ToldVoterError, match="in one second"):
        ours.check("question", ADA, ENGLISH)
    clock.seconds += 0.2
    ours.check("question", ADA, ENGLISH)


def test_an_address_counts_all_its_voters_and_a_refusal_costs_nothing(clock):
    ours = limits(clock, questions_per_minute=10, address_questions_per_minute=2)
    ours.check("question", ADA, ENGLISH)
    ours.check("question", BOB, ENGLISH)
    for _ in range(20):
        with pytest.raises(ToldVoterError):
            ours.check("question", ADA, ENGLISH)
    ours.check("question", EVE, ENGLISH)
    clock.seconds += 60
    # Ada's own bucket has lost one token, and not twenty-one.
    elsewhere = [Voter(ADA.key, f"203.0.113.{i}") for i in range(10)]
    for voter in elsewhere:
        ours.check("question", voter, ENGLISH)


@given_settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=80), st.integers(1, 8))
def test_no_history_lets_more_through_than_the_rate(pauses, per_minute):
    clock = Clock()
    buckets = Buckets(clock.milliseconds)
    let_through: list[float] = []
    for pause in pauses:
        clock.seconds += pause / 1000
        wait = buckets.take("question", {"ada": Rate(per_minute, 60_000)})
        if not wait:
            let_through.append(clock.seconds)
        else:
            # Whoever waits as long as they are told is let through then, and not sooner.
            before = clock.seconds
            clock.seconds = before + wait - 0.002
            assert buckets.take("question", {"ada": Rate(per_minute, 60_000)}) > 0
            clock.seconds = before
    for first, last in itertools.combinations(range(len(let_through)), 2):
        seconds = let_through[last] - let_through[first]
        assert last - first + 1 <= per_minute + seconds * per_minute / 60 + 1e-6


def test_votes_are_counted_apart_from_questions(clock):
    ours = limits(clock, votes_per_hour=1, questions_per_minute=1)
    ours.check("vote", ADA, ENGLISH)
    ours.check("question", ADA, ENGLISH)
    with pytest.raises(ToldVoterError, match="Vote again in 60 minutes"):
        ours.check("vote", ADA, ENGLISH)


def test_what_is_kept_of_voters_has_a_bound(clock):
    buckets = Buckets(clock.milliseconds, most_keys=100)
    rate = Rate(1, 60_000)
    for number in range(1000):
        buckets.take("question", {f"cookie {number}": rate})
    assert len(buckets) == 100
    assert buckets.take("question", {"cookie 999": rate}) > 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "", True),
    ],
)
def test_what_counts_as_one_address(one, other, same):
    assert (network(one) == network(other)) is same


@pytest.mark.parametrize("language", LANGUAGES)
def test_waits_are_said_in_each_language(language):
    words = texts(language)
    said = [waiting(seconds, words) for seconds in (0.01, 1.5, 90, 91, 3600)]
    assert len(set(said)) == 5
    numbers = [re.sub(r"\D", "", text) for text in said[1:]]
    assert numbers == ["2", "90", "2", "60"]


def running(ended: bool = False) -> SimpleNamespace:
    # Hashed and compared by what it is, as rounds are.
    return type("Round", (), {"ended": ended})()


def test_rounds_at_once(clock):
    ours = limits(clock, rounds=2, address_rounds=3)
    first, second, third = running(), running(), running()
    ours.begin_round(ADA, first, ENGLISH)
    ours.begin_round(ADA, second, ENGLISH)
    with pytest.raises(ToldVoterError, match="still being written"):
        ours.begin_round(ADA, third, ENGLISH)
    ours.begin_round(BOB, third, ENGLISH)
    with pytest.raises(ToldVoterError):
        ours.begin_round(BOB, running(), ENGLISH)
    first.ended = True
    ours.begin_round(ADA, first, ENGLISH)
    first.ended = True
    del second
    last = running()
    ours.begin_round(ADA, last, ENGLISH)


def test_an_arena_that_is_about_to_end_begins_none(clock):
    ours = limits(clock)
    ours.leaving = True
    with pytest.raises(ToldVoterError, match="being restarted"):
        ours.begin_round(ADA, running(), ENGLISH)


def test_rounds_that_are_over_are_forgotten(clock):
    ours = limits(clock, rounds=2)
    rounds = [running(ended=True) for _ in range(3000)]
    for number, each in enumerate(rounds):
        ours.begin_round(Voter(f"cookie {number}", ""), each, ENGLISH)
    assert len(ours._rounds) <= 1001


# ---- proofs


def solve(challenge: str) -> str:
    bits = int(challenge.split(".", maxsplit=1)[0])
    return next(
        str(number)
        for number in itertools.count()
        if leading_zeros(f"{challenge}:{number}") >= bits
    )


@pytest.fixture
def proofs(clock) -> Proofs:
    return Proofs(ProofSettings(bits=8, questions=2), lambda: clock.seconds)


def test_leading_zeros_are_those_of_sha_256():
    for text in ("", "a", "18.1.abc.def:196136"):
        bits = bin(int(hashlib.sha256(text.encode()).hexdigest(), 16))[2:].zfill(256)
        assert leading_zeros(text) == len(bits) - len(bits.lstrip("0"))
    assert leading_zeros("18.1.abc.def:196136") == 20


def test_a_proof_is_good_for_so_many_questions(proofs):
    assert not proofs.spend(ADA)
    challenge = proofs.challenge(ADA)
    proofs.take(ADA, challenge, solve(challenge))
    assert [proofs.spend(ADA) for _ in range(3)] == [True, True, False]
    assert not proofs.spend(BOB)


def test_whoever_has_logged_in_proves_nothing(proofs):
    assert proofs.spend(Voter("key ada", "", name="ada"))
    assert Proofs(ProofSettings()).spend(ADA)


def test_solutions_that_are_none(proofs, clock):
    challenge = proofs.challenge(ADA)
    solution = solve(challenge)
    wrong = next(str(n) for n in itertools.count() if leading_zeros(f"{challenge}:{n}") < 8)
    easier = "0." + challenge.partition(".")[2]
    other = Proofs(ProofSettings(bits=8), lambda: clock.seconds).challenge(ADA)
    forged = [
        (ADA, challenge, wrong, "no solution"),
        (ADA, challenge, solution + " " * 100, "no solution"),
        (BOB, challenge, solution, "not ours"),
        (ADA, easier, "0", "not ours"),
        (ADA, other, solve(other), "not ours"),
        (ADA, "", "", "not ours"),
        (ADA, "a.b", "0", "not ours"),
        (ADA, "é" + challenge, solution, "not ours"),
    ]
    for voter, given_challenge, given_solution, why in forged:
        with pytest.raises(ProofRefusedError, match=why):
            proofs.take(voter, given_challenge, given_solution)
    proofs.take(ADA, challenge, solution)
    with pytest.raises(ProofRefusedError, match="solved already"):
        proofs.take(ADA, challenge, solution)
    late = proofs.challenge(ADA)
    clock.seconds += LIFETIME + 1
    with pytest.raises(ProofRefusedError, match="too old"):
        proofs.take(ADA, late, solve(late))
    assert [proofs.spend(ADA) for _ in range(3)] == [True, True, False]


def test_solved_challenges_are_forgotten_when_they_are_too_old(proofs, clock):
    for _ in range(5):
        challenge = proofs.challenge(ADA)
        proofs.take(ADA, challenge, solve(challenge))
    clock.seconds += 3 * LIFETIME
    challenge = proofs.challenge(ADA)
    proofs.take(ADA, challenge, solve(challenge))
    assert len(proofs._spent) == 1


def test_a_question_waits_for_its_proof_and_then_counts(proofs, clock):
    toll = Toll(limits(clock, questions_per_minute=1), proofs, ADA, ENGLISH)
    challenge = toll.pay({"prompt": "?"})
    assert challenge is not None
    with pytest.raises(ToldVoterError, match="Ask once more"):
        toll.pay({"challenge": challenge, "proof": "nonsense"})
    assert toll.pay({"challenge": challenge, "proof": solve(challenge)}) is None
    with pytest.raises(ToldVoterError, match="Ask again in 60 seconds"):
        toll.pay({})
