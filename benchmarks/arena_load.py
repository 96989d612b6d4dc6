"""Voters at one arena, all at once, over real websockets.

    python -m benchmarks.arena_load [--voters 200] [--rounds 3] [--waves 2]

One process of the arena, one of a gateway that streams at 300 characters a second, and this one,
which is all the voters. Each voter opens the page, asks, reads both answers as they grow, thinks,
votes, gives reasons and takes a new pair. A few come and go before anything is measured.

page       seconds for the HTML; document: from then until the page's document is there
ask        seconds until the page answers; vote: until the names are told; next: until it is empty
rounds     votes stored, each once, against votes cast
memory     of the arena alone, before, and after each wave once its sessions are forgotten
CPU        seconds of the arena's process: for a page that is opened and left, and for a round

Where it spends them is seen with `py-spy record --gil --pid PID`, by the process id printed first.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from sqlalchemy import func, select

from benchmarks import arena_process
from benchmarks.arena_gateway import ANSWER
from benchmarks.arena_process import Served
from benchmarks.arena_voter import VoterPage
from rostra.arena.rendering import render
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.database import open_existing, snapshot
from rostra.arena.votes.models import Vote, VoteReasons
from rostra.arena.votes.records import OUTCOMES, REASON_TAGS

NUM_WARMING = 10
FORGOTTEN = 12.0
"""Seconds after which the sessions of pages that were left are gone and collected."""


@dataclass
class Seen:
    """What the voters of a wave saw."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    outcomes: Counter[str] = field(default_factory=Counter)
    num_open: int = 0
    most_open: int = 0
    num_bytes: int = 0
    num_messages: int = 0

    def entered(self) -> None:
        self.num_open += 1
        self.most_open = max(self.most_open, self.num_open)

    def left(self, page: VoterPage) -> None:
        self.num_open -= 1
        self.num_bytes += page.num_bytes
        self.num_messages += page.num_messages


@dataclass(frozen=True)
class Wave:
    voters: int
    rounds: int
    arrive: float
    """Seconds within which all have come."""
    think: float
    """Seconds, on average, before a vote and after it."""


async def vote_rounds(
    page: VoterPage, rounds: int, think: float, chance: random.Random, seen: Seen, answer: str
) -> None:
    """`answer` is the HTML that both sides must have at the end of each."""
    for number in range(rounds):
        seen.seconds["ask"].append(await page.ask(f"Question {chance.random()}: why does it boil?"))
        await page.read()
        for side in ("a", "b"):
            if (seen_html := page.answers[0, side].html) != answer:
                raise AssertionError(
                    f"answer {side} is not what was written: {len(seen_html)} characters for "
                    f"{len(answer)}, the last {seen_html[-40:]!r}"
                )
        await asyncio.sleep(chance.uniform(0.5, 1.5) * think)
        outcome = chance.choice(OUTCOMES)
        seen.seconds["vote"].append(await page.vote(outcome))
        seen.outcomes[outcome] += 1
        tag = chance.choice(REASON_TAGS)
        seen.seconds["reasons"].append(await page.give_reasons([tag], "It says why."))
        await asyncio.sleep(chance.uniform(0.5, 1.5) * think)
        if number < rounds - 1:
            seen.seconds["next"].append(await page.next_round())


async def run_wave(url: str, wave: Wave, seed: int) -> Seen:
    """All voters of a wave, from the first that comes to the last that leaves."""
    seen, answer = Seen(), render(ANSWER)

    async def voter(number: int) -> None:
        chance = random.Random(seed * 100_000 + number)
        await asyncio.sleep(wave.arrive * number / wave.voters)
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            page = VoterPage(http, url)
            async with page:
                seen.entered()
                await page.resume()
                await vote_rounds(page, wave.rounds, wave.think, chance, seen, answer)
            seen.left(page)
            for name, seconds in page.seconds.items():
                seen.seconds[name].append(seconds)

    async with asyncio.TaskGroup() as group:
        for number in range(wave.voters):
            group.create_task(voter(number))
    return seen


async def open_and_leave(url: str, pages: int) -> None:
    """So many pages, one after the other."""
    for _ in range(pages):
        async with aiohttp.ClientSession() as http, VoterPage(http, url):
            pass


def stored(settings: ArenaSettings) -> tuple[Counter[str], int]:
    """Votes by outcome, and sets of reasons, of the store."""
    engine = open_existing(settings.votes_url)
    with snapshot(engine) as connection:
        rows = connection.execute(select(Vote.outcome, func.count()).group_by(Vote.outcome)).all()
        reasons = connection.execute(select(func.count()).select_from(VoteReasons)).scalar_one()
    engine.dispose()
    return Counter(dict(map(tuple, rows))), reasons


def report(seen: Seen) -> None:
    for name in ("page", "document", "ask", "vote", "reasons", "next"):
        if values := sorted(seen.seconds[name]):
            p95 = values[min(len(values) - 1, int(0.95 * len(values)))]
            print(
                f"  {name:9} p50 {statistics.median(values):6.3f} s  p95 {p95:6.3f} s  "
                f"largest {values[-1]:6.3f} s  ({len(values)})"
            )
    print(
        f"  {seen.most_open} pages open at once; {seen.num_messages:,} messages, "
        f"{seen.num_bytes / 2**20:.1f} MiB to the pages"
    )


def measure(arena: Served, settings: ArenaSettings, wave: Wave, waves: int, pages: int) -> None:
    asyncio.run(run_wave(arena.url, Wave(NUM_WARMING, 1, arrive=1, think=0.1), seed=0))
    asyncio.run(open_and_leave(arena.url, 5))
    before = arena.cpu_seconds
    asyncio.run(open_and_leave(arena.url, pages))
    a_page = (arena.cpu_seconds - before) / pages
    print(f"CPU: {a_page * 1000:.1f} ms a page opened and left ({pages})")
    time.sleep(FORGOTTEN)
    print(f"memory before: {arena.mebibytes:.1f} MiB")
    cast, _ = stored(settings)
    for number in range(1, waves + 1):
        began, cpu = time.perf_counter(), arena.cpu_seconds
        seen = asyncio.run(run_wave(arena.url, wave, seed=number))
        wall, cpu = time.perf_counter() - began, arena.cpu_seconds - cpu
        rounds = wave.voters * wave.rounds
        cast += seen.outcomes
        print(f"wave {number}: {wave.voters} voters, {rounds} rounds in {wall:.1f} s")
        report(seen)
        a_round = (cpu - a_page * wave.voters) / rounds
        print(f"  CPU: {cpu:.1f} s, {cpu / wall:.0%} of a core; {a_round * 1000:.0f} ms a round")
        found, reasons = stored(settings)
        if found != cast or reasons != cast.total():
            raise SystemExit(f"cast {cast}, stored {found} with {reasons} reasons")
        print(f"  rounds: {cast.total():,} votes and their reasons are stored, each once")
        time.sleep(FORGOTTEN)
        print(f"  memory after: {arena.mebibytes:.1f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voters", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--waves", type=int, default=2)
    parser.add_argument("--arrive", type=float, default=20.0, help="seconds")
    parser.add_argument("--think", type=float, default=8.0, help="seconds before and after a vote")
    parser.add_argument("--pace", type=float, default=300.0, help="characters a second")
    parser.add_argument("--pages", type=int, default=30, help="opened and left, for their CPU")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, arena_process.gateway(given.pace) as gateway:
        settings = arena_process.settings(Path(folder), gateway.url)
        with arena_process.arena(settings) as arena:
            print(f"arena: process {arena.process.pid}", flush=True)
            wave = Wave(given.voters, given.rounds, given.arrive, given.think)
            measure(arena, settings, wave, given.waves, given.pages)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
