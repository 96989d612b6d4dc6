"""The document of the API (OpenAPI 3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel

from rostra.gateway.endpoint import Endpoint
from rostra.gateway.openapi.schemas import Components

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
_PARAMETER = re.compile(r"\{(\w+)\}")
_STATUSES = {
    200: "The answer.",
    400: "The request is wrong; the error names the field.",
    401: "No API key, or one that is not known here, has expired or is disabled.",
    403: "The API key is not for this: its scope, this model, or this priority.",
    404: "There is no such model, or no such object.",
    408: "The body did not arrive in time.",
    409: "A request of this id is running.",
    410: "An operator ended the request.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    429: "More than the API key may ask for, or than can be served in time.",
    500: "The gateway failed; its log has the details.",
    502: "The worker failed.",
    503: "No worker can answer at this moment.",
    504: "The request did not finish within the time that it, or the gateway, allows.",
}
_HEADERS = {
    401: {"WWW-Authenticate": "Names the scheme: Bearer."},
    429: {"Retry-After": "Seconds until it is worth asking again."},
    503: {"Retry-After": "Seconds until it is worth asking again."},
}
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
_ABOUT = """\
Every field of a request is honoured, or refused with a 400 that names it, or marked as a hint, \
which cannot change the answer. A field that is not listed here is refused. Optional fields take \
null for unset. Every answer has the header `x-request-id`: the request's own, or a new one."""


def openapi(endpoints: Iterable[Endpoint], *, keyed: bool) -> dict[str, Any]:
    """The whole document; `keyed` where callers need an API key."""
    endpoints = list(endpoints)
    components = Components(_models(endpoints))
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        path = paths.setdefault(endpoint.public_path, {})
        path[endpoint.method.lower()] = _operation(endpoint, components, keyed)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Rostra", "version": version("rostra"), "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(each.group for each in endpoints)],
        "paths": paths,
        "components": {"schemas": components.schemas},
    }
    if keyed:
        document["components"] |= {"securitySchemes": _SECURITY}
    return document


def _models(endpoints: Iterable[Endpoint]) -> Iterable[type[BaseModel]]:
    for endpoint in endpoints:
        for model in (
            endpoint.request,
            endpoint.query,
            endpoint.answer,
            endpoint.events,
            endpoint.error,
        ):
            if isinstance(model, type):
                yield model


def _operation(endpoint: Endpoint, components: Components, keyed: bool) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__name__,
        "summary": endpoint.summary,
        "tags": [endpoint.group],
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    parameters = [_parameter(name) for name in _PARAMETER.findall(endpoint.public_path)]
    if endpoint.query is not None:
        properties = components.schemas[endpoint.query.__name__]["properties"]
        parameters += [
            {"name": name, "in": "query", "schema": schema} for name, schema in properties.items()
        ]
    if parameters:
        operation["parameters"] = parameters
    if endpoint.request is not None:
        content = {"schema": components.reference(endpoint.request)}
        if endpoint.example:
            content["example"] = endpoint.example
        operation["requestBody"] = {"required": True, "content": {JSON: content}}
    operation["responses"] = _responses(endpoint, components, keyed)
    if keyed:
        operation["security"] = [] if endpoint.public else [{name: []} for name in _SECURITY]
    return operation


def _parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _responses(endpoint: Endpoint, components: Components, keyed: bool) -> dict[str, Any]:
    answer = _content(endpoint.answer, components)
    if endpoint.events is not None:
        answer[EVENT_STREAM] = {"schema": _event(endpoint, components)}
    error = _content(endpoint.error, components)
    responses = dict.fromkeys((200, *endpoint.also), answer)
    responses |= dict.fromkeys(endpoint.error_statuses(keyed=keyed), error)
    return {
        str(status): {
            "description": _STATUSES[status],
            "headers": {
                name: {"description": description, "schema": {"type": "string"}}
                for name, description in _HEADERS.get(status, {}).items()
            },
            "content": content,
        }
        for status, content in sorted(responses.items())
    }


def _event(endpoint: Endpoint, components: Components) -> dict[str, Any]:
    """One event of a stream, as OpenAPI 3.2 describes them."""
    assert endpoint.events is not None
    models = (endpoint.events, endpoint.error)
    data = {
        "contentMediaType": JSON,
        "contentSchema": {"anyOf": [components.reference(model) for model in models]},
    }
    if endpoint.named_events:
        properties = {"event": {"type": "string"}, "data": {"type": "string", **data}}
    else:
        properties = {"data": {"type": "string", "anyOf": [data, {"const": "[DONE]"}]}}
    return {
        "type": "object",
        "description": "With `stream`: one of the server-sent events.",
        "properties": properties,
        "required": list(properties),
    }


def _content(answer: type[BaseModel] | str, components: Components) -> dict[str, Any]:
    if isinstance(answer, str):
        return {answer: {"schema": {"type": "object" if answer == JSON else "string"}}}
    return {JSON: {"schema": components.reference(answer)}}
