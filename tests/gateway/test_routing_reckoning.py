"""What a gateway takes a worker to have, between two of its reports."""

from __future__ import annotations

import random

import pytest

from rostra.gateway.routing.load_bound import with_room
from rostra.gateway.routing.reckoning import Reckoning, Traffic


def test_alone_a_request_is_one() -> None:
    worker = Reckoning(Traffic())
    worker.report(3, 10, 0.0)
    worker.sent()
    worker.sent()
    worker.ended()
    assert worker.pending == worker.known == 4
    worker.report(4, 12, 0.5)
    assert worker.pending == 4


def test_it_never_has_less_than_nothing() -> None:
    worker = Reckoning(Traffic())
    worker.ended()
    assert worker.pending == worker.known == 0


def shared(gateways: int, rng: random.Random, reports: int = 400) -> tuple[Traffic, Reckoning]:
    """One gateway's, of a worker that as many send equally much."""
    traffic = Traffic()
    worker = Reckoning(traffic)
    arrived = 0
    for number in range(reports):
        worker.report(0, arrived, 0.5 * number)
        for _ in range(rng.randrange(10)):
            arrived += 1
            if rng.randrange(gateways) == 0:
                worker.sent()
                worker.ended()
    worker.report(0, arrived, 0.5 * reports)
    return traffic, worker


@pytest.mark.parametrize("gateways", [1, 2, 4])
def test_one_request_counts_for_all_gateways(gateways: int) -> None:
    traffic, worker = shared(gateways, random.Random(gateways))
    assert 0.6 * gateways < traffic.factor < 1.4 * gateways
    worker.sent()
    assert worker.known == 1
    assert worker.pending == round(traffic.factor)


def test_a_worker_that_starts_again_tells_nothing_of_the_traffic() -> None:
    traffic = Traffic()
    worker = Reckoning(traffic)
    worker.report(0, 1000, 0.0)
    worker.sent()
    worker.report(0, 1, 1.0)
    assert traffic.factor == 1.0


def test_what_was_long_ago_is_forgotten() -> None:
    traffic = Traffic()
    traffic.note(1000, 10, 0.0)
    assert traffic.factor == 8.0
    for second in range(1, 100):
        traffic.note(20, 20, float(second))
    assert traffic.factor < 1.1


class Seen:
    def __init__(self, reckoning: Reckoning, address: str) -> None:
        self.reckoning = reckoning
        self.address = address
        self.queued_tokens = 0

    @property
    def pending_requests(self) -> int:
        return self.reckoning.pending


def test_gateways_that_see_the_same_idle_worker_do_not_fill_it_together() -> None:
    """Each sends there as long as there is room, and hears nothing of the others meanwhile."""
    sent = 0
    for gateway in range(4):
        traffic, idle = shared(4, random.Random(gateway))
        others = [Reckoning(traffic) for _ in range(9)]
        idle.report(0, 10**6, 1000.0)
        for other in others:
            other.report(8, 0, 1000.0)
        candidates = [Seen(each, str(n)) for n, each in enumerate([idle, *others])]
        while candidates[0] in with_room(candidates, 1.1, 4):
            idle.sent()
            sent += 1
    # 4 gateways by 9 otherwise.
    assert 8 <= sent <= 16
