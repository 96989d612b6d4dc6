"""Login with an account of elsewhere: the authorization code flow of OAuth 2 (RFC 6749, section
4.1) with PKCE (RFC 7636), and of OpenID Connect Core 1.0 the id token with its nonce.

Panel's own handlers know the addresses of providers, which `endpoints` takes from them. They do
not do for the flow: they let a request without a state pass for one whose state is the same, take
tokens whose signature nobody looked at, and keep access tokens in cookies.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

import aiohttp
import jwt

from rostra.arena.access.endpoints import Endpoints, LoginFailedError, answer, find
from rostra.arena.access.login import Login
from rostra.arena.access.settings import OAuthSettings

SECRET_VARIABLE = "ROSTRA_OAUTH_SECRET"
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Of signatures that only the holder of a private key can make."""
LEEWAY = 60
"""Seconds that clocks may differ."""
_TIMEOUT = aiohttp.ClientTimeout(total=15)


@dataclass(frozen=True)
class Attempt:
    """What the browser keeps, signed, from its leaving for the provider to its return."""

    state: str
    nonce: str
    verifier: str
    next: str

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Attempt:
        return cls(**json.loads(text))


class Accounts:
    def __init__(self, settings: OAuthSettings) -> None:
        self._settings = settings
        self._secret = settings.client_secret or os.environ.get(SECRET_VARIABLE)

    async def begin(self, redirect_uri: str, next_path: str) -> tuple[str, Attempt]:
        """Where the browser goes, and what it keeps. Raises `LoginFailedError`."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
            endpoints = await find(self._settings, http)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        attempt = Attempt(state, nonce, verifier, next_path)
        digest = hashlib.sha256(attempt.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "state": attempt.state,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        scopes = self._settings.scopes
        if self._settings.speaks_openid:
            asked["nonce"] = attempt.nonce
            scopes = scopes or ("openid", "email", "profile")
        if scopes:
            asked["scope"] = " ".join(scopes)
        joint = "&" if "?" in endpoints.authorize else "?"
        return f"{endpoints.authorize}{joint}{urlencode(asked)}", attempt

    async def finish(self, attempt: Attempt, state: str, code: str, redirect_uri: str) -> Login:
        """Who has come back. Raises `LoginFailedError`."""
        if not hmac.compare_digest(state.encode(), attempt.state.encode()):
            raise LoginFailedError("the answer is to another login than the browser began")
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
            endpoints = await find(self._settings, http)
            tokens = await self._tokens(http, endpoints, attempt, code, redirect_uri)
            if self._settings.speaks_openid:
                claims = await self._claims(http, endpoints, attempt, tokens)
                return self._login(str(claims["sub"]), "", claims)
            user = await _user(http, endpoints, tokens)
        return self._login(*_names(user), user)

    async def _tokens(
        self,
        http: aiohttp.ClientSession,
        endpoints: Endpoints,
        attempt: Attempt,
        code: str,
        redirect_uri: str,
    ) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._settings.client_id,
            "code_verifier": attempt.verifier,
        }
        headers = {"Accept": "application/json"}
        if self._secret and endpoints.basic:
            pair = ":".join(map(quote_plus, (self._settings.client_id, self._secret)))
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        elif self._secret:
            form["client_secret"] = self._secret
        return await answer(http.post(endpoints.token, data=form, headers=headers), "the tokens")

    async def _claims(
        self,
        http: aiohttp.ClientSession,
        endpoints: Endpoints,
        attempt: Attempt,
        tokens: dict[str, Any],
    ) -> dict[str, Any]:
        """OpenID Connect Core 1.0, sections 3.1.3.7 and 5.3."""
        said = await answer(http.get(endpoints.keys or ""), "its keys")
        claims = verified(
            str(tokens.get("id_token", "")), said, self._settings.realm, self._settings.client_id
        )
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), attempt.nonce.encode()):
            raise LoginFailedError("the id token is of another login")
        wanted = {"email", *([self._settings.groups_claim] if self._asks_groups else [])}
        if endpoints.user is not None and not wanted <= set(claims):
            user = await _user(http, endpoints, tokens)
            if user.get("sub") != claims["sub"]:
                raise LoginFailedError("the provider told of another user than its id token")
            claims = {**user, **claims}
        return claims

    @property
    def _asks_groups(self) -> bool:
        return any(rule.members_of for rule in self._settings.allow)

    def _login(self, subject: str, user: str, claims: dict[str, Any]) -> Login:
        email = claims.get("email")
        said = claims.get("email_verified")
        # Some providers write it as text.
        is_verified = said is True or said == "true"
        groups = claims.get(self._settings.groups_claim)
        return Login(
            "oauth",
            self._settings.realm,
            subject=subject,
            user=user,
            email=str(email) if email and (is_verified or self._settings.unverified_emails) else "",
            member_of=tuple(map(str, groups)) if isinstance(groups, list) else (),
        )


def verified(token: str, keys: dict[str, Any], issuer: str, client_id: str) -> dict[str, Any]:
    """The claims of an id token that `issuer` signed for `client_id`. Raises `LoginFailedError`."""
    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise LoginFailedError("the id token is not signed with a private key")
        named = [
            key
            for key in jwt.PyJWKSet.from_dict(keys)
            if header.get("kid") in (None, key.key_id) and key.public_key_use in (None, "sig")
        ]
        if len(named) != 1:
            raise LoginFailedError("the id token is signed with a key that is not its issuer's")
        claims: dict[str, Any] = jwt.decode(
            token,
            named[0].key,
            algorithms=[algorithm],
            audience=client_id,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError as error:
        raise LoginFailedError(f"the id token is not valid: {type(error).__name__}") from None
    audiences = claims["aud"]
    several = isinstance(audiences, list) and len(audiences) > 1
    if (several or "azp" in claims) and claims.get("azp") != client_id:
        raise LoginFailedError("the id token was made for another client")
    return claims


async def _user(
    http: aiohttp.ClientSession, endpoints: Endpoints, tokens: dict[str, Any]
) -> dict[str, Any]:
    if not tokens.get("access_token"):
        raise LoginFailedError("the provider gave no access token")
    headers = {
        "Authorization": f"Bearer {tokens['access_token']}",
        "Accept": "application/json",
    }
    return await answer(http.get(endpoints.user or "", headers=headers), "the user")


def _names(user: dict[str, Any]) -> tuple[str, str]:
    """The unchanging and the spoken name, as GitHub and Bitbucket give them."""
    subject = user.get("id") or user.get("uuid")
    if not subject:
        raise LoginFailedError("the provider told of a user without a number")
    return str(subject), str(user.get("login") or user.get("username") or "")
