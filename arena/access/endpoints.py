"""Where a provider of accounts is asked: by discovery, or as Panel knows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import aiohttp
import panel as pn
from panel.auth import AUTH_PROVIDERS

from rostra.arena.access.settings import OAuthSettings

MOST_BYTES = 1 << 20
"""Of one answer."""


class LoginFailedError(Exception):
    """A login that the provider or its answers spoilt. The line is for the operator's log: it names
    no person, code or token."""


@dataclass(frozen=True)
class Endpoints:
    authorize: str
    token: str
    user: str | None
    """Tells of the user that an access token is of."""
    keys: str | None = None
    """Of OpenID Connect: what signs its tokens (RFC 7517)."""
    basic: bool = False
    """Whether a client says its secret by HTTP Basic, and not in the form."""


async def find(settings: OAuthSettings, http: aiohttp.ClientSession) -> Endpoints:
    """Raises `LoginFailedError`."""
    return await _discover(settings, http) if settings.speaks_openid else _known(settings)


async def _discover(settings: OAuthSettings, http: aiohttp.ClientSession) -> Endpoints:
    """OpenID Connect Discovery 1.0, section 4."""
    issuer = settings.realm
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    said = await answer(http.get(url), "its configuration")
    if said.get("issuer") != issuer:
        raise LoginFailedError(f"the configuration of {issuer} says that it is another issuer's")
    try:
        # A server that does not say takes HTTP Basic, which is the default of the standard.
        methods = said.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return Endpoints(
            authorize=str(said["authorization_endpoint"]),
            token=str(said["token_endpoint"]),
            user=str(said["userinfo_endpoint"]) if "userinfo_endpoint" in said else None,
            keys=str(said["jwks_uri"]),
            basic="client_secret_post" not in methods,
        )
    except KeyError as error:
        raise LoginFailedError(f"the configuration of {issuer} lacks {error}") from None


def _known(settings: OAuthSettings) -> Endpoints:
    kind = AUTH_PROVIDERS[settings.provider]
    # Panel's are handlers of requests, of which only the addresses are wanted here.
    provider: Any = kind.__new__(kind)
    config: Any = pn.config
    before, config.oauth_extra_params = config.oauth_extra_params, settings.provider_settings
    try:
        return Endpoints(
            authorize=provider._OAUTH_AUTHORIZE_URL,
            token=provider._OAUTH_ACCESS_TOKEN_URL,
            user=provider._OAUTH_USER_URL.partition("?")[0],
        )
    finally:
        config.oauth_extra_params = before


async def answer(request: Any, what: str) -> dict[str, Any]:
    """The JSON object that a request of aiohttp is answered with. Raises `LoginFailedError`."""
    try:
        async with request as response:
            body = await response.content.read(MOST_BYTES)
            # OAuth's own errors have a name; what else is said may hold a code or an address.
            if response.status != 200:
                raise LoginFailedError(f"the provider answered {response.status} for {what}")
            said = json.loads(body)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise LoginFailedError(
            f"the provider gave no usable answer for {what}: {type(error).__name__}"
        ) from None
    if not isinstance(said, dict):
        raise LoginFailedError(f"the provider gave no object for {what}")
    return said
