"""`rostra.v1.SamplingParams`, checked, and as the engine takes them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.worker.checks import Checks
from rostra.v1 import sampling_pb2

MAX_OUTPUTS = 128
MAX_LOGPROBS = 20
MAX_STOP_STRINGS = 16
MAX_STOP_CHARACTERS = 8192
"""Of all of them together: each output looks for them by a table of some 300 bytes a character."""
MAX_BIAS = 100.0


@dataclass(frozen=True)
class Range:
    low: float
    high: float
    open_low: bool = False
    """The range excludes `low`."""

    def __contains__(self, value: float) -> bool:
        # Written so that NaN is in no range.
        above = value > self.low if self.open_low else value >= self.low
        return above and value <= self.high

    def __str__(self) -> str:
        return f"{'(' if self.open_low else '['}{self.low:g}, {self.high:g}]"


FLOAT_RANGES = {
    "temperature": Range(0, 2),
    "top_p": Range(0, 1, open_low=True),
    "min_p": Range(0, 1),
    "presence_penalty": Range(-2, 2),
    "frequency_penalty": Range(-2, 2),
    "repetition_penalty": Range(0, 2, open_low=True),
}


@dataclass(frozen=True)
class Sampling:
    """The settings of all outputs of one RPC."""

    n: int
    seed: int
    stop: tuple[str, ...]
    max_tokens: int | None
    """As asked for; None: what is left of the context."""
    params: SamplingParams
    """What all outputs share: `seed` and `max_tokens` are set by `for_output`."""

    def for_output(self, index: int, max_tokens: int) -> SamplingParams:
        """Only the first output reports the prompt's log-probabilities: they are all the same."""
        return msgspec.structs.replace(
            self.params,
            seed=derive_seed(self.seed, index),
            max_tokens=max_tokens,
            prompt_logprobs=self.params.prompt_logprobs if index == 0 else None,
        )


def derive_seed(seed: int, index: int) -> int:
    """The first output has the seed itself, so that it is the same for every n."""
    if index == 0:
        return seed
    data = seed.to_bytes(8, "little") + index.to_bytes(8, "little")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def read_sampling(
    proto: sampling_pb2.SamplingParams,
    checks: Checks,
    *,
    vocab_size: int,
    eos_token_ids: Collection[int],
) -> Sampling:
    """Reports every value out of its range to `checks`."""
    floats = {}
    for name, allowed in FLOAT_RANGES.items():
        if proto.HasField(name):  # type: ignore[arg-type] # the stubs want literals
            floats[name] = getattr(proto, name)
            if floats[name] not in allowed:
                checks.invalid(f"sampling.{name}", f"must be in {allowed}, got {floats[name]:g}")
    for token_id, bias in proto.logit_bias.items():
        field = f"sampling.logit_bias[{token_id}]"
        _check_token(checks, field, token_id, vocab_size)
        if bias not in Range(-MAX_BIAS, MAX_BIAS):
            checks.invalid(field, f"must be in [-100, 100], got {bias:g}")
    for position, token_id in enumerate(proto.stop_token_ids):
        _check_token(checks, f"sampling.stop_token_ids[{position}]", token_id, vocab_size)
    _check_stop(checks, proto.stop)
    n = proto.n if proto.HasField("n") else 1
    if not 1 <= n <= MAX_OUTPUTS:
        checks.invalid("sampling.n", f"must be in [1, {MAX_OUTPUTS}], got {n}")
    max_tokens = proto.max_tokens if proto.HasField("max_tokens") else None
    if max_tokens == 0:
        checks.invalid("sampling.max_tokens", "must be at least 1")
    if max_tokens and proto.min_tokens > max_tokens:
        checks.invalid(
            "sampling.min_tokens", f"is {proto.min_tokens}, above max_tokens {max_tokens}"
        )
    return Sampling(
        n=n,
        seed=proto.seed if proto.HasField("seed") else secrets.randbits(64),
        stop=tuple(proto.stop),
        max_tokens=max_tokens,
        params=SamplingParams(
            **floats,
            top_k=proto.top_k,
            logit_bias=dict(proto.logit_bias),
            stop_token_ids=frozenset(proto.stop_token_ids).union(
                () if proto.ignore_eos else eos_token_ids
            ),
            min_tokens=proto.min_tokens,
            logprobs=_read_count(proto, "logprobs", checks),
            prompt_logprobs=_read_count(proto, "prompt_logprobs", checks),
        ),
    )


def _check_token(checks: Checks, field: str, token_id: int, vocab_size: int) -> None:
    if token_id >= vocab_size:
        checks.invalid(field, f"token {token_id} is outside the vocabulary of {vocab_size}")


def _check_stop(checks: Checks, stop: Collection[str]) -> None:
    if len(stop) > MAX_STOP_STRINGS:
        checks.invalid("sampling.stop", f"at most {MAX_STOP_STRINGS} strings, got {len(stop)}")
    characters = sum(map(len, stop))
    if characters > MAX_STOP_CHARACTERS:
        checks.invalid(
            "sampling.stop",
            f"at most {MAX_STOP_CHARACTERS} characters together, got {characters}",
        )
    for position, text in enumerate(stop):
        if not text:
            checks.invalid(f"sampling.stop[{position}]", "must not be empty")


def _read_count(proto: sampling_pb2.SamplingParams, name: str, checks: Checks) -> int | None:
    if not proto.HasField(name):  # type: ignore[arg-type] # the stubs want literals
        return None
    count: int = getattr(proto, name)
    if count > MAX_LOGPROBS:
        checks.invalid(f"sampling.{name}", f"must be in [0, {MAX_LOGPROBS}], got {count}")
    return count
