"""Which revisions of the contract this gateway speaks."""

from __future__ import annotations

from rostra.v1 import control_pb2

OLDEST: int = control_pb2.CONTRACT_REVISION_1
NEWEST: int = control_pb2.CONTRACT_REVISION_1


def revision_problem(revision: int) -> str:
    """Why a worker of this revision cannot be used; empty when it can. A worker that tells none has
    the first, which is what there was before they were told."""
    told = revision or control_pb2.CONTRACT_REVISION_1
    if OLDEST <= told <= NEWEST:
        return ""
    spoken = str(OLDEST) if OLDEST == NEWEST else f"{OLDEST} to {NEWEST}"
    behind = "worker" if told < OLDEST else "gateway"
    return (
        f"the worker speaks revision {told} of the contract and the gateway {spoken}: "
        f"update the {behind}"
    )
