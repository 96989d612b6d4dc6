"""One line in the log for each request."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from rostra.gateway.context import Exchange


class RequestLine(dict[str, Any]):
    """Who asked for what, and how it ended; nothing of what was asked or answered, and no secret.

    As text it is JSON, so that programs can read it in either format of the log.
    """

    def __str__(self) -> str:
        return orjson.dumps(self).decode()

    @classmethod
    def of(cls, request: web.Request, exchange: Exchange, route: str, status: int) -> RequestLine:
        first = exchange.first_token
        return cls(
            message=f"{request.method} {route} {status}",
            request_id=exchange.request_id,
            trace_id=exchange.trace_id,
            remote=request.remote,
            key=exchange.key.name if exchange.key else None,
            method=request.method,
            route=route,
            status=status,
            error=exchange.error,
            seconds=round(exchange.elapsed(), 4),
            first_token_seconds=None if first is None else round(first - exchange.started, 4),
            model=exchange.model or None,
            stream=exchange.stream,
            workers=exchange.workers,
            prompt_tokens=exchange.prompt_tokens,
            completion_tokens=exchange.completion_tokens,
        )
