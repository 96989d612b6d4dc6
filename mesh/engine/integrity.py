"""Checks that the books of the engine do not contradict each other."""

from __future__ import annotations

from rostra.mesh.engine.blocks import BlockManager, IntegrityError
from rostra.mesh.engine.queues import RequestQueues, by_rank
from rostra.mesh.engine.request import Request, Status
from rostra.mesh.engine.step import Step


def check_integrity(
    queues: RequestQueues, blocks: BlockManager, in_flight: Step | None = None
) -> None:
    """Raises IntegrityError unless queues, requests, blocks and the step in flight agree.

    `in_flight` was scheduled and not applied yet; there is at most one between two turns of the
    engine. Takes time in proportion to the cache and the requests.
    """
    _check_queues(queues)
    blocks.check_integrity(request.table for request in queues.running)
    parts = in_flight.parts if in_flight is not None else []
    sampling = {request for request, samples in parts if samples}
    for request in queues.running:
        if request.num_pending_tokens != (request in sampling):
            raise IntegrityError(f"request {request.id} waits for the wrong number of tokens")
        _check_running(request, blocks)
    for request in queues.waiting:
        if request.table.blocks or request.num_computed_tokens or request.num_pending_tokens:
            raise IntegrityError(f"request {request.id} waits, and holds blocks or is in flight")


def _check_queues(queues: RequestQueues) -> None:
    queued = queues.waiting + queues.running
    if {r.id: r for r in queued} != queues.by_id or len(queued) != len(queues):
        raise IntegrityError("a request is in no queue, or in two")
    for queue, status in ((queues.waiting, Status.WAITING), (queues.running, Status.RUNNING)):
        if queue != sorted(queue, key=by_rank) or any(r.status != status for r in queue):
            raise IntegrityError(f"the {status.value} requests are out of order")
    if queues.num_waiting_tokens != sum(len(request.token_ids) for request in queues.waiting):
        raise IntegrityError("the tokens of waiting requests are counted wrongly")
    deadlines = {r.id: r.deadline for r in queued if r.deadline is not None}
    if deadlines.keys() != queues.with_deadline.keys():
        raise IntegrityError("the watched deadlines are not those of the requests")
    if any(deadline < queues.next_deadline for deadline in deadlines.values()):
        raise IntegrityError("a deadline would be missed")


def _check_running(request: Request, blocks: BlockManager) -> None:
    if not request.num_computed_tokens < request.num_tokens <= request.max_num_tokens:
        raise IntegrityError(f"request {request.id} has nothing to compute")
    if blocks.num_lacking(request.table, request.num_computed_tokens):
        raise IntegrityError(f"request {request.id} computed more than its blocks hold")
    known = min(request.num_computed_tokens, len(request.token_ids))
    if request.table.num_known * blocks.block_size > known:
        raise IntegrityError(f"request {request.id} shares tokens that are not known")
    for index, block in enumerate(request.table.blocks):
        start = index * blocks.block_size
        tokens = tuple(request.token_ids[start : start + blocks.block_size])
        if block.key is not None and block.key[1] != tokens:
            raise IntegrityError(f"block {block.id} is cached as what it does not hold")
