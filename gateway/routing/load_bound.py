"""How much more than its share a worker may have."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rostra.gateway.routing.policy import CandidateT


def with_room(candidates: Sequence[CandidateT], factor: float, free: int) -> list[CandidateT]:
    """Those that have at most `factor` times the mean with one request more.

    Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2018): of n workers
    with m requests each may have ceil(factor (m + 1) / n), so that with a factor of 1 or more
    somebody always has room. Up to `free` requests a worker has room in any case: where all are
    nearly idle, a second request at one of them is no imbalance that anybody would feel.
    """
    loads = [one.pending_requests for one in candidates]
    limit = max(math.ceil(factor * (sum(loads) + 1) / len(loads)), free)
    return [one for one, load in zip(candidates, loads, strict=True) if load < limit]
