"""The forms in which a verdict can be asked for, and which of them a judge's server takes.

The first holds the model to the schema, the last only tells it of it; all are read as strictly.
Each is tried once, on the first row: a server that refuses one, or takes it and does not follow it,
is asked in the next, and what it answers in is kept to from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Literal, get_args

Form = Literal["json_schema", "tool", "json_object", "json"]
FORMS: tuple[Form, ...] = get_args(Form)
WORDS: dict[Form, str] = {
    "json_schema": "a JSON schema",
    "tool": "a call of a tool",
    "json_object": "JSON without a schema",
    "json": "a prompt that wants JSON",
}
"""As `asked by ...`."""


class Forms:
    """Those of one judge."""

    def __init__(
        self,
        first: Form,
        known: Form | None = None,
        settled: Callable[[Form, Mapping[Form, str]], None] = lambda *_: None,
    ) -> None:
        """`known`: what its server was found to take before. `settled` is told the form that is
        kept to, and why each before it is not."""
        self._left = FORMS[FORMS.index(first) :]
        self._kept = known if known in self._left else None
        self._settled = settled
        self._lock = asyncio.Lock()

    @property
    def kept(self) -> Form | None:
        """The form to ask in; None while that is not known."""
        return self._kept

    @property
    def left(self) -> tuple[Form, ...]:
        """Those that can be tried, the strictest first."""
        return self._left

    def trying(self) -> AbstractAsyncContextManager[None]:
        """One row at a time tries them; others wait, and then need not."""
        return self._lock

    def keep(self, form: Form, given_up: Mapping[Form, str]) -> None:
        self._kept = form
        self._settled(form, given_up)
