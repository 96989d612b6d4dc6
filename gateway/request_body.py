"""From the body of an HTTP request to a request model, or an answer that names what is wrong."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import TypeVar

import orjson
from aiohttp import web
from pydantic import ValidationError

from rostra.gateway.authentication import check_model
from rostra.gateway.errors import ApiError
from rostra.gateway.keys import ADMISSION, EXCHANGE
from rostra.gateway.large_work import beside_the_loop
from rostra.gateway.routing.caller import Caller
from rostra.gateway.schemas.fields import Schema

SchemaT = TypeVar("SchemaT", bound=Schema)

_CODES = {
    "missing": "missing_required_parameter",
    "extra_forbidden": "unknown_parameter",
    "unsupported_parameter": "unsupported_parameter",
}
_MOST_MISTAKES = 10_000
"""That are looked into: all of them are described before the first can be seen."""
_MOST_VALUES = 200_000
"""Objects, lists and members of objects in a body. To read and check one more takes microseconds
in which no stream of the process moves, so a million would be seen by everybody."""
_STRING = re.compile(rb'"(?>[^"\\]+|\\.)*+"?', re.DOTALL)


async def read_body(request: web.Request, schema: type[SchemaT], timeout: float) -> SchemaT:
    """Returns when the request may go on to a worker.

    Raises ApiError: 400, 403 for what the caller's key is not for, 408 when the body does not
    arrive within `timeout` seconds, 415, and what `Admission.admit` raises."""
    exchange = request[EXCHANGE]
    if exchange.bad_timeout:
        raise ApiError(400, exchange.bad_timeout, code="invalid_value")
    # A page of another origin can post any other content type without asking first (CORS).
    if request.content_type != "application/json":
        raise ApiError(
            415, "Set the header Content-Type: application/json", code="unsupported_media_type"
        )
    remaining = exchange.remaining()
    try:
        async with asyncio.timeout(timeout if remaining is None else min(timeout, remaining)):
            raw = await request.read()
    except TimeoutError:
        raise ApiError(408, "The body of the request did not arrive", code="timeout") from None
    except web.RequestPayloadError as error:
        reason = " ".join(str(error).split())
        raise ApiError(400, f"The body cannot be read: {reason}", code="invalid_body") from None
    exchange.body_bytes = len(raw)
    body = await beside_the_loop(len(raw), lambda: _parse(raw, schema))
    if isinstance(model := getattr(body, "model", None), str):
        check_model(request, model)
        await request.app[ADMISSION].admit(exchange, body, model, request.remote or "")
    key = exchange.key
    exchange.caller = Caller.of(body, None if key is None else key.name)
    return body


def _parse(raw: bytes, schema: type[SchemaT]) -> SchemaT:
    # What is inside strings costs nothing, and is left out only where it makes the difference.
    if _values(raw) > _MOST_VALUES and _values(_STRING.sub(b"", raw)) > _MOST_VALUES:
        raise ApiError(
            400,
            f"The JSON of the body has more than {_MOST_VALUES:,} objects, lists and fields; make "
            "several requests of it",
            code="too_many_values",
        )
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"The body is not valid JSON: {error}", code="invalid_json") from None
    if not isinstance(document, dict):
        raise ApiError(400, "The body must be a JSON object", code="invalid_json")
    return validate(document, schema)


def _values(raw: bytes) -> int:
    return raw.count(b"{") + raw.count(b"[") + raw.count(b":")


def validate(document: dict[str, object], schema: type[SchemaT]) -> SchemaT:
    try:
        return schema.model_validate(document)
    except ValidationError as error:
        if error.error_count() > _MOST_MISTAKES:
            raise ApiError(
                400, f"The body has {error.error_count()} mistakes", code="invalid_value"
            ) from None
        first = error.errors(include_url=False, include_input=False)[0]
    path = list(first["loc"])
    if first["type"] == "broken_rule":
        path.append(first["ctx"]["field"])
    param = field_path(path)
    kind = first["type"]
    match kind:
        case "missing":
            message = f"{param} is required"
        case "extra_forbidden":
            message = f"Unrecognised request argument: {param}"
        case "unsupported_parameter" | "broken_rule":
            message = first["msg"]
        case _:
            message = f"{param}: {first['msg']}"
    default = "invalid_type" if kind.endswith("_type") else "invalid_value"
    raise ApiError(400, message, param=param, code=_CODES.get(kind, default))


def field_path(location: Iterable[str | int]) -> str:
    """`messages[0].content` for ("messages", 0, "<parts>", "content"): the tags of unions are no
    part of what the client wrote, nor is pydantic's mark of a dictionary's key."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.startswith("<") and part != "[key]":
            path += f".{part}" if path else part
    return path
