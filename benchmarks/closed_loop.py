"""The closed loop: people vote, an adapter is trained on the votes, and people say if it is better.

    python -m benchmarks.closed_loop

Voters who prefer short answers (`benchmarks.closed_loop_voters`) vote on pairs of answers of the
demo model, through the real gateway and worker and into a real vote store. `rostra train dpo`
trains a LoRA adapter on those votes and loads it into the running worker beside its base. In fresh
battles, on questions about other things, the same voters judge adapter against base, blind, and
`rostra rate` says with what probability the adapter is the stronger. Exit code 1 where that is not
above 0.95.

Processor seconds are those of all processes of a phase; on an idle machine of two cores the wall
takes little more than half of them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.closed_loop_voters import Fought, fight, questions
from benchmarks.local import READY, Local, rostra_up
from benchmarks.results import Row, add_output_options, report
from rostra.arena.contestant import Contestant, Sampling
from rostra.arena.ratings import storage
from rostra.arena.ratings.summary.pairs import pairs
from rostra.arena.votes.store import VoteStore

MODEL = "smollm2-135m-instruct"
BASE = "smollm2-base"
ADAPTER = "smollm2-brief"
BEFORE, AFTER = "before", "after"
ENOUGH = 0.95
SYSTEM_PROMPT = "Answer in one or two sentences."
"""Of every contestant: most answers then end before their limit, and lengths differ."""
CONFIG = """
[[worker]]
model = "{model}"
max_adapters = 1
max_adapter_rank = {rank}

[arena]
votes_url = "{votes}"

[train.dpo]
model = "{model}"
campaigns = ["{campaign}"]
lora_rank = {rank}
lora_targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
epochs = {epochs}
schedule = "constant"
warmup = 0.0
batch_size = {batch}
learning_rate = {rate}
max_length = 256
eval_share = {held_out}
"""


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    with tempfile.TemporaryDirectory() as temporary:
        work = (args.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        row = loop(args, work)
    report(args, "closed_loop", [row])
    return 0 if row["probability"] > ENOUGH else 1


def loop(args: argparse.Namespace, work: Path) -> Row:
    """The whole of it; its figures."""
    votes = f"sqlite:///{work / 'votes.sqlite3'}"
    config = work / "rostra.toml"
    config.write_text(
        CONFIG.format(
            model=MODEL,
            votes=votes,
            campaign=BEFORE,
            rank=args.rank,
            epochs=args.epochs,
            batch=args.batch_size,
            rate=args.learning_rate,
            held_out=args.eval_share,
        )
    )
    home = ["--home", str(args.home)] if args.home else []
    phases: dict[str, Phase] = {name: Phase() for name in ("start", "vote", "train", "judge")}
    store = VoteStore(votes)
    try:
        with (
            rostra_up_measured(phases["start"], *home, "--no-arena", "-c", str(config)) as up,
        ):
            sampling = Sampling(temperature=args.temperature, max_tokens=args.max_tokens)
            twins = [
                _contestant(name, sampling, seed)
                for name, seed in (("smollm2-one", 1), ("smollm2-other", 2))
            ]
            with phases["vote"].measured(up):
                before = asyncio.run(
                    fight(store, up.api, twins, _asked(args, fresh=False), BEFORE, seed=1)
                )
            _tell("vote", phases["vote"], before)
            with phases["train"].measured(up):
                serve = ("--serve", up.worker, "--serve-as", ADAPTER)
                _rostra(
                    "train", "dpo", *home, "-c", str(config), "--out", str(work / ADAPTER), *serve
                )
            rivals = [
                _contestant(BASE, sampling, None),
                _contestant(ADAPTER, sampling, None, adapter=ADAPTER),
            ]
            _wait_for(up, ADAPTER)
            with phases["judge"].measured(up):
                after = asyncio.run(
                    fight(store, up.api, rivals, _asked(args, fresh=True), AFTER, seed=2)
                )
                ratings = work / "ratings"
                given = ("--votes-url", votes, "--campaign", AFTER, "--out", str(ratings))
                _rostra("rate", *given, "--engine", "laplace")
            _tell("judge", phases["judge"], after)
    finally:
        store.close()
    return _row(args, phases, before, after, ratings)


class Phase:
    """Wall and processor seconds of a part of the loop."""

    def __init__(self) -> None:
        self.wall = 0.0
        self.processor = 0.0

    @contextmanager
    def measured(self, up: Local) -> Iterator[None]:
        began, used = time.monotonic(), _used(up)
        yield
        self.wall, self.processor = time.monotonic() - began, _used(up) - used


def _used(up: Local | None) -> float:
    """Processor seconds of this process, of those it waited for, and of the server's."""
    own = os.times()
    total = own.user + own.system + own.children_user + own.children_system
    if up is not None:
        server = psutil.Process(up.process.pid)
        for process in (server, *server.children(recursive=True)):
            times = process.cpu_times()
            total += times.user + times.system
    return total


@contextmanager
def rostra_up_measured(phase: Phase, *arguments: str) -> Iterator[Local]:
    began, used = time.monotonic(), _used(None)
    with rostra_up(*arguments) as up:
        up.wait_for(READY, timeout=1800)
        phase.wall, phase.processor = time.monotonic() - began, _used(up) - used
        yield up


def _contestant(
    name: str, sampling: Sampling, seed: int | None, adapter: str | None = None
) -> Contestant:
    own = sampling if seed is None else sampling.model_copy(update={"seed": seed})
    return Contestant(
        name=name, model=MODEL, adapter=adapter, sampling=own, system_prompt=SYSTEM_PROMPT
    )


def _asked(args: argparse.Namespace, *, fresh: bool) -> list[str]:
    return questions(args.fresh if fresh else args.battles, fresh=fresh)


def _rostra(*arguments: str) -> None:
    """A command, its output shown. Raises CalledProcessError where it fails."""
    print(f"$ rostra {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "rostra.mesh.cli.main", *arguments], check=True)


def _wait_for(up: Local, model: str, timeout: float = 60.0) -> None:
    """Until the gateway has read of the new adapter."""
    from rostra.arena.gateway_client import GatewayClient

    async def served() -> bool:
        async with GatewayClient(up.api, None, timeout) as client:
            return model in await client.models()

    end = time.monotonic() + timeout
    while not asyncio.run(served()):
        if time.monotonic() > end:
            raise RuntimeError(f"the gateway serves no {model} after {timeout:.0f} s")
        time.sleep(0.2)


def _tell(name: str, phase: Phase, fought: Sequence[Fought]) -> None:
    words = {who: round(_mean_words(fought, who), 1) for who in sorted(fought[0].words)}
    print(
        f"{name}: {len(fought)} battles, mean words {words}, {phase.wall:.0f} s, "
        f"{phase.processor:.0f} processor seconds",
        flush=True,
    )


def _mean_words(fought: Sequence[Fought], who: str) -> float:
    return sum(each.words[who] for each in fought) / len(fought)


def _row(
    args: argparse.Namespace,
    phases: dict[str, Phase],
    before: Sequence[Fought],
    after: Sequence[Fought],
    ratings: Path,
) -> Row:
    newest = storage.latest(ratings)
    assert newest is not None
    posterior = storage.load(newest)
    names = list(posterior.contestants)
    probability = float(pairs(posterior).superiority[names.index(ADAPTER), names.index(BASE)])
    won = sum(
        (each.outcome == "a" and each.left == ADAPTER)
        or (each.outcome == "b" and each.right == ADAPTER)
        for each in after
    )
    ties = sum(each.outcome == "tie" for each in after)
    return {
        "probability": round(probability, 4),
        "won": won,
        "ties": ties,
        "lost": len(after) - won - ties,
        "words_base": round(_mean_words(after, BASE), 1),
        "words_adapter": round(_mean_words(after, ADAPTER), 1),
        "battles": len(before),
        "fresh_battles": len(after),
        "processor_s": round(sum(phase.processor for phase in phases.values())),
        "wall_s": round(sum(phase.wall for phase in phases.values())),
        **{f"{name}_processor_s": round(phase.processor) for name, phase in phases.items()},
    }


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--battles", type=int, default=60, help="that the adapter is trained on")
    parser.add_argument("--fresh", type=int, default=40, help="in which it is judged")
    parser.add_argument("--max-tokens", type=int, default=64, help="of an answer")
    parser.add_argument("--temperature", type=float, default=0.9)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--eval-share", type=float, default=0.1)
    parser.add_argument("--home", type=Path, help="with the demo model; default: the user's")
    parser.add_argument("--work", type=Path, help="keep votes, adapter and ratings here")
    add_output_options(parser)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
