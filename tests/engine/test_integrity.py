"""The books of the engine, damaged one at a time: each kind of damage is noticed for what it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from engine_harness import Harness

from rostra.mesh.engine.blocks import IntegrityError
from rostra.mesh.engine.request import Request
from rostra.mesh.engine.scheduler import Scheduler

Damage = Callable[[Scheduler, Request, Request], object]


def busy() -> tuple[Scheduler, Request, Request]:
    """A scheduler with two requests that run and two that wait; of each the first."""
    harness = Harness(num_blocks=16, block_size=2, max_num_seqs=2)
    for request_id in "abcd":
        harness.add(request_id, [1, 0, 1], max_tokens=20, deadline=100.0)
    harness.step()
    scheduler = harness.engine._scheduler
    queues = scheduler.queues
    return scheduler, queues.running[0], queues.waiting[0]


DAMAGES: dict[str, tuple[Damage, str]] = {
    "lost": (lambda s, r, w: s.queues.waiting.remove(w), "in no queue, or in two"),
    "twice": (lambda s, r, w: s.queues.waiting.append(w), "in no queue, or in two"),
    "unknown": (lambda s, r, w: s.queues.by_id.pop(w.id), "in no queue, or in two"),
    "rank": (lambda s, r, w: s.queues.waiting.reverse(), "waiting requests are out of order"),
    "status": (
        lambda s, r, w: setattr(r, "status", w.status),
        "running requests are out of order",
    ),
    "tokens": (
        lambda s, r, w: setattr(s.queues, "num_waiting_tokens", 1),
        "tokens of waiting requests are counted wrongly",
    ),
    "unwatched": (lambda s, r, w: s.queues.with_deadline.pop(r.id), "watched deadlines"),
    "late": (
        lambda s, r, w: setattr(s.queues, "next_deadline", 101.0),
        "a deadline would be missed",
    ),
    "pending": (lambda s, r, w: setattr(r, "num_pending_tokens", 1), "wrong number of tokens"),
    "idle": (
        lambda s, r, w: setattr(r, "num_computed_tokens", r.num_tokens),
        "has nothing to compute",
    ),
    "endless": (lambda s, r, w: setattr(r, "max_num_tokens", 3), "has nothing to compute"),
    "beyond": (
        lambda s, r, w: (r.token_ids.extend([0] * 9), setattr(r, "num_computed_tokens", 9)),
        "computed more than its blocks hold",
    ),
    "unknown tokens": (
        lambda s, r, w: setattr(r, "num_computed_tokens", 1),
        "shares tokens that are not known",
    ),
    "other tokens": (
        lambda s, r, w: r.token_ids.__setitem__(0, r.token_ids[0] + 1),
        "is cached as what it does not hold",
    ),
    "holds": (lambda s, r, w: w.table.blocks.append(r.table.blocks[0]), "waits, and holds blocks"),
    "computed": (lambda s, r, w: setattr(w, "num_computed_tokens", 1), "waits, and holds blocks"),
    "in flight": (lambda s, r, w: setattr(w, "num_pending_tokens", 1), "waits, and holds blocks"),
}


@pytest.mark.parametrize(("damage", "told"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_noticed(damage: Damage, told: str) -> None:
    scheduler, running, waiting = busy()
    scheduler.check_integrity()
    damage(scheduler, running, waiting)
    with pytest.raises(IntegrityError, match=told):
        scheduler.check_integrity()
