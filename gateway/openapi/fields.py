"""What a reader is told of the fields of a schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from rostra.gateway.schemas.fields import SUPPORT

_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "{} or more characters",
    "maxLength": "at most {} characters",
    "minItems": "{} or more items",
    "maxItems": "at most {} items",
    "pattern": "matches {}",
}
_MAX_DEPTH = 6


@dataclass
class FieldNote:
    """One row of the page."""

    name: str
    type: str
    required: bool
    support: str
    """`refused`, `hint` or empty."""
    limits: str
    description: str
    inner: list[FieldNote] = field(default_factory=list)


class FieldNotes:
    """Reads the schemas of a document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]

    def of(self, schema: dict[str, Any], depth: int = 0) -> list[FieldNote]:
        """A row for each property of an object; a union's members one after the other."""
        notes: dict[str, FieldNote] = {}
        for known in self._objects(schema):
            required = known.get("required", ())
            for name, inner in known.get("properties", {}).items():
                note = self._note(name, inner, name in required, depth)
                notes.setdefault(name, note)
        # What must be given comes first; what is refused is of the least interest.
        return sorted(notes.values(), key=lambda note: (not note.required, note.support != ""))

    def _note(self, name: str, schema: dict[str, Any], required: bool, depth: int) -> FieldNote:
        return FieldNote(
            name=name,
            type="" if schema.get(SUPPORT) else self._type(schema),
            required=required,
            support=schema.get(SUPPORT, ""),
            limits=", ".join(dict.fromkeys(self._limits(schema))),
            description=self._description(schema),
            inner=self.of(schema, depth + 1) if depth < _MAX_DEPTH else [],
        )

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def _members(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        """Of a union, without null, which every optional field takes. An object's own are rules
        between its fields."""
        if "properties" in schema:
            return []
        members = schema.get("anyOf") or schema.get("oneOf") or []
        return [member for member in members if member.get("type") != "null"]

    def _objects(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        schema = self._resolved(schema)
        if "properties" in schema:
            yield schema
        elif schema.get("type") == "array":
            yield from self._objects(schema.get("items", {}))
        for member in self._members(schema):
            yield from self._objects(member)

    def _type(self, schema: dict[str, Any]) -> str:
        schema = self._resolved(schema)
        if members := self._members(schema):
            return " or ".join(dict.fromkeys(self._type(member) for member in members))
        if "const" in schema or "enum" in schema:
            values = schema.get("enum", [schema.get("const")])
            return " | ".join(orjson.dumps(value).decode() for value in values if value is not None)
        match schema.get("type"):
            case "array":
                return f"list of {self._type(schema.get('items', {}))}"
            case "object" if "properties" not in schema:
                values = schema.get("additionalProperties")
                return f"object of {self._type(values)}" if isinstance(values, dict) else "object"
            case str(name):
                return name
            case _:
                return "any"

    def _limits(self, schema: dict[str, Any]) -> Iterator[str]:
        schema = self._resolved(schema)
        for keyword, words in _LIMITS.items():
            # A string that is not empty needs no words.
            if keyword in schema and (keyword, schema[keyword]) != ("minLength", 1):
                yield words.format(schema[keyword])
        for member in self._members(schema):
            if "properties" not in self._resolved(member):
                yield from self._limits(member)

    def _description(self, schema: dict[str, Any]) -> str:
        if "description" in schema:
            return str(schema["description"])
        described = (
            member["description"] for member in self._members(schema) if "description" in member
        )
        return next(described, "")
