"""One request, carried to a member of the mesh, and to another if the first is lost in time."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import ExitStack, aclosing
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Generic

import grpc

from rostra.gateway.bundle import Seat
from rostra.gateway.context import Exchange
from rostra.gateway.errors import ApiError, shutting_down, unavailable
from rostra.gateway.failover.budget import RetryBudget
from rostra.gateway.failover.hedge import Started, first_to_start
from rostra.gateway.failover.resume import Progress
from rostra.gateway.failover.retry import Retry
from rostra.gateway.grpc_errors import CLIENT_MISTAKES, api_error
from rostra.gateway.grpc_status import status_error
from rostra.gateway.link import Link
from rostra.gateway.refusals import Refusals
from rostra.gateway.rest_names import RestNames
from rostra.gateway.routing.agreement import Agreement
from rostra.gateway.rpc_types import RequestT, ResponseT, Rpc
from rostra.gateway.token_clock import TokenClock
from rostra.gateway.tracing import dispatch_span
from rostra.v1 import chat_pb2, control_pb2, inference_pb2

if TYPE_CHECKING:
    from rostra.gateway.dispatch import Dispatcher, Sent
    from rostra.gateway.link import Inference

logger = logging.getLogger(__name__)

_NAMELESS = (inference_pb2.TokenizeRequest, inference_pb2.DetokenizeRequest)
"""Requests without an id: they are over at once, and nothing aborts them."""
_RESUMABLE = (chat_pb2.ChatRequest, inference_pb2.GenerateRequest)
_STREAMED = (chat_pb2.ChatResponse, inference_pb2.GenerateResponse)
_UNHEDGED = (*_NAMELESS, inference_pb2.EmbedRequest)
"""Requests whose answers have no beginning to wait for."""


class Call(Generic[RequestT, ResponseT]):
    """One request to the fleet.

    While none of its messages was passed on, a lost worker is replaced by another. With `hold`
    nothing is passed on before the stream has ended well; without, nothing before the first
    token or finish.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        method: Callable[[Inference], Callable[..., Rpc]],
        request: RequestT,
        exchange: Exchange,
        names: RestNames,
        hold: bool,
        agreement: Agreement | None = None,
    ) -> None:
        """`agreement`: with other calls whose answers are told together with this one's."""
        self.model: control_pb2.ModelInfo
        """The model that answers; set before the first message is passed on."""
        self.link: Link
        """Who answers; set like `model`."""
        self._dispatcher = dispatcher
        self._method = method
        self._request = request
        self._exchange = exchange
        self._names = names
        self._hold = hold
        self._route = dispatcher.router.route(request.model, request, exchange.caller, agreement)
        self._refusals = Refusals(dispatcher.router, self._route, request)
        self._progress: Progress | None = None
        if dispatcher.failover.resume and isinstance(request, _RESUMABLE):
            self._progress = Progress(request)

    async def messages(self) -> AsyncGenerator[ResponseT, None]:
        """The worker's messages in order. Raises ApiError."""
        async with aclosing(self.bursts()) as bursts:
            async for burst in bursts:
                for message in burst:
                    yield message

    async def bursts(self) -> AsyncGenerator[list[ResponseT], None]:
        """As `messages`, those together that came while the gateway was busy with others."""
        avoid: set[str] = set()
        passed_on = False
        held: list[ResponseT] = []
        clock: TokenClock | None = None
        last: ResponseT | None = None
        for attempt in itertools.count(1):
            try:
                started = await self._start(attempt, avoid, clock)
                with started.stack:
                    sent, burst, clock = started.sent, started.burst, started.sent.clock
                    while burst:
                        last = burst[-1]
                        held += burst if self._progress is None else self._progress.take(burst)
                        if held and clock.started and not self._hold:
                            passed_on = True
                            yield held
                            held = []
                        burst = await self._take(sent)
                break
            except grpc.aio.AioRpcError as error:
                self._log(error)
                avoid.add(self.link.address)
                if isinstance(last, _STREAMED) and last.HasField("usage"):
                    # Nothing is lost: only its status did not come.
                    break
                if not (passed_on or self._can_go_on):
                    self._dispatcher.router.lost(self._route)
                pause = self._pause_before_next(error, attempt, avoid, passed_on)
            if self._can_go_on:
                self._dispatcher.metrics.failover.resumes.labels(self.model.name).inc()
            else:
                held, clock = [], None
            await asyncio.sleep(pause)
        if held:
            yield held

    async def only_message(self) -> ResponseT:
        """The answer of a call that does not stream. Raises ApiError."""
        async with aclosing(self.messages()) as messages:
            return await anext(messages)

    async def detokenize(self, ids: list[int]) -> str:
        """The text of some tokens, by the worker that answers. Raises ApiError."""
        request = inference_pb2.DetokenizeRequest(model=self._request.model, ids=ids)
        exchange = self._exchange
        try:
            try:
                response = await self.link.inference_for(whole=True).Detokenize(
                    request, timeout=exchange.remaining(), metadata=exchange.metadata()
                )
            except asyncio.CancelledError:
                raise self._reason_of_cancellation() from None
        except grpc.aio.AioRpcError as error:
            raise self._api_error(error) from error
        return response.text

    def _api_error(self, error: grpc.aio.AioRpcError) -> ApiError:
        return api_error(error, model=self._route.asked, names=self._names)

    def _log(self, error: grpc.aio.AioRpcError) -> None:
        logger.log(
            logging.DEBUG if error.code() in CLIENT_MISTAKES else logging.WARNING,
            "request %s: %s answered %s: %s",
            self._exchange.request_id,
            self.link.address,
            error.code().name,
            error.details(),
        )

    @property
    def _can_go_on(self) -> bool:
        """Whether another worker can go on with what has come."""
        return self._progress is not None and self._progress.can_go_on

    def _pause_before_next(
        self, error: grpc.aio.AioRpcError, attempt: int, avoid: set[str], passed_on: bool
    ) -> float:
        """Seconds; raises ApiError where there is to be no other dispatch."""
        retry = Retry(self._dispatcher, self._exchange, lambda: self._has_other(avoid))
        pause = None
        if not passed_on or self._can_go_on:
            pause = retry.pause(error, attempt, self.model.name)
        if pause is None:
            raise self._api_error(error) from error
        return pause

    def _has_other(self, avoid: set[str]) -> bool:
        """Whether there is a member that was not asked yet."""
        other = self._dispatcher.router.choose(self._route.alone, avoid, self._refusal)
        return other is not None and other[0].address not in avoid

    async def _start(self, attempt: int, avoid: set[str], clock: TokenClock | None) -> Started:
        """Dispatches the request, and returns with what comes first. Raises ApiError and
        AioRpcError."""
        dispatcher, request = self._dispatcher, self._request
        with dispatcher.metrics.waiting() as waited:
            link, request.model = await dispatcher.router.acquire(
                self._route, avoid, self._exchange.remaining(), self._refusal
            )
        self._route.take(request.model)
        self._answered_by(link)
        waited.of(self.model.name)
        budget = dispatcher.budgets.of(self.model.name)
        if attempt == 1:
            budget.deposit()
        elif not isinstance(request, _NAMELESS):
            # The worker that lost its first attempt may not have noticed yet.
            request.request_id += f"-{attempt}"
        if self._progress is not None and isinstance(request, _RESUMABLE):
            self._progress.prepare(request, link)
        delay = dispatcher.failover.hedge_after
        first = self._begin(link, request, attempt, clock)
        if delay is None or link.external or self._can_go_on or isinstance(request, _UNHEDGED):
            started = await first
        else:
            self._hedged = False
            started = await first_to_start(
                first, delay, lambda: self._second(link, attempt, budget)
            )
            if self._hedged:
                self._answered_by(started.sent.link)
                winner = "first" if self.link is link else "second"
                dispatcher.metrics.failover.hedges.labels(self.model.name, winner).inc()
        if self._progress is not None:
            self._progress.begin(self.link)
        return started

    def _answered_by(self, link: Link) -> None:
        self.link, self.model = link, link.models[self._request.model]
        self._exchange.model = self.model.name

    def _second(
        self, first: Link, attempt: int, budget: RetryBudget
    ) -> Coroutine[Any, Any, Started] | None:
        """The request, made to another worker; None where there is none, or no budget."""
        found = self._dispatcher.router.choose(self._route, {first.address}, self._refusal)
        if found is None or found[0] is first or found[0].external:
            return None
        link, model = found
        if model != self._request.model or not budget.withdraw():
            return None
        self._hedged = True
        request = deepcopy(self._request)
        if isinstance(request, _RESUMABLE):
            request.request_id += "-hedge"
            if self._progress is not None:
                self._progress.prepare(request, link)
        return self._begin(link, request, attempt, None)

    async def _begin(
        self, link: Link, request: RequestT, attempt: int, clock: TokenClock | None
    ) -> Started:
        if self._dispatcher.ending:
            raise shutting_down()
        self._dispatcher.router.dispatched(link, self._route, request.model, request)
        exchange, seat = self._exchange, self._join(link)
        exchange.workers.append(link.address)
        if clock is None:
            clock = TokenClock(self._dispatcher.metrics, exchange)
        with ExitStack() as stack:
            metadata = stack.enter_context(dispatch_span(exchange, link, request, attempt))
            if seat is not None:
                metadata = (*metadata, seat.metadata)
            rpc = self._method(link.inference_for(whole=self._hold))(
                request, timeout=exchange.remaining(), metadata=metadata
            )
            sent = stack.enter_context(self._dispatcher.running(rpc, link, clock, seat))
            burst: list[ResponseT] = []
            while more := await self._take(sent):
                burst += more
                if clock.started:
                    break
            return Started(sent, burst, stack.pop_all())

    async def _take(self, sent: Sent) -> list[ResponseT]:
        try:
            return await sent.take()
        except asyncio.CancelledError:
            raise self._reason_of_cancellation() from None

    def _refusal(self, link: Link, model: str) -> ApiError | None:
        if self._progress is not None and not self._progress.goes_on_at(link, model):
            return unavailable("The worker was lost before the answer was complete")
        error = self._refusals.of(link, model)
        return None if error is None else self._api_error(error)

    def _join(self, link: Link) -> Seat | None:
        match self._request:
            case chat_pb2.ChatRequest():
                return link.seat("chat")
            case inference_pb2.GenerateRequest():
                return link.seat("generate")
            case _:
                return None

    def _reason_of_cancellation(self) -> BaseException:
        """gRPC uses CancelledError for a call that was ended from here, too; only the task knows
        whether it is itself to end."""
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            return asyncio.CancelledError()
        if self._dispatcher.ending:
            return shutting_down()
        return status_error(grpc.StatusCode.UNAVAILABLE, "the worker has left the mesh")
