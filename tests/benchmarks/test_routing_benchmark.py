"""The simulator of routing: its workers, its traces, and what it says of the policies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import routing
from benchmarks.results import FOLDER, Result
from benchmarks.routing_simulation import Mesh, simulate
from benchmarks.routing_traces import BLOCK_TOKENS, TRACES, Arrival, draw
from benchmarks.routing_workers import Job, Machine, SimulatedWorker
from rostra.gateway.routing.settings import RoutingSettings


def arrival(time: float, *keys: int, output: int = 100) -> Arrival:
    return Arrival(time, 0, keys, (), output)


def run(worker: SimulatedWorker) -> list[Job]:
    done = []
    while (due := worker.next_event()) != float("inf"):
        worker.advance(due)
        done += worker.finish()
    return done


def test_a_request_alone_takes_what_its_tokens_take() -> None:
    machine = Machine()
    worker = SimulatedWorker("a", machine)
    worker.add(Job(arrival(0.0, *range(10)), 0.0, 0), 0.0)
    (job,) = run(worker)
    assert job.first_token == pytest.approx(10 * BLOCK_TOKENS / machine.prefill_tokens_per_second)
    step = machine.step_seconds + machine.step_seconds_per_request
    assert worker._now == pytest.approx(job.first_token + 100 * step)
    assert worker.pending_requests == 0


def test_what_is_cached_is_not_computed_again_but_for_the_last_block() -> None:
    worker = SimulatedWorker("a", Machine())
    for keys, cached in (((1, 2, 3), 0), ((1, 2, 3), 2), ((1, 2, 9, 10), 2)):
        worker.add(Job(arrival(worker._now, *keys), worker._now, 0), worker._now)
        (job,) = run(worker)
        assert job.cached_blocks == cached
    assert {1, 2, 3, 9, 10} == set(worker.cache)


def test_the_least_recently_used_is_evicted_and_told() -> None:
    worker = SimulatedWorker("a", Machine(cache_blocks=4))
    for keys in ((1, 2), (3, 4), (1, 2), (5,)):
        worker.add(Job(arrival(worker._now, *keys), worker._now, 0), worker._now)
        run(worker)
    assert set(worker.cache) == {1, 2, 3, 5}
    assert worker.changed == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("kind", TRACES)
def test_a_trace_is_the_same_each_time_and_shares_what_it_says(kind: str) -> None:
    arrivals = draw(kind, 20.0, 30.0, 3)
    assert arrivals == draw(kind, 20.0, 30.0, 3)
    assert [one.time for one in arrivals] == sorted(one.time for one in arrivals)
    assert 100 < len(arrivals) < 1000
    seen: set[int] = set()
    repeated = 0
    for one in arrivals:
        repeated += one.keys[0] in seen
        seen |= set(one.keys)
    assert (repeated == 0) == (kind == "unrelated")


@pytest.mark.parametrize("kv_events", [False, True])
def test_prefix_affinity_finds_half_as_much_again_as_round_robin(kv_events: bool) -> None:
    arrivals = draw("chat", 5.0 * 16, 60.0, 1)
    mesh = Mesh(workers=16, gateways=2, report_seconds=0.5, kv_events=kv_events)
    found = {
        policy: simulate(arrivals, mesh, RoutingSettings(), policy, warm_up=30.0, seed=1)
        for policy in ("round_robin", "prefix")
    }
    again = simulate(arrivals, mesh, RoutingSettings(), "prefix", warm_up=30.0, seed=1)
    assert again == found["prefix"]
    assert found["prefix"]["requests"] == found["round_robin"]["requests"]
    assert found["prefix"]["hit_rate"] >= 1.5 * found["round_robin"]["hit_rate"]
    assert found["prefix"]["first_token_p50_ms"] < found["round_robin"]["first_token_p50_ms"]


@pytest.mark.slow
def test_the_command_writes_a_row_for_each_policy_and_trace(tmp_path: Path) -> None:
    made = tmp_path / "result.json"
    command = ["--workers", "4", "--seconds", "20", "--work", str(tmp_path), "--json", str(made)]
    routing.main(command)
    rows = json.loads(made.read_text())["rows"]
    assert len(rows) == len(TRACES) * len(routing.POLICIES)


def test_the_default_is_what_won() -> None:
    """Of the committed result: the policy that finds most in caches, with the load spread evenly
    enough, and first tokens no later than anybody's."""
    rows = Result.read(FOLDER / "routing-simulated.json").rows
    chat = {row["peer"]: row for row in rows if row["load"] == "chat"}
    best = max(chat.values(), key=lambda row: row["hit_rate"])
    assert routing.POLICIES[best["peer"]] == RoutingSettings().policy
    assert best["hit_rate"] >= 1.5 * chat["round robin"]["hit_rate"]
    assert best["imbalance_p99"] < 1.5
