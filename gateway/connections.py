"""The connections of clients, down to those that do not speak HTTP."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus

import orjson
from aiohttp import hdrs, web

from rostra.gateway.errors import ApiError, internal_error

logger = logging.getLogger(__name__)

_LONGEST_REASON = 200
_LINGERING_OVER_COMPRESSED = 0.2
"""Seconds."""


class Connection(web.RequestHandler):
    """Answers what is no HTTP as any other mistake of a client, and closes the connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("answering %s failed", request.remote, exc_info=exc)
            error = internal_error()
        else:
            reason = " ".join((message or "").split())[:_LONGEST_REASON]
            # The reason quotes the line that is wrong, and a header may hold a key.
            logger.info("%s does not speak HTTP", request.remote)
            message = f"The request is not valid HTTP: {reason}"
            error = ApiError(status, message, code="invalid_http")
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer has left")
        response = web.Response(
            status=status, body=orjson.dumps(error.envelope()), content_type="application/json"
        )
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        # What is left of a large body is read, so that its sender sees the answer; but what is left
        # of a compressed one can take all the time there is to decompress.
        too_large = resp.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if too_large and hdrs.CONTENT_ENCODING in request.headers:
            self._lingering_time = _LINGERING_OVER_COMPRESSED
        return await super().finish_response(request, resp, start_time)


class _Server(web.Server):
    accepted = 0
    """Connections since the start."""

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        self.accepted += 1
        super().connection_made(handler, transport)

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """An application's, with these connections."""

    __slots__ = ()

    @property
    def open(self) -> int:
        """Connections that are open."""
        return 0 if self.server is None else len(self.server.connections)

    @property
    def accepted(self) -> int:
        """Connections since the start."""
        return self.server.accepted if isinstance(self.server, _Server) else 0

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=made._loop,
            **made._kwargs,
        )
