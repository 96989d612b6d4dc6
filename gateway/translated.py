"""A worker's stream as batches of what an API makes of its messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import TypeVar

from rostra.gateway.call import Call
from rostra.gateway.errors import ApiError
from rostra.gateway.rpc_types import RequestT, ResponseT

EventT = TypeVar("EventT")


async def translated(
    call: Call[RequestT, ResponseT], translate: Callable[[ResponseT], Iterable[EventT]]
) -> AsyncGenerator[list[EventT], None]:
    """One batch of events, never empty, for what came together.

    Raises ApiError, also that of `translate`, after what came before the fault.
    """
    async with aclosing(call.bursts()) as bursts:
        async for burst in bursts:
            batch: list[EventT] = []
            try:
                for message in burst:
                    batch += translate(message)
            except ApiError:
                if batch:
                    yield batch
                raise
            if batch:
                yield batch
