"""The page that shows the document: one file, which asks for nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from rostra.gateway.endpoint import Endpoint
from rostra.gateway.openapi.document import EVENT_STREAM, JSON
from rostra.gateway.openapi.fields import FieldNotes
from rostra.gateway.openapi.samples import samples

_CODE = re.compile(r"`([^`]+)`")


def render(document: dict[str, Any], endpoints: Sequence[Endpoint]) -> str:
    """The page of a document that was made from these endpoints."""
    notes = FieldNotes(document)
    groups: dict[str, list[dict[str, Any]]] = {}
    for endpoint in endpoints:
        operation = document["paths"][endpoint.public_path][endpoint.method.lower()]
        groups.setdefault(endpoint.group, []).append(
            {
                "id": operation["operationId"],
                "method": endpoint.method,
                "path": endpoint.public_path,
                "summary": operation["summary"],
                "description": operation.get("description", ""),
                "query": notes.of(_query(operation)),
                "fields": notes.of(_schema(operation.get("requestBody", {}))),
                "answer": notes.of(_schema(operation["responses"]["200"])),
                "events": endpoint.events is not None,
                "event_fields": notes.of(_event_schema(operation)),
                "statuses": {
                    status: response["description"]
                    for status, response in operation["responses"].items()
                },
                "samples": samples(endpoint),
            }
        )
    return _template().render(
        info=document["info"],
        groups=groups,
        keyed="securitySchemes" in document["components"],
        style=Markup(_part("reference.css")),
        script=Markup(_part("reference.js")),
    )


def _schema(carrier: dict[str, Any]) -> dict[str, Any]:
    """Of a body or a response that has JSON."""
    schema: dict[str, Any] = carrier.get("content", {}).get(JSON, {}).get("schema", {})
    return schema


def _query(operation: dict[str, Any]) -> dict[str, Any]:
    """What may stand in the address, as an object."""
    parameters = operation.get("parameters", [])
    return {
        "properties": {each["name"]: each["schema"] for each in parameters if each["in"] == "query"}
    }


def _event_schema(operation: dict[str, Any]) -> dict[str, Any]:
    """Of the data of its events."""
    content = operation["responses"]["200"]["content"]
    if EVENT_STREAM not in content:
        return {}
    data = content[EVENT_STREAM]["schema"]["properties"]["data"]
    schema: dict[str, Any] = data.get("anyOf", [data])[0]["contentSchema"]
    return schema


def _code_marks(text: str) -> Markup:
    """`x` as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def _breakable(path: str) -> Markup:
    """A path that may be broken after its slashes."""
    return escape(path).replace("/", Markup("/<wbr>"))


@cache
def _template() -> Template:
    environment = Environment(
        loader=DictLoader({"page": _part("reference.html")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"code_marks": _code_marks, "breakable": _breakable}
    return environment.get_template("page")


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
