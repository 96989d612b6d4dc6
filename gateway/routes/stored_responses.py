"""What can be done with a response that is stored."""

from __future__ import annotations

from typing import Any, TypeVar

import orjson
from aiohttp import web

from rostra.gateway.errors import ApiError
from rostra.gateway.keys import EXCHANGE, RESPONSES
from rostra.gateway.request_body import validate
from rostra.gateway.response_store import StoredResponse, UnknownResponseError, owner_of
from rostra.gateway.schemas.fields import Schema
from rostra.gateway.schemas.responses import InputItemsQuery, StoredResponseQuery

QueryT = TypeVar("QueryT", bound=Schema)


async def retrieve_response(request: web.Request) -> web.Response:
    _query(request, StoredResponseQuery)
    return web.Response(body=_stored(request).body, content_type="application/json")


async def delete_response(request: web.Request) -> web.Response:
    """Responses that go on from it can still be read, and not be continued."""
    response_id = _stored(request).id
    request.app[RESPONSES].delete(response_id, owner_of(request[EXCHANGE]))
    return _json({"id": response_id, "object": "response", "deleted": True})


async def list_input_items(request: web.Request) -> web.Response:
    query = _query(request, InputItemsQuery)
    items = _stored(request).input_items()
    if query.order == "desc":
        items.reverse()
    if query.after is not None:
        ids = [item["id"] for item in items]
        if query.after not in ids:
            raise ApiError(
                400,
                f"after: the response has no input item '{query.after}'",
                param="after",
                code="invalid_value",
            )
        items = items[ids.index(query.after) + 1 :]
    page = items[: query.limit]
    return _json(
        {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": len(page) < len(items),
        }
    )


async def cancel_response(request: web.Request) -> web.Response:
    response_id = _stored(request).id
    raise ApiError(
        400,
        f"'{response_id}' was not made in the background, and only such responses can be "
        "cancelled; to end one that is streamed, close its connection",
        code="unsupported_operation",
    )


def _stored(request: web.Request) -> StoredResponse:
    response_id = request.match_info["response_id"]
    try:
        return request.app[RESPONSES].get(response_id, owner_of(request[EXCHANGE]))
    except UnknownResponseError:
        raise ApiError(
            404, f"Response with id '{response_id}' not found", code="response_not_found"
        ) from None


def _query(request: web.Request, schema: type[QueryT]) -> QueryT:
    """Raises ApiError (400). Lists are written as `include=` or `include[]=`, once for each."""
    document: dict[str, Any] = {}
    for name, value in request.query.items():
        if name.removesuffix("[]") == "include":
            document.setdefault("include", []).append(value)
        else:
            document[name] = value
    return validate(document, schema)


def _json(payload: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(payload), content_type="application/json")
