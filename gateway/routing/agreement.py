"""One model for all prompts of one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rostra.gateway.routing.route import Route


class Agreement:
    """Between the routes of several calls whose answers are told under one name of a model.

    The first that is dispatched decides. What was lost before any of its answer was passed on
    decides nothing any more, so that all of them may still fall back together.
    """

    def __init__(self) -> None:
        self._held: dict[Route, str] = {}

    def open_to(self, route: Route, models: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the models that this route may take."""
        others = {model for other, model in self._held.items() if other is not route}
        return tuple(model for model in models if model in others) if others else models

    def hold(self, route: Route, model: str) -> None:
        self._held[route] = model

    def release(self, route: Route) -> None:
        self._held.pop(route, None)
