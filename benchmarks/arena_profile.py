"""What a process spends its CPU time on, by samples of its main thread's stack."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

EVERY = 0.002
"""CPU seconds between two samples, of all threads together."""
MOST_LINES = 70


@contextmanager
def profiled(file: str) -> Iterator[None]:
    """Writes to `file` where the main thread was. Enter it there.

    A sample is taken between two bytecodes, so that time in C counts for whoever called it.
    """
    own: Counter[str] = Counter()
    under: Counter[str] = Counter()

    def sample(_signal: int, frame: FrameType | None) -> None:
        if frame is not None:
            own[_name(frame)] += 1
            under.update(_stack(frame))

    cpu = time.process_time()
    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        lines = [f"{time.process_time() - cpu:.1f} CPU seconds, {own.total()} samples"]
        lines += ["", "share in a function itself", *_shares(own, own.total())]
        lines += ["", "in it or in what it called", *_shares(under, own.total())]
        Path(file).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _shares(counted: Counter[str], samples: int) -> list[str]:
    return [f"{number / samples:7.1%}  {name}" for name, number in counted.most_common(MOST_LINES)]


def _stack(frame: FrameType | None) -> set[str]:
    names = set()
    while frame is not None:
        names.add(_name(frame))
        frame = frame.f_back
    return names


def _name(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    return f"{path.parent.name}/{path.name}:{frame.f_code.co_qualname}"
