"""What a page tells its browser, kept as attributes of the page."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")


class Told(Generic[Value]):
    """An attribute whose value stands in the page's `told`, and is told whenever it is set."""

    def __init__(self, first: Value, doc: str = "") -> None:
        """`first`: what it is before it is set."""
        self.first = first
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, page: None, owner: type) -> Told[Value]: ...
    @overload
    def __get__(self, page: Any, owner: type) -> Value: ...
    def __get__(self, page: Any, owner: type) -> Told[Value] | Value:
        if page is None:
            return self
        value: Value = page.told[self._name]
        return value

    def __set__(self, page: Any, value: Value) -> None:
        page._tell(**{self._name: value})


def first(kind: type) -> dict[str, Any]:
    """What a page of the kind tells before anything is set, by name."""
    return {
        name: deepcopy(value.first) for name, value in vars(kind).items() if isinstance(value, Told)
    }
