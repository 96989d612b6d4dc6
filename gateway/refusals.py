"""Which members cannot answer a request as it is, and why."""

from __future__ import annotations

from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, Generic

import grpc

from rostra.gateway.grpc_status import unsupported
from rostra.gateway.images import NO_IMAGES, first_image
from rostra.gateway.link import Link
from rostra.gateway.rpc_types import RequestT

if TYPE_CHECKING:
    from rostra.gateway.router import Router
    from rostra.gateway.routing.route import Route


class Refusals(Generic[RequestT]):
    """What each member would say to one request, by its address and the model there."""

    def __init__(self, router: Router, route: Route, request: RequestT) -> None:
        self._router = router
        self._route = route
        self._request = request
        self._known: dict[tuple[str, str], grpc.aio.AioRpcError | None] = {}

    def of(self, link: Link, model: str) -> grpc.aio.AioRpcError | None:
        """None where it can answer."""
        if link.external:
            place = (link.address, model)
            if place not in self._known:
                self._known[place] = link.refusal(self._asking(model))
            return self._known[place]
        if self._image is None or link.models[model].takes_images:
            return None
        return unsupported(self._image, NO_IMAGES)

    def _asking(self, model: str) -> RequestT:
        """The request, of this model."""
        if model == self._request.model:
            return self._request
        request = deepcopy(self._request)
        request.model = model
        return request

    @cached_property
    def _image(self) -> str | None:
        """The field of an image, where it matters to who can answer: else the worker refuses it."""
        choosy = self._router.some_take_images(self._route)
        return first_image(self._request) if choosy else None
