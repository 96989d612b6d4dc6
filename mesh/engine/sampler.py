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
from rostra.mesh.engine.messages import SamplingParams, TokenLogprobs
from rostra.mesh.engine.penalties import adjust_logits
from rostra.mesh.engine.plan import SampledToken
from rostra.mesh.engine.search import first_largest, invert

NO_TOKEN = -1
_LOWEST_TEMPERATURE = 1e-30
"""What single precision can still divide by."""
_NOT_FINITE = "the model computed logits that are not finite numbers"
_ALL_EXCLUDED = "no token is left to choose: min_tokens excludes every token of the vocabulary"


@dataclass(slots=True)
class SamplingRow:
    """Whose next token a row of logits decides."""

    request_id: str
    params: SamplingParams
    token_ids: list[int] | npt.NDArray[np.int32] | npt.NDArray[np.int64]
    """All tokens known so far, prompt first. An array spares penalties a conversion."""
    num_prompt_tokens: int

    @property
    def num_output_tokens(self) -> int:
        return len(self.token_ids) - self.num_prompt_tokens


class Sampler:
    """Bias and penalties, temperature, top-k, top-p, min-p, in this order; then one draw.

    A row's token depends on its own logits, settings and position only, never on the other rows.
    """

    def sample(self, logits: Tensor, rows: Sequence[SamplingRow]) -> list[SampledToken]:
        """One token for each row, in order.

        `logits` is float32 of shape [len(rows), vocab]; it is left as it is. A row whose logits are
        not finite gets an `error` instead of a token and leaves the others alone.
        """
        adjusted = adjust_logits(logits, rows)
        best = adjusted.amax(dim=-1)
        token_ids = torch.empty(len(rows), dtype=torch.int64, device=logits.device)
        greedy = [i for i, row in enumerate(rows) if row.params.temperature == 0]
        random = [i for i, row in enumerate(rows) if row.params.temperature != 0]
        if greedy:
            token_ids[greedy] = first_largest(adjusted[greedy] if random else adjusted)
        if random:
            token_ids[random] = _draw(adjusted[random], [rows[i] for i in random])
        # One copy for both, since each is a wait for the device.
        chosen = torch.stack((token_ids.double(), best.double()), dim=1).tolist()
        ids = [int(token_id) if math.isfinite(value) else NO_TOKEN for (token_id, value) in chosen]
        logprobs = _sampled_logprobs(logits, rows, ids)
        return [
            SampledToken(row.request_id, ids[i], logprobs.get(i))
            if ids[i] != NO_TOKEN
            else SampledToken(row.request_id, NO_TOKEN, error=_reason(chosen[i][1]))
            for i, row in enumerate(rows)
        ]


def logprobs_of(
    logits: Tensor, token_ids: Sequence[int], num_candidates: int
) -> list[TokenLogprobs]:
    """Natural log-probabilities of given tokens and of the most likely ones.

    `logits` is float32 of shape [k, vocab], `token_ids` has k entries; row i says how likely
    `token_ids[i]` was. Equal candidates stand in order of their ids.
    """
    if not token_ids:
        return []
    normaliser = logits.logsumexp(dim=-1, keepdim=True)
    index = torch.tensor(token_ids, device=logits.device).unsqueeze(1)
    own = (logits.gather(1, index) - normaliser).squeeze(1).tolist()
    top = logits.topk(min(num_candidates, logits.shape[1]), dim=-1)
    values, ids = (top.values - normaliser).tolist(), top.indices.tolist()
    return [
        TokenLogprobs(own[i], sorted(zip(ids[i], values[i], strict=True), key=_most_likely_first))
        for i in range(len(own))
    ]


def uniform(seed: int, position: int) -> float:
    """A number in [0, 1) that depends on the unsigned 64-bit seed and position only.

    It has 52 bits, so that its product with a sum is always below the sum.
    """
    digest = hashlib.blake2b(struct.pack("<QQ", seed, position), digest_size=8).digest()
    return (int.from_bytes(digest, "little") >> 12) * 2.0**-52


def _draw(logits: Tensor, rows: Sequence[SamplingRow]) -> Tensor:
    """Token ids, int64 [n]. Overwrites `logits`, of shape [n, vocab]."""
    device = logits.device
    temperatures = [max(row.params.temperature, _LOWEST_TEMPERATURE) for row in rows]
    # The largest becomes 0, so that no temperature makes it overflow.
    logits -= logits.amax(dim=-1, keepdim=True)
    logits /= torch.tensor(temperatures, device=device).unsqueeze(1)
    weights = logits.exp_()
    drop_unlikely(weights, [row.params for row in rows])
    draws = [uniform(row.params.seed, row.num_output_tokens) for row in rows]
    return invert(weights, torch.tensor(draws, dtype=torch.float64, device=device))


def _sampled_logprobs(
    logits: Tensor, rows: Sequence[SamplingRow], ids: Sequence[int]
) -> dict[int, TokenLogprobs]:
    """By row, for those that asked and got a token."""
    wanted = {
        i: row.params.logprobs
        for i, row in enumerate(rows)
        if row.params.logprobs is not None and ids[i] != NO_TOKEN
    }
    if not wanted:
        return {}
    found = logprobs_of(logits[list(wanted)], [ids[i] for i in wanted], max(wanted.values()))
    return {
        i: TokenLogprobs(entry.logprob, entry.candidates[:count])
        for (i, count), entry in zip(wanted.items(), found, strict=True)
    }


def _most_likely_first(candidate: tuple[int, float]) -> tuple[float, int]:
    token_id, logprob = candidate
    return -logprob, token_id


def _reason(best_logit: float) -> str:
    return _ALL_EXCLUDED if best_logit == -math.inf else _NOT_FINITE
