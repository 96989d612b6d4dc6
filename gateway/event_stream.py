"""Server-sent events, as the OpenAI API streams them."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson
from aiohttp import web

from rostra.gateway.context import Exchange
from rostra.gateway.errors import ApiError, internal_error

logger = logging.getLogger(__name__)

_DONE = b"data: [DONE]\n\n"
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    # nginx collects a response before passing it on unless it is told not to.
    "X-Accel-Buffering": "no",
}

Batch = list[dict[str, Any]]


async def respond_with_events(
    request: web.Request, batches: AsyncGenerator[Batch, None], exchange: Exchange
) -> web.StreamResponse:
    """Streams each batch of objects in one write, then `[DONE]`.

    The response begins with the first batch, so that an error before it is an ordinary answer. A
    later error is a last event of its own, and there is no `[DONE]` then. Each write waits until
    the client has taken most of the ones before, and the next batch is made only after that.
    """
    async with aclosing(batches):
        first = await anext(batches)
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        try:
            await response.write(_events(first))
            async for batch in batches:
                await response.write(_events(batch))
            await response.write(_DONE)
        except ApiError as error:
            await _write_error(response, error, exchange)
        except ConnectionError:
            raise
        except Exception:
            logger.exception("request %s failed half-way", exchange.request_id)
            await _write_error(response, internal_error(), exchange)
        await response.write_eof()
        return response


async def _write_error(response: web.StreamResponse, error: ApiError, exchange: Exchange) -> None:
    exchange.status, exchange.error = error.status, error.code
    await response.write(_events([error.envelope()]))


def _events(batch: Batch) -> bytes:
    return b"".join(b"data: " + orjson.dumps(item) + b"\n\n" for item in batch)
