"""When replicas are added, and when they are taken away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rostra.mesh.launch.scaling import Autoscaler, Reading
from rostra.mesh.launch.settings import ReplicaSettings

CAPACITY = 8


def settings(**changes: float) -> ReplicaSettings:
    given = {"min": 1, "max": 4, "target_waiting": 2.0, "up_after": 5.0, "down_after": 60.0}
    return ReplicaSettings.model_validate(given | changes)


def split(demand: int, replicas: int, capacity: int = CAPACITY) -> list[Reading]:
    """Requests spread evenly: each replica runs what it can and lets the rest wait."""
    shares = [demand // replicas + (index < demand % replicas) for index in range(replicas)]
    return [Reading(min(share, capacity), max(0, share - capacity)) for share in shares]


def history(
    scaler: Autoscaler, demand: int, seconds: int, placed: int = 1, start: int = 0
) -> list[int]:
    """The number of replicas at each second; new ones serve at once."""
    numbers = []
    for now in range(start, start + seconds):
        placed = scaler.wanted(float(now), split(demand, placed), placed)
        numbers.append(placed)
    return numbers


def test_a_queue_that_stays_brings_a_replica_and_one_that_passes_does_not():
    scaler = Autoscaler(settings(), CAPACITY)
    assert history(scaler, demand=CAPACITY + 3, seconds=5) == [1] * 5
    assert history(scaler, demand=CAPACITY, seconds=3, start=5) == [1] * 3
    assert history(scaler, demand=CAPACITY + 3, seconds=6, start=8) == [1] * 5 + [2]


def test_what_waits_at_the_gateway_counts():
    scaler = Autoscaler(settings(up_after=0.0, down_after=0.0), CAPACITY)
    idle = [Reading(0, 0), Reading(0, 0)]
    assert scaler.wanted(0.0, idle, 2, queued=5) == 3
    assert scaler.wanted(1.0, idle, 2, queued=1) == 2
    assert scaler.wanted(2.0, idle, 2, queued=0) == 1


def test_what_waits_within_the_target_brings_none():
    assert set(history(Autoscaler(settings(), CAPACITY), CAPACITY + 2, seconds=600)) == {1}


def test_a_long_queue_doubles_them_at_most_and_stops_at_max():
    numbers = history(Autoscaler(settings(), CAPACITY), demand=1000, seconds=60)
    assert sorted(set(numbers)) == [1, 2, 4]
    assert numbers[-1] == 4


def test_those_that_still_start_count():
    scaler = Autoscaler(settings(up_after=0.0), CAPACITY)
    crowded = [Reading(CAPACITY, 3)]
    assert scaler.wanted(0.0, crowded, 1) == 2
    for now in range(1, 100):
        assert scaler.wanted(float(now), crowded, 2) == 2


def test_idle_ones_leave_one_at_a_time():
    numbers = history(Autoscaler(settings(), CAPACITY), demand=0, seconds=200, placed=4)
    assert numbers[59] == 4
    assert numbers[60:] == [3] * 60 + [2] * 60 + [1] * 20


def test_a_replica_that_is_needed_stays():
    numbers = history(Autoscaler(settings(), CAPACITY), CAPACITY + 1, seconds=600, placed=2)
    assert set(numbers) == {2}


def test_replicas_that_do_not_answer_are_no_sign_of_rest():
    scaler = Autoscaler(settings(down_after=0.0), CAPACITY)
    idle = Reading(0, 0)
    assert scaler.wanted(0.0, [], 3) == 3
    assert scaler.wanted(1.0, [None, idle, idle], 3) == 3
    assert scaler.wanted(2.0, [Reading(1, 0)], 3) == 3  # the others still start
    assert scaler.wanted(3.0, [idle, idle, idle], 3) == 2


def test_the_number_is_brought_between_the_bounds_at_once():
    scaler = Autoscaler(settings(min=2, max=3), CAPACITY)
    assert scaler.wanted(0.0, [], 0) == 2
    assert scaler.wanted(0.0, [], 7) == 3


@given(demand=st.integers(0, 200), placed=st.integers(1, 4), capacity=st.integers(1, 40))
def test_a_steady_load_leads_to_a_number_that_stays(demand: int, placed: int, capacity: int):
    """Whatever a replica's real capacity is beside the one that the scaler was told."""
    scaler = Autoscaler(settings(), CAPACITY)
    numbers = [placed]
    for now in range(3600):
        readings = split(demand, numbers[-1], capacity)
        numbers.append(scaler.wanted(float(now), readings, numbers[-1]))
    late = numbers[1200:]
    assert len(set(late)) == 1
    waiting = sum(reading.waiting for reading in split(demand, late[-1], capacity))
    assert waiting <= settings().target_waiting * late[-1] or late[-1] == settings().max
