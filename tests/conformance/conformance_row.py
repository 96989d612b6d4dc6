"""One row of the table: a field of a request, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

Verdict = Literal["honoured", "refused", "hint", "not applicable"]


@dataclass(frozen=True)
class Seen:
    """What one request led to."""

    sent: Any
    """The first request that reached the worker; None where none did."""
    answer: Any
    """The JSON of the answer, or the list of its events."""


Proof = Callable[[Seen], object]


@dataclass(frozen=True)
class Row:
    field: str
    """With a dot: a field of an object."""
    verdict: Verdict
    note: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    """Of the request, with the field in it; headers where it is not applicable."""
    without: Mapping[str, Any] = field(default_factory=dict)
    """The same without the field."""
    proof: Proof | None = None
    """Of an honoured field: true of `body`, and not of `without`."""
    taken: tuple[Mapping[str, Any], ...] = ()
    """Bodies with values that a field takes which is refused otherwise."""
    param: str = ""
    """What the error of a refused field names."""


def honoured(name: str, value: Any, proof: Proof, note: str = "", **besides: Any) -> Row:
    """The field reaches the worker or changes the answer. `besides` are fields that it needs."""
    return Row(name, "honoured", note, nested(name, value, besides), besides, proof)


def refused(
    name: str,
    value: Any,
    note: str = "",
    *,
    takes: tuple[Any, ...] = (),
    param: str = "",
    **besides: Any,
) -> Row:
    """A 400 names the field. `takes` are the values that ask for what happens anyway."""
    if takes and not note:
        note = "except " + " and ".join(f"`{_written(each)}`" for each in takes)
    return Row(
        name,
        "refused",
        note,
        nested(name, value, besides),
        besides,
        taken=tuple(nested(name, each, besides) for each in takes),
        param=param or name,
    )


def hint(name: str, value: Any, note: str = "", **besides: Any) -> Row:
    """The same request reaches the worker with and without it."""
    return Row(name, "hint", note, nested(name, value, besides), besides)


def not_applicable(name: str, headers: Mapping[str, str], note: str) -> Row:
    """A field that the client sends as headers, and that asks nothing of an answer. They change
    none."""
    return Row(name, "not applicable", note, headers)


def nested(name: str, value: Any, besides: Mapping[str, Any]) -> dict[str, Any]:
    """`besides` with a field set, of an object inside where the name has a dot."""
    first, _, rest = name.partition(".")
    if rest:
        return {**besides, first: nested(rest, value, besides.get(first, {}))}
    return {**besides, first: value}


def _written(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def told(*path: Any) -> Callable[[Any], Any]:
    """Reads a path of keys and positions from JSON."""

    def read(document: Any) -> Any:
        for step in path:
            document = document[step]
        return document

    return read
