"""What is told while judges work."""

from __future__ import annotations

import io

from rich.console import Console

from rostra.arena.judge.tally import Tally
from rostra.mesh.cli.judge_work import LINE_EVERY, MOST_FAULTS, progress, tell


def done(number: int) -> Tally:
    tally = Tally(9)
    for _ in range(number):
        tally.add("given", 10, 2, 0.5)
    return tally


def test_a_bar_on_a_terminal():
    out = io.StringIO()
    with progress("answers", Console(file=out, force_terminal=True, width=120)) as told:
        told(done(4))
    assert "4/9" in out.getvalue()
    assert "40 + 8 tokens, 2.0000" in out.getvalue()


def test_a_line_now_and_then_elsewhere():
    out, now = io.StringIO(), [0.0]
    with progress("answers", Console(file=out), clock=lambda: now[0]) as told:
        told(done(1))
        now[0] = LINE_EVERY
        told(done(2))
        told(done(3))
        now[0] = 2 * LINE_EVERY
        told(done(4))
    assert out.getvalue() == "answers: 2 of 9\nanswers: 4 of 9\n"


def test_the_end_names_what_came_to_nothing():
    out = io.StringIO()
    tally = done(4)
    tally.add("failed")
    tally.faults += [f"row {number}" for number in range(MOST_FAULTS + 2)]
    tell("answers", tally, "USD", Console(file=out))
    said = out.getvalue().splitlines()
    assert said[:2] == [
        "answers: 4 now, 1 failed",
        "asked for now: 40 + 8 tokens, 2.0000 USD",
    ]
    assert said[-1] == "and 2 more"
    assert len(said) == 2 + MOST_FAULTS + 1
