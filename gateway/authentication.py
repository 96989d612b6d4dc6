"""Who asks, and what they may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from rostra.gateway.api_keys import ApiKey, ApiKeys
from rostra.gateway.errors import invalid_api_key, model_not_allowed
from rostra.gateway.keys import EXCHANGE, FLEET

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def authentication(keys: ApiKeys, public: Collection[Handler]) -> Middleware:
    """Lets nobody without a key reach any handler but the public ones."""

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.handler not in public:
            request[EXCHANGE].key = _key(request, keys)
        return await handler(request)

    return authenticate


def check_model(request: web.Request, model: str) -> None:
    """Raises ApiError (403) where the caller's key is not for this model."""
    key = request[EXCHANGE].key
    if key is None or key.allows([model]):
        return
    # Two workers may have one alias for two models.
    called = request.app[FLEET].called(model)
    if not called or not all(key.allows([info.name, *info.aliases]) for info in called):
        raise model_not_allowed(model)


def _key(request: web.Request, keys: ApiKeys) -> ApiKey:
    """The header of the OpenAI API, or that of Anthropic's, whichever has a key that is known."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    given = [token.strip() if scheme.lower() == "bearer" else "", request.headers.get("x-api-key")]
    secrets = [secret for secret in given if secret]
    for secret in secrets:
        if (key := keys.find(secret)) is not None:
            return key
    raise invalid_api_key(
        "This API key is not known here"
        if secrets
        else "Send an API key: Authorization: Bearer KEY, or x-api-key: KEY"
    )
