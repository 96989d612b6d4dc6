"""An OpenID Connect provider for one user at a time, with an RSA key of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlencode

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT = "rostra-arena"
SECRET = "a secret: with + and ü"


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public(key: rsa.RSAPrivateKey, kid: str = "one") -> dict[str, Any]:
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {"keys": [{**jwk, "kid": kid, "use": "sig"}]}


class OpenIdProvider:
    """Checks what a client sends as a provider must: its secret by HTTP Basic, the address it
    redirects to, the code once, and the verifier of PKCE."""

    def __init__(self) -> None:
        self.key = rsa_key()
        self.signs_with = self.key
        self.user: dict[str, Any] = {}
        """Claims of the next one who logs in."""
        self.told_apart: dict[str, Any] = {}
        """Claims that only the userinfo endpoint tells."""
        self.spoils: dict[str, Any] = {}
        """Claims of the id token that are replaced, None for one that is left out."""
        self.issuer = ""
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/keys", self._keys)
        app.router.add_get("/userinfo", self._userinfo)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.issuer = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _configuration(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
            }
        )

    async def _keys(self, _request: web.Request) -> web.Response:
        return web.json_response(public(self.key))

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.asked.append(asked)
        code = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
        self._codes[code] = asked
        raise web.HTTPFound(
            f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
        )

    async def _token(self, request: web.Request) -> web.Response:
        form = parse_qs(await request.text())
        sent = {name: values[0] for name, values in form.items()}
        expected = urlencode({CLIENT: SECRET}).replace("=", ":", 1)
        basic = f"Basic {base64.b64encode(expected.encode()).decode()}"
        asked = self._codes.pop(sent.get("code", ""), None)
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        if (
            request.headers.get("Authorization") != basic
            or asked is None
            or sent["redirect_uri"] != asked["redirect_uri"]
            or base64.urlsafe_b64encode(digest).decode().rstrip("=") != asked["code_challenge"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.user,
            **self.spoils,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode(claims, self.signs_with, algorithm="RS256", headers={"kid": "one"})
        return web.json_response(
            {"access_token": "access", "token_type": "Bearer", "id_token": token}
        )

    async def _userinfo(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer access":
            return web.json_response({}, status=401)
        return web.json_response({**self.user, **self.told_apart})
