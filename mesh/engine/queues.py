"""The requests that have not ended, and where each of them is."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable
from operator import attrgetter

from rostra.mesh.engine.request import Request, Status

by_rank = attrgetter("rank")


class RequestQueues:
    """Waiting and running requests, each by priority and arrival.

    What is asked once a step takes no time in proportion to the requests that wait.
    """

    def __init__(self) -> None:
        self.waiting: list[Request] = []
        self.running: list[Request] = []
        self.num_waiting_tokens = 0
        """Of all waiting requests; none of these tokens is computed."""
        self.by_id: dict[str, Request] = {}
        self.with_deadline: dict[str, Request] = {}
        # No deadline comes before this time; it may be too early, never too late.
        self.next_deadline = math.inf

    def __len__(self) -> int:
        return len(self.by_id)

    def __contains__(self, request_id: str) -> bool:
        return request_id in self.by_id

    def find(self, request_id: str) -> Request | None:
        return self.by_id.get(request_id)

    def add(self, request: Request) -> None:
        self.by_id[request.id] = request
        if request.deadline is not None:
            self.with_deadline[request.id] = request
            self.next_deadline = min(self.next_deadline, request.deadline)
        self._wait(request)

    def start(self, request: Request) -> None:
        """Moves a waiting request to those that run."""
        self._leave_waiting(request)
        request.status = Status.RUNNING
        insort(self.running, request, key=by_rank)

    def put_back(self, request: Request) -> None:
        """Moves a running request back to those that wait; what it computed is lost."""
        self.running.remove(request)
        request.num_computed_tokens = 0
        self._wait(request)

    def remove(self, request: Request) -> None:
        del self.by_id[request.id]
        self.with_deadline.pop(request.id, None)
        if request.status is Status.RUNNING:
            self.running.remove(request)
        else:
            self._leave_waiting(request)
        request.status = Status.FINISHED

    def expired(self, now: float) -> Iterable[Request]:
        """Those whose deadline has come."""
        if now < self.next_deadline:
            return ()
        late, left = [], math.inf
        for request in self.with_deadline.values():
            assert request.deadline is not None
            if request.deadline <= now:
                late.append(request)
            else:
                left = min(left, request.deadline)
        self.next_deadline = left
        return late

    def _wait(self, request: Request) -> None:
        request.status = Status.WAITING
        insort(self.waiting, request, key=by_rank)
        self.num_waiting_tokens += len(request.token_ids)

    def _leave_waiting(self, request: Request) -> None:
        self.waiting.remove(request)
        self.num_waiting_tokens -= len(request.token_ids)
