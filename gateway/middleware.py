"""What surrounds every handler: identity, log line and metrics; CORS; the error envelope."""

from __future__ import annotations

import asyncio
import logging
import string
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import hdrs, web

from rostra.gateway.admission.limits import LIMIT_HEADERS
from rostra.gateway.answers.anthropic_errors import error_event, speaks_messages
from rostra.gateway.context import CURRENT, Exchange
from rostra.gateway.errors import ApiError, internal_error
from rostra.gateway.keys import ADMISSION, DISPATCHER, EXCHANGE, METRICS, SETTINGS, TRACING
from rostra.gateway.metrics import bounded_reason
from rostra.gateway.request_line import RequestLine
from rostra.gateway.tracing import RequestSpan

access_logger = logging.getLogger("rostra.gateway.access")
logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CLIENT_GONE = 499
"""nginx's status for a client that did not wait for its answer."""
_UNROUTED = "unrouted"
_PROBES = ("/health", "/ready", "/metrics")


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives the request its id, and accounts for it when it has ended, however it has."""
    app = request.app
    exchange = Exchange.of(request.headers, app[SETTINGS].request_timeout)
    request[EXCHANGE] = exchange
    metrics, route = app[METRICS], _route(request)
    status = _CLIENT_GONE
    current = CURRENT.set(exchange)
    if TRACING in app and route not in _PROBES:
        exchange.span = RequestSpan(app[TRACING], exchange, request.method, route)
    metrics.in_flight.labels(route).inc()
    try:
        # Sent here already, since aiohttp would wait for a client that does not read for ever.
        async with asyncio.timeout(exchange.patience()):
            response = await handler(request)
            await response.prepare(request)
            await response.write_eof()
        status = exchange.status or response.status
        return response
    except (TimeoutError, ConnectionError):
        # All else that can take time has ended by its own deadline.
        exchange.error = "client_gone"
        if request.transport is not None:
            request.transport.abort()
        raise asyncio.CancelledError from None
    except asyncio.CancelledError:
        exchange.error = "client_gone"
        raise
    finally:
        app[ADMISSION].settle(exchange, status)
        metrics.in_flight.labels(route).dec()
        metrics.requests.labels(route, exchange.model, str(status)).inc()
        if status >= 400:
            metrics.errors.labels(route, bounded_reason(exchange.error, status)).inc()
        metrics.duration.labels(route).observe(exchange.elapsed())
        if exchange.model:
            metrics.prompt_tokens.labels(exchange.model).inc(exchange.prompt_tokens)
            metrics.completion_tokens.labels(exchange.model).inc(exchange.completion_tokens)
        if exchange.span is not None:
            exchange.span.end(status)
        level = logging.DEBUG if request.path in _PROBES else logging.INFO
        if access_logger.isEnabledFor(level):
            access_logger.log(level, RequestLine.of(request, exchange, route, status))
        CURRENT.reset(current)


@web.middleware
async def envelope_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure becomes the error object of the API that was asked."""
    exchange = request[EXCHANGE]
    try:
        return await handler(request)
    except ApiError as error:
        answer = error
    except web.HTTPException as error:
        answer = _of_http(request, error)
        if isinstance(error, web.HTTPMethodNotAllowed):
            allowed = ", ".join(sorted(error.allowed_methods))
            return _response(request, answer, {hdrs.ALLOW: allowed})
    except ConnectionError:
        # The client is gone in the middle of its answer; nobody is left to be told.
        raise asyncio.CancelledError from None
    except Exception:
        logger.exception("request %s failed", exchange.request_id)
        answer = internal_error()
    return _response(request, answer, answer.headers())


@web.middleware
async def preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers a browser that asks whether a page of another origin may call (CORS)."""
    asks = hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    if request.method != hdrs.METH_OPTIONS or not asks or not _allowed_origin(request):
        return await handler(request)
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST, DELETE",
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: request.headers.get(
                hdrs.ACCESS_CONTROL_REQUEST_HEADERS, ""
            ),
            hdrs.ACCESS_CONTROL_MAX_AGE: "600",
        },
    )


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Runs before the headers of any answer leave, streamed ones included."""
    # aiohttp refuses an Expect header that it does not know before any middleware has run.
    if EXCHANGE in request:
        exchange = request[EXCHANGE]
        response.headers["x-request-id"] = exchange.request_id
        response.headers["openai-processing-ms"] = str(round(exchange.elapsed() * 1000))
        if exchange.model:
            response.headers["x-rostra-model"] = _printable(exchange.model)
        messages = speaks_messages(request.path)
        if messages:
            response.headers["request-id"] = exchange.request_id
        if limits := exchange.limits:
            told = limits.anthropic_headers() if messages else limits.openai_headers()
            response.headers.update(told)
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.app[DISPATCHER].draining:
        # The client's next request finds another gateway.
        response.force_close()
        response.headers[hdrs.CONNECTION] = "close"
    if request.app[SETTINGS].cors_allowed_origins:
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        if origin := _allowed_origin(request):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = (
                "x-request-id, request-id, x-rostra-model, openai-processing-ms, Retry-After, "
                + ", ".join(LIMIT_HEADERS)
            )


def _printable(name: str) -> str:
    """A model's name as a header can hold it: what is not ASCII in percents, as in an address."""
    return quote(name, safe=string.punctuation.replace("%", "") + " ")


def _allowed_origin(request: web.Request) -> str | None:
    allowed = request.app[SETTINGS].cors_allowed_origins
    origin = request.headers.get(hdrs.ORIGIN)
    return origin if origin and (origin in allowed or "*" in allowed) else None


def _of_http(request: web.Request, error: web.HTTPException) -> ApiError:
    where = f"{request.method} {request.path}"
    match error.status:
        case 404:
            return ApiError(404, f"There is no route {where}", code="unknown_url")
        case 405:
            return ApiError(405, f"{where}: method not allowed", code="method_not_allowed")
        case 413:
            limit = request.app[SETTINGS].max_body_bytes
            return ApiError(413, f"The body is larger than {limit} bytes", code="request_too_large")
        case status:
            return ApiError(status, error.reason)


def _response(request: web.Request, error: ApiError, headers: dict[str, str]) -> web.Response:
    exchange = request[EXCHANGE]
    exchange.error = error.code
    if speaks_messages(request.path):
        body: dict[str, Any] = error_event(error, exchange.request_id)
    else:
        body = error.envelope()
    return web.Response(
        body=orjson.dumps(body),
        content_type="application/json",
        status=error.status,
        headers=headers,
    )


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else _UNROUTED
