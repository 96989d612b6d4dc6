"""The document and its page as they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import orjson

from rostra.gateway.endpoint import Endpoint
from rostra.gateway.openapi.document import openapi
from rostra.gateway.openapi.page import render


class PublishedDocument:
    """Made when somebody asks for it first, and kept."""

    def __init__(self, endpoints: Sequence[Endpoint], *, keyed: bool) -> None:
        self._endpoints = endpoints
        self._keyed = keyed

    @cached_property
    def json(self) -> bytes:
        return orjson.dumps(self._document)

    @cached_property
    def page(self) -> bytes:
        return render(self._document, self._endpoints).encode()

    @cached_property
    def _document(self) -> dict[str, Any]:
        return openapi(self._endpoints, keyed=self._keyed)
