"""What a policy of routing is asked, and what it is told.

Policies know nothing of gRPC, of clocks or of models: candidates with their load in, one of them
out. The simulator of `benchmarks/routing.py` runs the same classes as the gateway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Candidate(Protocol):
    """A worker that takes one more request."""

    @property
    def address(self) -> str: ...

    @property
    def pending_requests(self) -> int:
        """Requests at it: its last report, corrected by what this gateway did since then."""
        ...

    @property
    def queued_tokens(self) -> int:
        """Tokens that it has not computed yet, by its last report."""
        ...


CandidateT = TypeVar("CandidateT", bound=Candidate)


@dataclass(frozen=True, slots=True)
class Affinity:
    """What a request has in common with others."""

    keys: tuple[int, ...] = ()
    """Names of ever longer prefixes of its prompt, the shortest first: 64 bits each."""
    session: int | None = None
    """64 bits, the same for requests that belong together. None: it stands alone."""


NOTHING_SHARED = Affinity()


class Policy(Protocol):
    def choose(self, candidates: Sequence[CandidateT], affinity: Affinity) -> CandidateT:
        """One of the candidates, of which there is at least one."""
        ...

    def dispatched(self, address: str, affinity: Affinity) -> None:
        """A request was sent there, by this choice or another."""
        ...


def by_load(candidate: Candidate) -> tuple[int, int]:
    """Sorts by what is still to be done."""
    return candidate.pending_requests, candidate.queued_tokens
