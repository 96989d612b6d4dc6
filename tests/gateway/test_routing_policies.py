"""What each policy promises, over random fleets."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.gateway.routing.consistent_hash import ConsistentHash
from rostra.gateway.routing.least_load import LeastLoad
from rostra.gateway.routing.policy import NOTHING_SHARED, Affinity, Policy
from rostra.gateway.routing.prefix_affinity import PrefixAffinity
from rostra.gateway.routing.prefix_index import PrefixIndex
from rostra.gateway.routing.rendezvous import score, weighted
from rostra.gateway.routing.round_robin import RoundRobin
from rostra.gateway.routing.settings import RoutingSettings

CHI_SQUARE_3_DOF = 16.27
"""Exceeded once in a thousand times."""


@dataclass
class Worker:
    address: str
    pending_requests: int = 0
    queued_tokens: int = 0


def fleet(*pending: int) -> list[Worker]:
    return [Worker(f"10.0.0.{n}:50051", load) for n, load in enumerate(pending)]


loads = st.lists(st.integers(0, 60), min_size=1, max_size=40)
keys = st.integers(0, 2**64 - 1)


def affine(index: PrefixIndex, bound: float = 1.25, free: int = 4) -> PrefixAffinity:
    return PrefixAffinity(random.Random(1), index, bound, free)


@given(loads, st.lists(keys, max_size=5), keys, st.floats(1.0, 3.0), st.integers(1, 8))
def test_the_load_bound_is_never_exceeded(
    pending: list[int], prefix: list[int], session: int, bound: float, free: int
) -> None:
    workers = fleet(*pending)
    index = PrefixIndex(100)
    for worker in workers[::2]:
        index.add(worker.address, prefix)
    limit = max(math.ceil(bound * (sum(pending) + 1) / len(pending)), free)
    for policy in (
        affine(index, bound, free),
        ConsistentHash(random.Random(1), bound, free),
    ):
        for affinity in (Affinity(tuple(prefix), session), Affinity(tuple(prefix)), NOTHING_SHARED):
            chosen = policy.choose(workers, affinity)
            assert chosen.pending_requests + 1 <= limit


@given(st.integers(2, 30), st.integers(0, 29), st.lists(keys, min_size=1, max_size=50))
def test_where_a_worker_leaves_only_its_own_keys_move(
    count: int, leaving: int, sessions: list[int]
) -> None:
    policy, workers = ConsistentHash(random.Random(1), 10.0, 4), fleet(*[0] * count)
    gone = workers[leaving % count]
    rest = [worker for worker in workers if worker is not gone]
    for session in sessions:
        before = policy.choose(workers, Affinity(session=session))
        after = policy.choose(rest, Affinity(session=session))
        assert after is before or before is gone


def test_sessions_are_spread_evenly() -> None:
    policy, workers = ConsistentHash(random.Random(1), 10.0, 4), fleet(0, 0, 0, 0)
    rng = random.Random(3)
    counts = Counter(
        policy.choose(workers, Affinity(session=rng.getrandbits(64))).address for _ in range(4000)
    )
    assert sum((counts[one.address] - 1000) ** 2 / 1000 for one in workers) < CHI_SQUARE_3_DOF


def test_a_session_whose_worker_is_full_goes_to_its_next() -> None:
    policy, workers = ConsistentHash(random.Random(1), 1.25, 1), fleet(4, 4, 4, 4)
    for session in range(50):
        ranked = sorted(workers, key=lambda one: score(session, one.address), reverse=True)
        assert policy.choose(workers, Affinity(session=session)) is ranked[0]
        ranked[0].pending_requests = 9
        assert policy.choose(workers, Affinity(session=session)) is ranked[1]
        ranked[0].pending_requests = 4


def test_gateways_agree_without_talking() -> None:
    workers = fleet(*[2] * 20)
    chosen = [
        [
            ConsistentHash(random.Random(gateway), 1.25, 4)
            .choose(workers, Affinity(session=session))
            .address
            for session in range(100)
        ]
        for gateway in range(3)
    ]
    assert chosen[0] == chosen[1] == chosen[2]


def test_the_deepest_prefix_wins_and_the_lighter_of_its_holders() -> None:
    index, workers = PrefixIndex(100), fleet(0, 3, 2, 0)
    policy = affine(index)
    policy.dispatched(workers[0].address, Affinity((1, 2)))
    policy.dispatched(workers[1].address, Affinity((1, 2, 3)))
    assert policy.choose(workers, Affinity((1, 2, 3, 4))) is workers[1]
    assert policy.choose(workers, Affinity((1, 2, 9))) is workers[0]
    policy.dispatched(workers[2].address, Affinity((1, 2, 3)))
    assert policy.choose(workers, Affinity((1, 2, 3, 4))) is workers[2]


def test_a_full_holder_gives_way_to_a_shallower_one_and_then_to_anybody() -> None:
    index, workers = PrefixIndex(100), fleet(9, 4, 4, 4)
    policy = affine(index, free=1)
    policy.dispatched(workers[0].address, Affinity((1, 2, 3)))
    policy.dispatched(workers[3].address, Affinity((1,)))
    assert policy.choose(workers, Affinity((1, 2, 3))) is workers[3]
    workers[3].pending_requests = 9
    chosen = {policy.choose(workers, Affinity((1, 2, 3))).address for _ in range(50)}
    assert chosen == {workers[1].address, workers[2].address}


def test_a_prefix_spreads_as_far_as_its_load_asks() -> None:
    index, workers = PrefixIndex(100), fleet(*[0] * 10)
    policy, affinity = affine(index, 1.25, 1), Affinity((1, 2))
    for _ in range(100):
        chosen = policy.choose(workers, affinity)
        policy.dispatched(chosen.address, affinity)
        chosen.pending_requests += 1
    assert max(one.pending_requests for one in workers) <= math.ceil(1.25 * 100 / 10)
    assert sum(one.pending_requests > 0 for one in workers) >= 8


@given(st.lists(st.tuples(st.integers(0, 5), st.lists(keys, max_size=6)), max_size=40))
def test_the_index_is_bounded_and_right(history: list[tuple[int, list[int]]]) -> None:
    index, truth = PrefixIndex(10), {}
    for worker, prefix in history:
        index.add(str(worker), prefix)
        for key in prefix:
            truth.setdefault(key, set()).add(str(worker))
        assert len(index) <= 10
    for _, prefix in history:
        depth, holders = index.longest(prefix, [str(n) for n in range(6)])
        assert (depth == 0) == (not holders)
        if depth:
            assert holders <= truth[prefix[depth - 1]]
    index.forget("0")
    for _, prefix in history:
        assert "0" not in index.longest(prefix, ["0", "1"])[1]
        index.discard("1", prefix)
        assert index.longest(prefix, ["1"]) == (0, set())


def test_the_shortest_prefix_is_forgotten_last() -> None:
    index = PrefixIndex(3)
    index.add("a", [1, 2, 3, 4, 5])
    assert index.longest([1, 2, 3, 4, 5], ["a"]) == (3, {"a"})


def test_round_robin_takes_turns_also_where_workers_come_and_go() -> None:
    policy, workers = RoundRobin(), fleet(9, 0, 5)

    def ask(among: list[Worker]) -> int:
        chosen = policy.choose(among, NOTHING_SHARED)
        policy.dispatched(chosen.address, NOTHING_SHARED)
        return workers.index(chosen)

    assert [ask(workers) for _ in range(6)] == [0, 1, 2, 0, 1, 2]
    assert [ask(workers[:2]) for _ in range(3)] == [0, 1, 0]
    assert ask(workers) == 1


def test_least_load_is_least_and_ties_are_drawn() -> None:
    policy, workers = LeastLoad(random.Random(1)), fleet(2, 1, 1, 3)
    workers[2].queued_tokens = 5
    assert {policy.choose(workers, NOTHING_SHARED).address for _ in range(20)} == {
        workers[1].address
    }
    workers[2].queued_tokens = 0
    counts = Counter(policy.choose(workers, NOTHING_SHARED).address for _ in range(1000))
    assert 400 < counts[workers[1].address] < 600
    assert len(counts) == 2


def test_weights_are_kept_and_raising_one_moves_keys_to_it_alone() -> None:
    rng = random.Random(7)
    drawn = [rng.getrandbits(64) for _ in range(10_000)]
    weights = {"a": 5.0, "b": 95.0, "c": 50.0, "d": 50.0}
    counts = Counter(weighted(key, weights.items()) for key in drawn)
    expected = {name: 10_000 * weight / 200 for name, weight in weights.items()}
    distance = sum((counts[name] - mean) ** 2 / mean for name, mean in expected.items())
    assert distance < CHI_SQUARE_3_DOF
    raised = {**weights, "a": 20.0}
    for key in drawn:
        before, after = weighted(key, weights.items()), weighted(key, raised.items())
        assert after in (before, "a")


@pytest.mark.parametrize(
    "name", ["prefix", "power_of_two", "least_load", "consistent_hash", "round_robin"]
)
@given(pending=loads, prefix=st.lists(keys, max_size=3), session=st.none() | keys)
def test_every_policy_chooses_a_candidate(
    name: str, pending: list[int], prefix: list[int], session: int | None
) -> None:
    policy: Policy = RoutingSettings().build(name, PrefixIndex(50), random.Random(1))  # type: ignore[arg-type]
    workers = fleet(*pending)
    for _ in range(3):
        affinity = Affinity(tuple(prefix), session)
        chosen = policy.choose(workers, affinity)
        assert chosen in workers
        policy.dispatched(chosen.address, affinity)
