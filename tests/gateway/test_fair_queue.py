"""Who is next: shares, priorities, and whose request leaves a queue that is full."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.gateway.admission.fair_queue import FairQueue
from rostra.gateway.admission.service_rate import ServiceRate

COSTS = st.integers(1, 4096)
WEIGHTS = st.sampled_from([0.5, 1.0, 2.0, 5.0])


def filled(size: int = 10_000) -> FairQueue[str]:
    return FairQueue(size)


@settings(max_examples=200, deadline=None)
@given(
    first=st.tuples(WEIGHTS, st.lists(COSTS, min_size=1, max_size=60)),
    second=st.tuples(WEIGHTS, st.lists(COSTS, min_size=1, max_size=60)),
    before=st.lists(COSTS, max_size=20),
)
def test_of_two_that_wait_none_gets_more_than_one_request_of_each_ahead(
    first: tuple[float, list[int]], second: tuple[float, list[int]], before: list[int]
) -> None:
    """The bound of start-time fair queueing (Goyal et al. 1996, theorem 1), whatever was before."""
    queue = filled()
    for cost in before:
        queue.pass_by("a", first[0], cost)
    flows = {"a": first, "b": second}
    for name, (weight, costs) in flows.items():
        for cost in costs:
            queue.put(name, weight, 0, cost, name)
    bound = sum(max(costs) / weight for weight, costs in flows.values())
    # What came before is a debt of `a`, of one request at most, which it pays at first.
    bound += max(before, default=0) / first[0]
    served = dict.fromkeys(flows, 0.0)
    left = Counter({name: len(costs) for name, (_, costs) in flows.items()})
    while all(left[name] for name in flows):
        taken = queue.take()
        served[taken.flow] += taken.cost / taken.weight
        left[taken.flow] -= 1
        assert abs(served["a"] - served["b"]) <= bound


@settings(max_examples=100, deadline=None)
@given(burst=st.integers(1, 300), cost=COSTS, others=st.integers(1, 5))
def test_a_burst_of_one_makes_nobody_else_wait_for_it(burst: int, cost: int, others: int) -> None:
    queue = filled()
    for _ in range(burst):
        queue.put("burst", 1.0, 0, cost, "burst")
    for number in range(others):
        queue.put(f"other {number}", 1.0, 0, cost, "other")
    order = [queue.take().item for _ in range(len(queue))]
    # One of the burst may be before each, and one more that came first of all.
    assert max(at for at, item in enumerate(order) if item == "other") <= 2 * others + 1


def test_a_flow_that_was_silent_saves_nothing_up() -> None:
    queue = filled()
    for _ in range(50):
        queue.pass_by("busy", 1.0, 100)
    for name in ("late", "busy"):
        for _ in range(10):
            queue.put(name, 1.0, 0, 100, name)
    order = [queue.take().flow for _ in range(20)]
    assert Counter(order[:10])["busy"] >= 4


def test_weights_are_shares() -> None:
    queue = filled()
    for _ in range(90):
        queue.put("one", 1.0, 0, 10, "")
        queue.put("two", 2.0, 0, 10, "")
    order = Counter(queue.take().flow for _ in range(90))
    assert order["two"] == pytest.approx(2 * order["one"], abs=2)


def test_what_an_answer_took_beyond_its_estimate_is_paid_later() -> None:
    queue = filled()
    queue.pass_by("long", 1.0, 10)
    queue.correct("long", 1.0, 1000)
    for _ in range(20):
        queue.put("long", 1.0, 0, 10, "")
        queue.put("short", 1.0, 0, 10, "")
    assert [queue.take().flow for _ in range(20)] == ["short"] * 20


def test_a_better_priority_goes_first_and_is_paid_for() -> None:
    queue = filled()
    for _ in range(4):
        queue.put("a", 1.0, 0, 10, "a")
        queue.put("b", 1.0, -1, 10, "b")
    assert [queue.take().item for _ in range(8)] == ["b"] * 4 + ["a"] * 4
    for name in ("a", "b"):
        queue.put(name, 1.0, 0, 10, name)
    assert queue.take().item == "a"


def test_equals_are_served_in_order_of_arrival() -> None:
    queue = filled()
    for number in range(10):
        queue.put("a", 1.0, 0, 10, str(number))
    assert [queue.take().item for _ in range(10)] == [str(number) for number in range(10)]
    with pytest.raises(IndexError):
        queue.take()


@settings(max_examples=200, deadline=None)
@given(
    arrivals=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-1, 1)), max_size=80),
    size=st.integers(1, 12),
)
def test_it_is_bounded_and_who_has_most_in_it_gives_way(
    arrivals: list[tuple[str, int]], size: int
) -> None:
    queue: FairQueue[int] = FairQueue(size)
    alive: dict[int, str] = {}
    for number, (flow, priority) in enumerate(arrivals):
        before = Counter(alive.values())
        _, dropped = queue.put(flow, 1.0, priority, 10, number)
        alive[number] = flow
        if dropped is not None:
            del alive[dropped.item]
            with_new = before + Counter([flow])
            assert with_new[dropped.flow] == max(with_new.values())
        assert len(queue) == len(alive) <= size
    assert sorted(each.item for each in queue) == sorted(alive)
    assert sorted(queue.take().item for _ in range(len(queue))) == sorted(alive)


def test_one_that_gives_up_leaves_and_counts_for_nothing() -> None:
    queue = filled()
    waiting, _ = queue.put("a", 1.0, 0, 10, "a")
    assert queue.remove(waiting)
    assert not queue.remove(waiting)
    assert len(queue) == 0


def test_flows_that_say_nothing_are_forgotten() -> None:
    queue = filled()
    for number in range(5000):
        queue.pass_by(f"address {number}", 1.0, 10)
    assert len(queue._flows) <= 1000


@pytest.mark.parametrize(
    ("own", "others", "weight", "expected"),
    [(0, [], 1.0, 0), (3, [], 1.0, 3), (0, [100], 1.0, 1), (2, [100, 1], 1.0, 6), (2, [9], 0.5, 8)],
)
def test_how_many_are_ahead(own: int, others: list[int], weight: float, expected: int) -> None:
    queue = filled()
    for _ in range(own):
        queue.put("own", weight, 0, 10, "")
    for number, count in enumerate(others):
        for _ in range(count):
            queue.put(f"other {number}", 1.0, 0, 10, "")
    assert queue.ahead("own", weight, 0) == expected


def test_the_rate_is_that_of_a_queue_that_moves() -> None:
    rate = ServiceRate()
    assert rate.wait(100, 0.0) is None
    for start in (0.0, 1000.0):
        rate.began(start)
        for now in itertools.islice(itertools.count(start + 2.0, 2.0), 5):
            rate.served(now, more=now < start + 10)
    # The time in which nobody waited counts for nothing.
    assert rate.wait(3, 2000.0) == pytest.approx(8.0)
    rate.began(3000.0)
    assert rate.wait(3, 3001.0) == pytest.approx(7.0)
    assert rate.wait(0, 3050.0) == 0.0
