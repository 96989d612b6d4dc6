"""Decode steps with and without recording, in Triton's interpreter; run by test_runner_graphs.py.

The argument is the folder of the checkpoint. TRITON_INTERPRET must be set before triton is first
imported, hence a process of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from model_harness import RecordingSampler
from runner_driver import Drafter, DrivenRequest, Driver, make_graph_runner, no_drafts

from rostra.mesh.engine.graphs import Capture, Work, repeat
from rostra.mesh.ops.triton import TritonOps

PROMPTS = {"a": list(range(10, 15)), "b": [7], "c": [40, 41]}
NUM_MADE = {"a": 4, "b": 3, "c": 4}


def start(folder: Path, capture: Capture | None) -> tuple[Driver, RecordingSampler]:
    sampler = RecordingSampler()
    runner = make_graph_runner(folder, TritonOps(torch.device("cpu")), sampler, capture)
    runner.warm_up()
    return Driver(runner), sampler


def run(driver: Driver, drafter: Drafter = no_drafts) -> dict[str, list[int]]:
    """The prompts, two steps of all requests, one without b."""
    add_all(driver)
    for _ in range(3):
        driver.step(drafter)
    ended = driver.finish("b")
    driver.step(drafter)
    return end_all(driver, ended)


def run_late(driver: Driver) -> dict[str, list[int]]:
    """The same, each step launched before the result of the one before it."""
    add_all(driver)
    pending = driver.launch()
    for count in range(3):
        if count == 2:
            ended = driver.finish("b")
        following = driver.launch()
        pending()
        pending = following
    pending()
    return end_all(driver, ended)


def add_all(driver: Driver) -> None:
    for name, prompt in PROMPTS.items():
        driver.add(name, prompt, temperature=0.8, seed=len(prompt))


def end_all(driver: Driver, *ended: DrivenRequest) -> dict[str, list[int]]:
    requests = {one.name: one for one in (*ended, *map(driver.finish, list(driver.requests)))}
    return {
        name: requests[name].tokens[len(prompt) :][: NUM_MADE[name]]
        for name, prompt in PROMPTS.items()
    }


def main() -> None:
    folder = Path(sys.argv[1])
    replayed: list[None] = []

    def counting(work: Work) -> Work:
        repeat(work)

        def again() -> None:
            replayed.append(None)
            work()

        return again

    driver, plain = start(folder, None)
    expected = run(driver)
    drafts = {
        "a": lambda made: expected["a"][made : made + 1],
        "b": lambda _: [],
        "c": lambda _: [3],
    }
    driver, recorded = start(folder, counting)
    found = {"plain": expected}
    counts, differences = [], []
    for way, tokens_of in {
        "late": run_late,
        "drafted": lambda driver: run(
            driver, lambda name, tokens: drafts[name](len(tokens) - len(PROMPTS[name]))
        ),
    }.items():
        recorded.logits.clear()
        replayed.clear()
        found[way] = tokens_of(driver)
        counts.append(len(replayed))
        differences += [
            (logits - plain.logits[at]).abs().max().item()
            for at, logits in recorded.logits.items()
            if way != "drafted"
        ]
    json.dump(found | {"num_replayed": counts, "largest_difference": max(differences)}, sys.stdout)


if __name__ == "__main__":
    main()
