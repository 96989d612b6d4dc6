"""What the choice of a worker needs to know of one request."""

from __future__ import annotations

from typing import Any

from rostra.gateway.routing.affinity import Prefix, affinity_of, prefix_of
from rostra.gateway.routing.agreement import Agreement
from rostra.gateway.routing.policy import Affinity


class Route:
    """Which models may answer, and what the request has in common with others.

    Its prompt is read when a policy asks for it, and then once for each model.
    """

    def __init__(
        self,
        asked: str,
        models: tuple[str, ...],
        request: Any = None,
        session: int | None = None,
        agreement: Agreement | None = None,
    ) -> None:
        """`agreement`: with other routes of the same request."""
        self.asked = asked
        """The name that the client used."""
        self._models = models
        self._agreement = agreement
        self._request = request
        self._session = session
        self._prefixes: dict[str, Prefix] = {}

    @property
    def models(self) -> tuple[str, ...]:
        """In the order in which they are tried."""
        if self._agreement is None:
            return self._models
        return self._agreement.open_to(self, self._models)

    @property
    def alone(self) -> Route:
        """The same without an agreement."""
        return Route(self.asked, self._models, self._request, self._session)

    def take(self, model: str) -> None:
        """It is dispatched to this one of the models."""
        if self._agreement is not None:
            self._agreement.hold(self, model)

    def lost(self) -> bool:
        """What was dispatched is lost, and nothing of it was passed on. Whether that matters to
        others."""
        if self._agreement is not None:
            self._agreement.release(self)
        return self._agreement is not None

    def prefix(self, model: str) -> Prefix:
        """`model`: the name by which all gateways know it."""
        if model not in self._prefixes:
            self._prefixes[model] = prefix_of(self._request, model)
        return self._prefixes[model]

    def affinity(self, model: str) -> Affinity:
        return affinity_of(self.prefix(model), self._session)
