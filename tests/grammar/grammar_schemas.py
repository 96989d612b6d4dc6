"""Random JSON Schemas that the documentation promises to follow."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NAMES = st.text('abcdef "\\/é\n', min_size=1, max_size=5)
VALUES = st.none() | st.booleans() | st.integers(-999, 999) | st.text(max_size=6)
PATTERNS = st.sampled_from([r"^[a-z]{2,4}$", r"^\d{3}-\d{2}$", r"^(yes|no)$", r"^a+b?$", r"x"])


@st.composite
def _numbers(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(st.integers(-1000, 1000))
    high = low + draw(st.integers(0, 500))
    schema: dict[str, Any] = {"type": draw(st.sampled_from(["integer", "number"]))}
    schema |= draw(st.sampled_from([{}, {"minimum": low}, {"minimum": low, "maximum": high}]))
    if schema["type"] == "integer" and draw(st.booleans()):
        schema = {"type": "integer", "multipleOf": draw(st.sampled_from([2, 5, 7]))}
    return schema


@st.composite
def _strings(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.booleans()):
        return {"type": "string", "pattern": draw(PATTERNS)}
    least = draw(st.integers(0, 5))
    return {"type": "string", "minLength": least, "maxLength": least + draw(st.integers(0, 5))}


def _leaves() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["null", "boolean"]}]),
        _numbers(),
        _strings(),
        st.builds(lambda values: {"enum": values}, st.lists(VALUES, min_size=1, max_size=4)),
        st.builds(lambda value: {"const": value}, VALUES | st.lists(VALUES, max_size=2)),
    )


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    properties = draw(st.dictionaries(NAMES, inner, max_size=4))
    required = (
        draw(st.lists(st.sampled_from(sorted(properties)), unique=True)) if properties else []
    )
    schema = {"type": "object", "properties": properties, "required": required}
    return schema | {"additionalProperties": draw(st.just(False) | inner)}


@st.composite
def _arrays(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    least = draw(st.integers(0, 2))
    schema = {"type": "array", "minItems": least, "maxItems": least + draw(st.integers(0, 2))}
    if draw(st.booleans()):
        return schema | {"items": draw(inner)}
    return {
        "type": "array",
        "prefixItems": draw(st.lists(inner, min_size=1, max_size=2)),
        "items": False,
    }


def _containers(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        _objects(inner),
        _arrays(inner),
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3)),
    )


schemas = st.recursive(_leaves(), _containers, max_leaves=6)
