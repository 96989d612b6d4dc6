"""The names of metrics and labels in an expression of PromQL, found by its grammar."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import promql_parser


class Used(NamedTuple):
    metric: str
    labels: frozenset[str]
    """By which it is selected, or that it is grouped by."""


def used(expression: str) -> list[Used]:
    """Raises ValueError for what is no PromQL."""
    return list(_walk(promql_parser.parse(expression), frozenset()))


def _walk(node: Any, labels: frozenset[str]) -> Iterator[Used]:
    match type(node).__name__:
        case "VectorSelector":
            matchers = node.matchers.matchers
            named = {matcher.name for matcher in matchers}
            assert node.name, "a selector without a name"
            yield Used(node.name, labels | named)
        case "MatrixSelector":
            yield from _walk(node.vector_selector, labels)
        case "AggregateExpr":
            # Of the names after "by" the metric must have all, whatever is between.
            grouped = set(node.modifier.labels) if node.modifier is not None else set()
            yield from _walk(node.expr, labels | grouped)
        case "Call":
            for argument in node.args:
                yield from _walk(argument, labels)
        case "BinaryExpr":
            matching = getattr(node.modifier, "matching", None) if node.modifier else None
            joined = set(matching.labels) if matching is not None else set()
            yield from _walk(node.lhs, labels | joined)
            yield from _walk(node.rhs, labels | joined)
        case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
            yield from _walk(node.expr, labels)
        case "NumberLiteral" | "StringLiteral":
            return
        case other:
            raise AssertionError(f"{other} is not known here")
