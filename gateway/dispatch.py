"""Carries requests to members of the mesh, and can end all of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from rostra.gateway.bundle import Seat
from rostra.gateway.call import Call
from rostra.gateway.context import Exchange
from rostra.gateway.failover.breaker import Trial
from rostra.gateway.failover.budget import RetryBudgets
from rostra.gateway.failover.faults import fault_of
from rostra.gateway.failover.settings import FailoverSettings
from rostra.gateway.inbox import Bell, Inbox
from rostra.gateway.link import Link
from rostra.gateway.metrics import Metrics
from rostra.gateway.rest_names import RestNames
from rostra.gateway.router import Router
from rostra.gateway.routing.agreement import Agreement
from rostra.gateway.rpc_types import Rpc
from rostra.gateway.token_clock import TokenClock
from rostra.v1 import chat_pb2, inference_pb2

ChatCall = Call[chat_pb2.ChatRequest, chat_pb2.ChatResponse]
GenerateCall = Call[inference_pb2.GenerateRequest, inference_pb2.GenerateResponse]
EmbedCall = Call[inference_pb2.EmbedRequest, inference_pb2.EmbedResponse]
TokenizeCall = Call[inference_pb2.TokenizeRequest, inference_pb2.TokenizeResponse]
DetokenizeCall = Call[inference_pb2.DetokenizeRequest, inference_pb2.DetokenizeResponse]


@dataclass(frozen=True, eq=False)
class Sent:
    """One dispatch of a request, and what comes of it."""

    link: Link
    inbox: Inbox[Any]
    clock: TokenClock
    trial: Trial

    async def take(self) -> list[Any]:
        """As the inbox's. What comes tells that the member answers."""
        taken = await self.inbox.take()
        if taken and self.clock.started:
            self.trial.answered()
        return taken


class Dispatcher:
    """Opens calls, and can end all of them."""

    def __init__(
        self, router: Router, metrics: Metrics, max_attempts: int, failover: FailoverSettings
    ) -> None:
        self.router = router
        self.metrics = metrics
        self.max_attempts = max_attempts
        self.failover = failover
        self.budgets = RetryBudgets(failover)
        self.draining = False
        """Whether the gateway is about to leave, and still answers."""
        self.ending = False
        self._running: set[Rpc] = set()
        self._bell = Bell()

    def chat(
        self,
        request: chat_pb2.ChatRequest,
        exchange: Exchange,
        names: RestNames,
        *,
        hold: bool,
    ) -> ChatCall:
        return Call(self, lambda stub: stub.Chat, request, exchange, names, hold)

    def generate(
        self,
        request: inference_pb2.GenerateRequest,
        exchange: Exchange,
        names: RestNames,
        *,
        hold: bool,
        agreement: Agreement | None = None,
    ) -> GenerateCall:
        """`agreement`: with the other prompts of the same request."""
        return Call(self, lambda stub: stub.Generate, request, exchange, names, hold, agreement)

    def embed(
        self, request: inference_pb2.EmbedRequest, exchange: Exchange, names: RestNames
    ) -> EmbedCall:
        return Call(self, lambda stub: stub.Embed, request, exchange, names, True)

    def tokenize(
        self, request: inference_pb2.TokenizeRequest, exchange: Exchange, names: RestNames
    ) -> TokenizeCall:
        return Call(self, lambda stub: stub.Tokenize, request, exchange, names, True)

    def detokenize(
        self, request: inference_pb2.DetokenizeRequest, exchange: Exchange, names: RestNames
    ) -> DetokenizeCall:
        return Call(self, lambda stub: stub.Detokenize, request, exchange, names, True)

    def end_all(self) -> None:
        """Ends every running call, and every later one, with a 503."""
        self.ending = True
        for rpc in tuple(self._running):
            rpc.cancel()

    @contextmanager
    def running(self, rpc: Rpc, link: Link, clock: TokenClock, seat: Seat | None) -> Iterator[Sent]:
        """Accounts for a call, and cancels it at the end: that frees the worker of a request whose
        client has gone."""
        self._running.add(rpc)
        link.dispatched()
        trial = link.breaker.begin()
        if isinstance(rpc, Awaitable):
            inbox = Inbox(_only(rpc), clock.count, self._bell)
        else:
            messages = aiter(rpc)
            if seat is not None and isinstance(rpc, grpc.aio.UnaryStreamCall):
                messages = seat.own_stream(rpc)
            inbox = Inbox(messages, clock.observe, self._bell, seat)
        try:
            yield Sent(link, inbox, clock, trial)
            trial.succeeded()
        except grpc.aio.AioRpcError as error:
            if (fault := fault_of(error)) is not None:
                trial.failed(fault)
            raise
        finally:
            trial.abandon()
            inbox.close()
            rpc.cancel()
            link.finished()
            self._running.discard(rpc)


async def _only(rpc: Awaitable[Any]) -> AsyncGenerator[Any, None]:
    yield await rpc
