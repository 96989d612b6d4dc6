"""Chooses the next token of each request from its logits."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rostra.mesh.engine.filters import drop_unlikely
from rostra.mesh.engine.grammar import TokenMasks, apply_masks
from rostra.mesh.engine.logprobs import PendingLogprobs, logprobs_of
from rostra.mesh.engine.matcher import Matcher
from rostra.mesh.engine.messages import SamplingParams, TokenLogprobs
from rostra.mesh.engine.native_sampling import native_sampling
from rostra.mesh.engine.penalties import adjust_logits
from rostra.mesh.engine.plan import SampledToken
from rostra.mesh.engine.search import first_largest, invert
from rostra.mesh.engine.transfer import Download, upload

__all__ = ["NO_TOKEN", "PendingSample", "Sampler", "SamplingRow", "logprobs_of", "uniform"]

NO_TOKEN = -1
_LOWEST_TEMPERATURE = 1e-30
"""What single precision can still divide by."""
_GREEDY = (0.0, 0.0, 0, 1.0, 0.0)
_NOT_FINITE = "the model computed logits that are not finite numbers"
_ALL_EXCLUDED = "no token is left to choose: min_tokens excludes every token of the vocabulary"
_ALL_BUT_GRAMMAR = "no token is left to choose of those that the grammar allows"


@dataclass(slots=True)
class SamplingRow:
    """Whose next token a row of logits decides."""

    request_id: str
    params: SamplingParams
    token_ids: list[int] | npt.NDArray[np.int32] | npt.NDArray[np.int64]
    """All tokens before the one to choose that the host knows, prompt first; drafts count. An array
    spares penalties a conversion."""
    num_prompt_tokens: int
    in_flight: Tensor | None = None
    """The token behind `token_ids` where a step in flight chooses it: an int64 scalar on the device
    of the logits. It counts towards the position and is penalised like any other."""
    matcher: Matcher | None = None
    """Of the grammar that says which tokens may be chosen. Then nothing is in flight."""

    @property
    def num_output_tokens(self) -> int:
        return len(self.token_ids) - self.num_prompt_tokens + (self.in_flight is not None)


class PendingSample:
    """Tokens whose choice was started."""

    def __init__(
        self,
        token_ids: Tensor,
        best: Tensor,
        rows: Sequence[SamplingRow],
        logprobs: PendingLogprobs | None,
    ) -> None:
        self.token_ids = token_ids
        """int64 [n] on the device of the logits, usable on the stream at once; NO_TOKEN where none
        could be chosen."""
        # One copy for both, since each has its cost.
        self._download = Download(torch.stack((token_ids.double(), best.double())))
        self._rows = rows
        self._logprobs = logprobs

    def result(self) -> list[SampledToken]:
        """Waits. One for each row, in order."""
        (chosen,) = self._download.result()
        ids, best = chosen.tolist()
        logprobs = self._sampled_logprobs()
        return [
            SampledToken(row.request_id, int(token_id), logprobs.get(i))
            if token_id != NO_TOKEN
            else SampledToken(row.request_id, NO_TOKEN, error=_reason(row, best[i]))
            for i, (row, token_id) in enumerate(zip(self._rows, ids, strict=True))
        ]

    def _sampled_logprobs(self) -> dict[int, TokenLogprobs]:
        """By row, for those that asked."""
        if self._logprobs is None:
            return {}
        counts = {i: self._rows[i].params.logprobs for i in _rows_with_logprobs(self._rows)}
        return {
            i: TokenLogprobs(entry.logprob, entry.candidates[:count])
            for (i, count), entry in zip(counts.items(), self._logprobs.result(), strict=True)
        }


class Sampler:
    """Bias and penalties, grammar, temperature, top-k, top-p, min-p, in this order; then one draw.

    A row's token depends on its own logits, settings, grammar and position only, never on the other
    rows. Log-probabilities are those of the model, whatever a grammar excludes.
    """

    def __init__(self) -> None:
        self._masks = TokenMasks()

    def sample(self, logits: Tensor, rows: Sequence[SamplingRow]) -> list[SampledToken]:
        """`launch`, waited for."""
        return self.launch(logits, rows).result()

    def launch(self, logits: Tensor, rows: Sequence[SamplingRow]) -> PendingSample:
        """Starts choosing one token for each row; waits for nothing that the device computes.

        `logits` is float32 of shape [len(rows), vocab]; it is left as it is. A row whose logits are
        not finite gets an `error` instead of a token and leaves the others alone.
        """
        adjusted = adjust_logits(logits, rows)
        masked, words = self._masks.of(rows, logits.shape[1])
        native = native_sampling() if logits.device.type == "cpu" else None
        if native is not None:
            token_ids, best = native.choose(adjusted, _settings(rows), masked, words)
        else:
            token_ids, best = choose(apply_masks(adjusted, masked, words), rows)
        return PendingSample(token_ids, best, rows, _launch_logprobs(logits, rows, token_ids))

    def launch_logprobs(
        self, logits: Tensor, token_ids: Tensor, num_candidates: int
    ) -> PendingLogprobs:
        """Of tokens that are given, such as those of a prompt: see `PendingLogprobs.launch`."""
        return PendingLogprobs.launch(logits, token_ids, num_candidates)


def uniform(seed: int, position: int) -> float:
    """A number in [0, 1) that depends on the unsigned 64-bit seed and position only.

    It has 52 bits, so that its product with a sum is always below the sum.
    """
    digest = hashlib.blake2b(struct.pack("<QQ", seed, position), digest_size=8).digest()
    return (int.from_bytes(digest, "little") >> 12) * 2.0**-52


def choose(logits: Tensor, rows: Sequence[SamplingRow]) -> tuple[Tensor, Tensor]:
    """The token and the largest logit of each row, int64 [n] and float32 [n], in PyTorch alone."""
    best = logits.amax(dim=-1)
    greedy = [i for i, row in enumerate(rows) if row.params.temperature == 0]
    random = [i for i, row in enumerate(rows) if row.params.temperature != 0]
    if not random:
        token_ids = first_largest(logits)
    elif not greedy:
        token_ids = _draw(logits.clone(), rows)
    else:
        token_ids = torch.empty(len(rows), dtype=torch.int64, device=logits.device)
        index = upload(np.asarray(greedy, np.int64), logits.device)
        token_ids[index] = first_largest(logits[index])
        index = upload(np.asarray(random, np.int64), logits.device)
        token_ids[index] = _draw(logits[index], [rows[i] for i in random])
    return torch.where(best.isfinite(), token_ids, NO_TOKEN), best


def _settings(rows: Sequence[SamplingRow]) -> npt.NDArray[np.float64]:
    """[n, 5]: temperature, draw, top_k, top_p, min_p."""
    return np.array(
        [
            (_temperature(p), uniform(p.seed, row.num_output_tokens), p.top_k, p.top_p, p.min_p)
            if (p := row.params).temperature
            else _GREEDY
            for row in rows
        ]
    )


def _draw(logits: Tensor, rows: Sequence[SamplingRow]) -> Tensor:
    """Token ids, int64 [n]. Overwrites `logits`, of shape [n, vocab]."""
    temperatures, draws = upload(_settings(rows)[:, :2].T.copy(), logits.device)
    # The largest becomes 0, so that no temperature makes it overflow.
    logits -= logits.amax(dim=-1, keepdim=True)
    logits /= temperatures.float().unsqueeze(1)
    weights = logits.exp_()
    drop_unlikely(weights, [row.params for row in rows])
    return invert(weights, draws)


def _temperature(params: SamplingParams) -> float:
    return max(params.temperature, _LOWEST_TEMPERATURE)


def _launch_logprobs(
    logits: Tensor, rows: Sequence[SamplingRow], token_ids: Tensor
) -> PendingLogprobs | None:
    wanted = _rows_with_logprobs(rows)
    if not wanted:
        return None
    if len(wanted) < len(rows):
        index = upload(np.asarray(wanted, np.int64), logits.device)
        logits, token_ids = logits[index], token_ids[index]
    most = max(rows[i].params.logprobs or 0 for i in wanted)
    return PendingLogprobs.launch(logits, token_ids, most)


def _rows_with_logprobs(rows: Sequence[SamplingRow]) -> list[int]:
    return [i for i, row in enumerate(rows) if row.params.logprobs is not None]


def _reason(row: SamplingRow, best_logit: float) -> str:
    if best_logit != -math.inf:
        return _NOT_FINITE
    if row.matcher is None:
        return _ALL_EXCLUDED
    return row.matcher.error or _ALL_BUT_GRAMMAR
