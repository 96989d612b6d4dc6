"""What the log of votes costs: votes appended a second, entries verified a second.

    python -m benchmarks.vote_log --votes 500 --entries 100000

By CPU time, and by the clock, as each vote waits for the disk; reading and hashing the lines of the
file alone is what no verification can beat.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rostra.arena.contestant import Contestant
from rostra.arena.matchmaking import Pair
from rostra.arena.votes.log.bodies import vote_body
from rostra.arena.votes.log.canonical import canonical
from rostra.arena.votes.log.chain import GENESIS, envelope, link
from rostra.arena.votes.log.lines import header_line
from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.log.verify_file import verify_file
from rostra.arena.votes.records import EndedAnswer, Ticket
from rostra.arena.votes.store import VoteStore

PAIR = Pair(Contestant(name="ariel", model="ariel"), Contestant(name="puck", model="puck"))
TEXT = "A sentence of an answer. " * 60


def measured(what: str, number: int, work: Callable[[], Any]) -> None:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(
        f"{what}: {number / cpu:,.0f} a CPU second ({cpu / number * 1e3:.3f} ms), "
        f"{number / wall:,.0f} a second by the clock"
    )


def votes(url: str, number: int) -> None:
    store = VoteStore(url)
    tickets: list[Ticket] = []

    def fill() -> None:
        for each in range(number):
            ticket = store.open_battle(PAIR, "A question?", f"voter {each % 50}")
            for side in ("a", "b"):
                answer = EndedAnswer(TEXT, 1.5, finish_reason="stop")
                store.end_answer(ticket.battle_id, 0, side, answer)
            tickets.append(ticket)

    def cast() -> None:
        for ticket in tickets:
            store.vote(ticket, "a")

    measured("battles with two answers", number, fill)
    measured("votes", number, cast)
    measured("entries verified in the store", number, lambda: verify(store._engine))
    store.close()


def exported(path: Path, number: int) -> None:
    """A file as an export writes it, of bodies as the store makes them."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    answer = {"text": TEXT, "error": None, "finish_reason": "stop", "model_revision": None}
    answer |= {"prompt_tokens": 9, "completion_tokens": 300, "first_text_seconds": 0.2}
    answers = [
        SimpleNamespace(**answer, turn=0, side=side, attempt=0, seconds=1.5, ended_at=now)
        for side in ("a", "b")
    ]
    turns = [SimpleNamespace(asked_at=now, prompt="A question?")]
    battle = SimpleNamespace(
        **{"text_salt": bytes(16), "campaign": "default", "mode": "battle", "created_at": now},
        **{"voter": "someone", "contestant_a": "ariel", "contestant_b": "puck"},
        **{"settings_a": PAIR.a.snapshot(), "settings_b": PAIR.b.snapshot()},
        **{"matchmaking": None, "failed": False, "identity_revealed": False},
    )
    texts = {"salt": "00" * 16, "prompts": ["A question?"]}
    texts |= {"answers": [{"text": TEXT, "error": None}] * 2}
    texts |= {"settings_a": battle.settings_a, "settings_b": battle.settings_b}
    content = vote_body(battle, turns, answers, SimpleNamespace(outcome="a", turns=1))
    head, lines, first = GENESIS, path.with_suffix(".lines"), None
    with lines.open("w") as file:
        for seq in range(1, number + 1):
            place = envelope(seq, "vote", f"{seq:032x}", now)
            body = canonical({**place, **content})
            head = link(head, body)
            first = first or head
            line = {name: place[name] for name in ("seq", "kind", "battle_id", "at")}
            file.write(
                json.dumps({**line, "body": body, "hash": head.hex(), "texts": texts}) + "\n"
            )
    with path.open("w") as file, lines.open() as written:
        file.write(json.dumps(header_line(first, number, head)) + "\n")
        file.writelines(written)
    lines.unlink()


def files(folder: Path, number: int) -> None:
    path = folder / "log.jsonl"
    exported(path, number)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    measured("entries of a file verified", number, lambda: verify_file(path))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{path.stat().st_size / 2**20:,.0f} MiB; {(after - before) / 1024:.1f} MiB more memory")
    measured("lines read and hashed alone", number, lambda: hash_lines(path))


def hash_lines(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            hashlib.sha256(line).digest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--votes", type=int, default=500)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--votes-url", help="default: SQLite in a folder of its own")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        votes(given.votes_url or f"sqlite:///{Path(folder) / 'votes.sqlite3'}", given.votes)
        files(Path(folder), given.entries)


if __name__ == "__main__":
    main()
