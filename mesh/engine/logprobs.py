"""Log-probabilities under the model, before temperature and filters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from rostra.mesh.engine.messages import TokenLogprobs
from rostra.mesh.engine.native_sampling import native_sampling
from rostra.mesh.engine.transfer import Download, upload


class PendingLogprobs:
    """Log-probabilities whose computation was started."""

    def __init__(self, download: Download) -> None:
        self._download = download

    @classmethod
    def launch(cls, logits: Tensor, token_ids: Tensor, num_candidates: int) -> PendingLogprobs:
        """Natural log-probabilities of given tokens and of the most likely ones.

        `logits` is float32 of shape [k, vocab], `token_ids` int64 of shape [k] on the same device;
        row i says how likely `token_ids[i]` was. An id of -1 is no token: its row means nothing.
        """
        count = min(num_candidates, logits.shape[1])
        native = native_sampling() if logits.device.type == "cpu" else None
        if native is not None:
            values, ids, normaliser = native.likeliest(logits, count)
        else:
            values, ids = logits.topk(count, dim=-1)
            normaliser = logits.logsumexp(dim=-1)
        normaliser = normaliser.unsqueeze(1)
        own = logits.gather(1, token_ids.clamp(min=0).unsqueeze(1)) - normaliser
        return cls(Download(own, values - normaliser, ids))

    def result(self) -> list[TokenLogprobs]:
        """Waits. Equal candidates stand in order of their ids."""
        own, values, ids = (tensor.tolist() for tensor in self._download.result())
        return [
            TokenLogprobs(
                own[i][0], sorted(zip(ids[i], values[i], strict=True), key=_most_likely_first)
            )
            for i in range(len(own))
        ]


def logprobs_of(
    logits: Tensor, token_ids: Sequence[int], num_candidates: int
) -> list[TokenLogprobs]:
    """`PendingLogprobs.launch` with ids from the host, waited for."""
    if not token_ids:
        return []
    ids = upload(np.asarray(token_ids, np.int64), logits.device)
    return PendingLogprobs.launch(logits, ids, num_candidates).result()


def _most_likely_first(candidate: tuple[int, float]) -> tuple[float, int]:
    token_id, logprob = candidate
    return -logprob, token_id
