"""One operation of the API: what serves it, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web
from pydantic import BaseModel

from rostra.gateway.api_keys import Scope
from rostra.gateway.schemas.answers.errors import ErrorAnswer
from rostra.gateway.schemas.fields import Schema

if TYPE_CHECKING:
    from rostra.gateway.settings import GatewaySettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_MATCHED = re.compile(r"\{(\w+):[^}]*\}")

BODY_ERRORS = (400, 408, 413, 415)
"""Of every operation that reads a body."""
WORKER_ERRORS = (404, 409, 410, 429, 502, 503, 504)
"""Of every operation that asks a worker of a model."""


@dataclass(frozen=True, eq=False)
class Endpoint:
    """The routes and the OpenAPI document are both made from these, so neither can have what the
    other lacks."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    """In aiohttp's notation: `/v1/models/{model:.+}`."""
    handler: Handler
    summary: str
    group: str
    """The heading under which the document lists it."""
    answer: type[BaseModel] | str
    """The model of the answer in JSON, or the content type of another."""
    request: type[Schema] | None = None
    """The model that the body is validated against."""
    query: type[Schema] | None = None
    """The model of what may stand in the query of the address."""
    events: type[BaseModel] | None = None
    """The model of each event's data, where the answer can be streamed."""
    named_events: bool = False
    """Whether events have names; streams of those without end with `[DONE]`."""
    errors: tuple[int, ...] = ()
    """Every status of an error except 401, 403 and 500, which follow from the rest."""
    error: type[BaseModel] = ErrorAnswer
    """The model of the answer when the status is an error."""
    also: tuple[int, ...] = ()
    """Statuses other than 200 that come with `answer`."""
    public: bool = False
    """Whether it is open to callers without an API key."""
    scope: Scope = "inference"
    """What an API key has to be for, where it is not public."""
    description: str = ""
    aliases: tuple[str, ...] = ()
    """Other paths, of other servers, at which the same is served; only `description` tells them."""
    example: dict[str, Any] | None = None
    """A body, for the reader to try."""
    client: str = ""
    """How a client library calls it: `openai.chat.completions.create`."""

    def scope_in(self, settings: GatewaySettings) -> Scope | None:
        """What a key has to be for; None where nobody needs one."""
        if self.public and not (self.path == "/metrics" and settings.metrics_key):
            return None
        return self.scope

    @property
    def public_path(self) -> str:
        """In OpenAPI's notation: `/v1/models/{model}`."""
        return _MATCHED.sub(r"{\1}", self.path)

    def routes(self) -> list[web.RouteDef]:
        # `web.get` answers HEAD too.
        make = {"GET": web.get, "POST": web.post, "DELETE": web.delete}[self.method]
        return [make(path, self.handler) for path in (self.path, *self.aliases)]

    def error_statuses(self, *, keyed: bool) -> tuple[int, ...]:
        """Every status of an error; `keyed` where callers need an API key."""
        statuses = (*self.errors, 500)
        if keyed and not self.public:
            statuses += (401, 403)
        return statuses
