"""One request to a member: its time, its end, and what it says of the member."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp
from grpc import StatusCode

from rostra.gateway.failover.faults import Fault, JudgedError
from rostra.gateway.grpc_status import status_error
from rostra.gateway.members.answers import FailedError, GarbageError
from rostra.gateway.members.errors import Failure, broken, in_stream, unavailable
from rostra.gateway.members.events import OversizedEventError
from rostra.gateway.members.http import MemberError, failure_of, whole_body
from rostra.gateway.members.requests import Body
from rostra.gateway.members.settings import MemberModel
from rostra.v1 import tokens_pb2

if TYPE_CHECKING:
    from rostra.gateway.members.link import MemberLink

Metadata = Sequence[tuple[str, str]]
_END_WAIT = 0.5
"""Seconds for the end of a body after the last event in it."""


class MemberCall:
    """`size` is about that of the body, in bytes; `timeout` are the seconds to the caller's
    deadline, `metadata` what travels with a call."""

    def __init__(
        self,
        link: MemberLink,
        model: MemberModel,
        path: str,
        body: Callable[[], Body],
        size: int,
        timeout: float | None,
        metadata: Metadata,
        *,
        streamed: bool = False,
    ) -> None:
        self._link = link
        self._model = model
        self._path = path
        self._body = body
        self._size = size
        self._metadata = dict(metadata)
        now, settings = time.monotonic(), link.settings
        self._callers_deadline = None if timeout is None else now + timeout
        self._deadline = now + settings.timeout
        self._first_byte = now + settings.first_byte_timeout if streamed else self._deadline
        self._response: aiohttp.ClientResponse | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelled = False

    def cancel(self) -> bool:
        """Closes the connection at once, and ends whoever waits for the answer."""
        self._cancelled = True
        if self._response is not None:
            self._response.close()
        if self._task is not None:
            self._task.cancel()
        return True

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around all that is awaited here. Raises AioRpcError, and tells the link why."""
        if self._cancelled:
            raise asyncio.CancelledError
        self._task = asyncio.current_task()
        try:
            yield
        except MemberError as error:
            failure = error.failure
        except FailedError as error:
            failure = in_stream(error.error or "", self._link.upstream.secrets)
        except GarbageError as error:
            failure = broken(f"an answer of it is none: {error}")
        except OversizedEventError:
            failure = broken("an answer of it is none: an event has no end")
        except aiohttp.ClientError as error:
            failure = failure_of(error)
        except TimeoutError:
            failure = self._late()
        except ValueError:
            failure = broken("an answer of it is none: it has not the form of the OpenAI API")
        else:
            return
        if self._response is not None:
            self._response.close()
        self._link.failed(failure)
        raise JudgedError(failure.error, failure.fault)

    async def response(self) -> aiohttp.ClientResponse:
        """The same one each time."""
        if self._response is None:
            async with asyncio.timeout(self._seconds_to(self._first_byte)):
                self._response = await self._link.upstream.post(
                    self._path, self._body, self._size, self._metadata
                )
        return self._response

    async def piece(self) -> bytes:
        """Empty at the end."""
        assert self._response is not None
        async with asyncio.timeout(self._seconds_to(self._first_byte)):
            piece = await self._response.content.readany()
        self._first_byte = time.monotonic() + self._link.settings.idle_timeout
        return piece

    async def whole(self) -> bytes:
        assert self._response is not None
        async with asyncio.timeout(self._seconds_to(self._deadline)):
            return await whole_body(self._response)

    def answered(self, usage: tokens_pb2.Usage | None) -> None:
        """To be called when the answer is complete."""
        self._link.answered(self._model, usage)

    async def finish(self) -> None:
        """Gives the connection back, where the body ends soon."""
        assert self._response is not None
        try:
            async with asyncio.timeout(_END_WAIT):
                while await self._response.content.readany():
                    pass
        except (TimeoutError, aiohttp.ClientError):
            self._response.close()

    def _seconds_to(self, moment: float) -> float:
        deadlines = [moment, self._deadline]
        if self._callers_deadline is not None:
            deadlines.append(self._callers_deadline)
        return max(0.0, min(deadlines) - time.monotonic())

    def _late(self) -> Failure:
        now, settings = time.monotonic(), self._link.settings
        late = status_error(StatusCode.DEADLINE_EXCEEDED, "the answer took too long")
        if self._callers_deadline is not None and now >= self._callers_deadline:
            return Failure(late)
        if now >= self._deadline:
            return Failure(late, Fault(f"an answer took longer than {settings.timeout:g} s"))
        return unavailable("it did not go on with an answer in time")
