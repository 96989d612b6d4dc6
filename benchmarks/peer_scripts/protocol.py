"""How a peer is measured from another process, by lines of JSON over its standard streams.

A script is started with its settings as one argument. It prints {"ready": versions}, then answers
each line {"prompts": [[token id, ...], ...], "output_tokens": n} with what it measured:
{"prefill_s": until every prompt has its first token, "seconds": in all, "tokens": generated in
all, "steps": decoding steps}, or with {"error": one line}. Only the standard library is needed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

# Libraries print what they like: the answers keep the real standard output for themselves.
_answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def settings() -> dict[str, Any]:
    return json.loads(sys.argv[1])


def serve(
    versions: dict[str, str], measure: Callable[[list[list[int]], int], dict[str, Any]]
) -> None:
    """Answers until the other end closes."""
    _say({"ready": versions})
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            _say(measure(asked["prompts"], asked["output_tokens"]))
        except Exception as error:
            _say({"error": f"{type(error).__name__}: {error}".splitlines()[0]})


class Marks:
    """The times at which tokens came, one for each step."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._steps: list[float] = []

    def step(self) -> None:
        self._steps.append(time.perf_counter() - self._start)

    def result(self, tokens: int) -> dict[str, Any]:
        """The first step is taken to be that of the prompts."""
        return {
            "prefill_s": self._steps[0],
            "seconds": time.perf_counter() - self._start,
            "tokens": tokens,
            "steps": len(self._steps) - 1,
        }


def _say(answer: dict[str, Any]) -> None:
    _answers.write(json.dumps(answer) + "\n")
    _answers.flush()
