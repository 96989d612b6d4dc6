"""What the gateway knows of a member of the mesh, be it a worker or another server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import grpc

from rostra.v1 import control_pb2, inference_pb2_grpc

if TYPE_CHECKING:
    from rostra.gateway.bundle import Kind, Seat
    from rostra.gateway.failover.breaker import Breaker
    from rostra.gateway.members.inference import MemberInference

    Inference = inference_pb2_grpc.InferenceAsyncStub | MemberInference


class Link(Protocol):
    """`run` keeps it up to date until it is cancelled."""

    address: str
    """host:port of a worker; the name of another server, which has no colon."""
    models: dict[str, control_pb2.ModelInfo]
    """By name and by alias. What it served last, also while it is gone."""
    first_seen: dict[str, int]
    """Unix time at which the gateway first met each model, by name."""
    reason: str
    """Why it is not serving; empty when it is."""

    @property
    def breaker(self) -> Breaker: ...

    @property
    def external(self) -> bool:
        """Whether it is another server, not a worker."""
        ...

    @property
    def owner(self) -> str:
        """Whose models these are, as /v1/models tells it."""
        ...

    @property
    def share(self) -> float:
        """Its part of the requests of a model; a worker's is 1. 0: only those that nobody with a
        share can take."""
        ...

    @property
    def serving(self) -> bool: ...

    @property
    def wait(self) -> float:
        """Seconds until it may take one more request: 0 now, inf when another has ended."""
        ...

    @property
    def room(self) -> float:
        """Requests that may be sent there now, so that what comes beyond them waits in its turn at
        the gateway; inf where that is not known."""
        ...

    @property
    def load(self) -> control_pb2.GetLoadResponse: ...

    @property
    def pending_requests(self) -> int:
        """Requests at it, as far as is known."""
        ...

    @property
    def queued_tokens(self) -> int:
        """Tokens that it has not computed yet, as far as is known."""
        ...

    def refusal(self, request: Any) -> grpc.aio.AioRpcError | None:
        """What it would answer to a request that asks what it does not take, where that is known
        beforehand, so that another can be asked."""
        ...

    def inference_for(self, *, whole: bool) -> Inference:
        """By which requests are made; `whole`: nothing is passed on before the answer's end."""
        ...

    def seat(self, kind: Kind) -> Seat | None:
        """A place in the stream by which the messages of many calls come together."""
        ...

    def dispatched(self) -> None: ...

    def finished(self) -> None: ...

    async def run(self) -> None: ...

    async def close(self, grace: float) -> None:
        """Ends what still runs after `grace` seconds."""
        ...
