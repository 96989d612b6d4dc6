"""Server-sent events (WHATWG HTML, section 9.2), as the APIs stream them."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from rostra.gateway.context import Exchange
from rostra.gateway.errors import ApiError, internal_error

logger = logging.getLogger(__name__)

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    # nginx collects a response before passing it on unless it is told not to.
    "X-Accel-Buffering": "no",
}

Event = dict[str, Any] | orjson.Fragment
"""An object, or its JSON; where events are named, an object."""
Batch = Sequence[Event]


@dataclass(frozen=True)
class EventForm:
    """How one API writes its events."""

    error: Callable[[ApiError], dict[str, Any]]
    """The last event of a stream that breaks off."""
    named: bool
    """Each event has the name that is its object's `type`."""
    end: bytes
    """Follows the last event of a stream that is complete."""

    def encode(self, batch: Batch) -> bytes:
        if self.named:
            return b"".join(map(_named, batch))
        return b"".join([b"data: %b\n\n" % orjson.dumps(event) for event in batch])


def _named(event: Event) -> bytes:
    assert isinstance(event, dict)
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event))


OPENAI = EventForm(error=ApiError.envelope, named=False, end=b"data: [DONE]\n\n")


async def respond_with_events(
    request: web.Request,
    batches: AsyncGenerator[Batch, None],
    exchange: Exchange,
    form: EventForm = OPENAI,
) -> web.StreamResponse:
    """Streams each batch of objects in one write, then the end of the `form`.

    The response begins with the first batch, so that an error before it is an ordinary answer. A
    later error is a last event of its own, and the stream has no end of the form then. Each write
    waits until the client has taken most of the ones before, and the next batch is made only after
    that.
    """
    async with aclosing(batches):
        first = await anext(batches)
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        try:
            await response.write(form.encode(first))
            async for batch in batches:
                await response.write(form.encode(batch))
            if form.end:
                await response.write(form.end)
        except ApiError as error:
            await _write_error(response, error, exchange, form)
        except ConnectionError:
            raise
        except Exception:
            logger.exception("request %s failed half-way", exchange.request_id)
            await _write_error(response, internal_error(), exchange, form)
        await response.write_eof()
        return response


async def _write_error(
    response: web.StreamResponse, error: ApiError, exchange: Exchange, form: EventForm
) -> None:
    exchange.status, exchange.error = error.status, error.code
    await response.write(form.encode([form.error(error)]))
