"""Who asks, and what they may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from rostra.gateway.api_keys import ApiKey, Scope
from rostra.gateway.errors import (
    ApiError,
    api_key_disabled,
    api_key_expired,
    invalid_api_key,
    model_not_allowed,
    scope_not_allowed,
)
from rostra.gateway.key_ring import KeyRing
from rostra.gateway.keys import DISPATCHER, EXCHANGE, FLEET, KEYS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def authentication(keys: KeyRing, scopes: Mapping[Handler, Scope | None]) -> Middleware:
    """Lets nobody without a key of its scope reach any handler but those whose scope is None."""

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        # What has no route is told so to those with a key alone.
        asked = request.match_info.handler
        scope = scopes.get(asked)
        if asked not in scopes or scope is not None:
            key = _key(request, keys)
            if scope is not None and scope not in key.scopes:
                raise scope_not_allowed(scope, key.scopes)
            request[EXCHANGE].key = key
        return await handler(request)

    return authenticate


def may_operate(request: web.Request) -> bool:
    """Whether whoever asks may see the mesh: where there are keys, only by one of that scope. For
    what is answered to everybody, in part."""
    keys = request.app[KEYS]
    if keys is None:
        return True
    try:
        return "operate" in _key(request, keys).scopes
    except ApiError:
        return False


def check_model(request: web.Request, model: str) -> None:
    """Raises ApiError (403) where the caller's key is not for this model."""
    key = request[EXCHANGE].key
    if key is None or key.allows([model]):
        return
    named = request.app[DISPATCHER].router.names.find(model)
    if named is not None and key.allows([named[0], *named[1].aliases]):
        return
    # Two workers may have one alias for two models.
    called = request.app[FLEET].called(model)
    if not called or not all(key.allows([info.name, *info.aliases]) for info in called):
        raise model_not_allowed(model)


def _key(request: web.Request, keys: KeyRing) -> ApiKey:
    """The header of the OpenAI API, or that of Anthropic's, whichever has a key that is known."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    given = [token.strip() if scheme.lower() == "bearer" else "", request.headers.get("x-api-key")]
    secrets = [secret for secret in given if secret]
    for secret in secrets:
        if (key := keys.find(secret)) is not None:
            return _in_force(key)
    raise invalid_api_key(
        "This API key is not known here"
        if secrets
        else "Send an API key: Authorization: Bearer KEY, or x-api-key: KEY"
    )


def _in_force(key: ApiKey) -> ApiKey:
    if key.disabled:
        raise api_key_disabled()
    if key.expires is not None and key.expired(datetime.now(UTC)):
        raise api_key_expired(key.expires)
    return key
