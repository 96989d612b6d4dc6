"""What a request's own tokens and wishes add to its logits before anything is chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rostra.mesh.engine.transfer import upload

if TYPE_CHECKING:
    from rostra.mesh.engine.sampler import SamplingRow


def adjust_logits(logits: Tensor, rows: Sequence[SamplingRow]) -> Tensor:
    """Logits [n, vocab] with penalties, bias and the ban on early end tokens applied.

    In this order: repetition (Keskar et al. 2019; prompt and output), frequency and presence
    (OpenAI's formula; output only), `logit_bias`, and minus infinity for end tokens of a request
    that has fewer than `min_tokens`. Returns `logits` itself where nothing is to be done, and never
    changes it.
    """
    steps = [
        (_penalise_repetition, [i for i, r in enumerate(rows) if r.params.repetition_penalty != 1]),
        (_penalise_output, [i for i, r in enumerate(rows) if _penalises_output(r)]),
        (_add_bias, [i for i, r in enumerate(rows) if r.params.logit_bias]),
        (_ban_end, [i for i, r in enumerate(rows) if _must_go_on(r)]),
    ]
    if not any(affected for _, affected in steps):
        return logits
    adjusted = logits.clone()
    for apply, affected in steps:
        if affected:
            apply(adjusted, rows, affected)
    return adjusted


def _penalises_output(row: SamplingRow) -> bool:
    wanted = row.params.frequency_penalty != 0 or row.params.presence_penalty != 0
    return wanted and row.num_output_tokens > 0


def _must_go_on(row: SamplingRow) -> bool:
    return row.num_output_tokens < row.params.min_tokens and bool(row.params.stop_token_ids)


# The steps below write to single entries (row, token), so their cost grows with the tokens of the
# requests and not with the vocabulary. Where a token occurs more than once, every write but the
# frequency penalty's gives the same value, so the order of writes does not matter.


def _penalise_repetition(logits: Tensor, rows: Sequence[SamplingRow], affected: list[int]) -> None:
    tokens = [np.asarray(rows[i].token_ids) for i in affected]
    at = _with_those_in_flight(_entries(logits, affected, tokens), rows, affected)
    penalty = _per_row(logits, rows, affected, "repetition_penalty")[at[0]]
    value = logits[at]
    logits[at] = torch.where(value > 0, value / penalty, value * penalty)


def _penalise_output(logits: Tensor, rows: Sequence[SamplingRow], affected: list[int]) -> None:
    outputs = [np.asarray(rows[i].token_ids[rows[i].num_prompt_tokens :]) for i in affected]
    at = _with_those_in_flight(_entries(logits, affected, outputs), rows, affected)
    frequency = _per_row(logits, rows, affected, "frequency_penalty")[at[0]]
    logits.index_put_(at, -frequency, accumulate=True)
    logits[at] = logits[at] - _per_row(logits, rows, affected, "presence_penalty")[at[0]]


def _add_bias(logits: Tensor, rows: Sequence[SamplingRow], affected: list[int]) -> None:
    biases = [rows[i].params.logit_bias for i in affected]
    at = _entries(logits, affected, [np.fromiter(bias, np.int64) for bias in biases])
    values = [value for bias in biases for value in bias.values()]
    logits[at] += upload(np.array(values, np.float32), logits.device)


def _ban_end(logits: Tensor, rows: Sequence[SamplingRow], affected: list[int]) -> None:
    ends = [np.fromiter(rows[i].params.stop_token_ids, np.int64) for i in affected]
    logits.index_put_(_entries(logits, affected, ends), logits.new_full((), -math.inf))


def _entries(
    logits: Tensor, affected: list[int], token_ids: list[np.ndarray]
) -> tuple[Tensor, Tensor]:
    """Row and column, int64 each, of every token of every affected row."""
    columns = np.concatenate(token_ids).astype(np.int64, copy=False)
    lines = np.repeat(np.asarray(affected, np.int64), [len(ids) for ids in token_ids])
    index = upload(np.stack((lines, columns)), logits.device)
    return index[0], index[1]


def _with_those_in_flight(
    at: tuple[Tensor, Tensor], rows: Sequence[SamplingRow], affected: list[int]
) -> tuple[Tensor, Tensor]:
    """`at`, and the entries of the tokens that steps in flight choose."""
    tokens = {i: token for i in affected if (token := rows[i].in_flight) is not None}
    if not tokens:
        return at
    lines = upload(np.fromiter(tokens, np.int64), at[0].device)
    # A row without a token is nobody's, but its index must stay inside the row.
    columns = torch.stack(list(tokens.values())).clamp(min=0)
    return torch.cat((at[0], lines)), torch.cat((at[1], columns))


def _per_row(logits: Tensor, rows: Sequence[SamplingRow], affected: list[int], name: str) -> Tensor:
    """The setting `name` by row of `logits`; 0 for rows that are not affected."""
    values = [0.0] * len(rows)
    for i in affected:
        values[i] = getattr(rows[i].params, name)
    return upload(np.array(values, np.float32), logits.device)
