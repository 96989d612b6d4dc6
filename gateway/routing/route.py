"""What the choice of a worker needs to know of one request."""

from __future__ import annotations

from typing import Any

from rostra.gateway.routing.affinity import Prefix, affinity_of, prefix_of
from rostra.gateway.routing.policy import Affinity


class Route:
    """Which models may answer, and what the request has in common with others.

    Its prompt is read when a policy asks for it, and then once for each model.
    """

    def __init__(
        self, asked: str, models: tuple[str, ...], request: Any = None, session: int | None = None
    ) -> None:
        self.asked = asked
        """The name that the client used."""
        self.models = models
        """In the order in which they are tried."""
        self._request = request
        self._session = session
        self._prefixes: dict[str, Prefix] = {}

    def prefix(self, model: str) -> Prefix:
        """`model`: the name by which all gateways know it."""
        if model not in self._prefixes:
            self._prefixes[model] = prefix_of(self._request, model)
        return self._prefixes[model]

    def affinity(self, model: str) -> Affinity:
        return affinity_of(self.prefix(model), self._session)
