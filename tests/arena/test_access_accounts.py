"""Login with an account of elsewhere, against a provider that speaks OpenID Connect."""

from __future__ import annotations

import time

import aiohttp
import jwt
import pytest
import pytest_asyncio
from access_provider import CLIENT, SECRET, OpenIdProvider, public, rsa_key
from access_server import Browser, serving
from cryptography.hazmat.primitives import serialization

from rostra.arena.access.accounts import verified
from rostra.arena.access.endpoints import LoginFailedError, find
from rostra.arena.access.settings import OAuthSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADA = {"sub": "17", "email": "ada@example.org", "email_verified": True}
EVE = {"sub": "66", "email": "eve@evil.example", "email_verified": True}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider():
    provider = OpenIdProvider()
    await provider.start()
    yield provider
    await provider.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(provider, tmp_path_factory):
    access = {
        "guarded": ["analyst"],
        "oauth": {
            "issuer": provider.issuer,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "label": "Example",
            "allow": [
                {"domains": ["example.org"], "groups": ["staff"], "analyst": True},
                {"members_of": ["admins"], "admin": True},
                {"emails": ["guest@elsewhere.example"]},
            ],
        },
    }
    async with serving(tmp_path_factory.mktemp("arena"), access) as url:
        yield url


@pytest.fixture(autouse=True)
def as_it_was(provider):
    yield
    provider.user, provider.told_apart, provider.spoils = {}, {}, {}
    provider.signs_with = provider.key


async def log_in(browser: Browser, path: str = "/login/account?next=/analyst"):
    """To the provider and back."""
    response, _ = await browser.get(path)
    assert response.status == 302
    response, _ = await browser.get(response.headers["Location"])
    return await browser.get(response.headers["Location"])


async def test_a_whole_login(url, provider):
    provider.user = ADA
    async with Browser(url) as browser:
        _, page = await browser.get("/login?next=/analyst")
        assert "Log in with Example" in page
        assert 'href="/login/account?next=/analyst"' in page
        response, _ = await log_in(browser)
        assert (response.status, response.headers["Location"]) == (303, "/analyst")
        assert (await browser.get("/analyst"))[0].status == 200
        _, page = await browser.get("/login")
        assert "ada@example.org" in page
        assert "staff" in page
        asked = provider.asked[-1]
        assert asked["code_challenge_method"] == "S256"
        assert asked["scope"] == "openid email profile"
        assert asked["redirect_uri"] == f"{url}/login/callback"
        assert "rostra-login-attempt" not in browser.cookies()
        kept = str(browser.cookies())
        assert "access" not in kept.replace("rostra", ""), "no token of the provider is kept"


async def test_an_account_that_no_rule_lets_in(url, provider):
    provider.user = EVE
    async with Browser(url) as browser:
        response, page = await log_in(browser)
        assert response.status == 403
        assert "has not been let in here" in page
        assert "rostra-login" not in browser.cookies()
        assert (await browser.get("/analyst"))[0].status == 302
        assert (await browser.get("/how"))[0].status == 200, "guests vote as before"


async def test_a_guest_who_logged_in_is_no_analyst(url, provider):
    provider.user = {**EVE, "email": "Guest@elsewhere.example"}
    async with Browser(url) as browser:
        response, _ = await log_in(browser)
        assert response.status == 303
        response, _ = await browser.get("/analyst")
        assert response.headers["Location"].endswith("refused=1")


@pytest.mark.parametrize("verified_or_not", [None, False, "false", 1])
async def test_an_address_that_nobody_verified_is_none(url, provider, verified_or_not):
    provider.user = {**ADA, "email_verified": verified_or_not}
    async with Browser(url) as browser:
        assert (await log_in(browser))[0].status == 403


async def test_groups_that_the_userinfo_tells(url, provider):
    provider.user, provider.told_apart = EVE, {"groups": ["admins", "others"]}
    async with Browser(url) as browser:
        assert (await log_in(browser))[0].status == 303
        assert (await browser.get("/analyst"))[0].status == 200


async def test_the_userinfo_of_another_is_refused(url, provider):
    provider.user, provider.told_apart = EVE, {"groups": ["admins"], "sub": "17"}
    async with Browser(url) as browser:
        assert (await log_in(browser))[0].status == 502


@pytest.mark.parametrize(
    "spoils",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"azp": "another"},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"sub": None},
        {"iat": int(time.time()) + 10_000},
    ],
)
async def test_an_id_token_of_another_login_is_none(url, provider, spoils):
    provider.user, provider.spoils = ADA, spoils
    async with Browser(url) as browser:
        response, page = await log_in(browser)
        assert response.status == 502
        assert "The login at Example did not work" in page
        assert "rostra-login" not in browser.cookies()


async def test_an_id_token_that_somebody_else_signed_is_none(url, provider):
    provider.user, provider.signs_with = ADA, rsa_key()
    async with Browser(url) as browser:
        assert (await log_in(browser))[0].status == 502


async def test_an_answer_to_a_login_that_this_browser_did_not_begin(url, provider):
    """As when somebody is led into the account of an attacker."""
    provider.user = ADA
    async with Browser(url) as attacker, Browser(url) as victim:
        response, _ = await attacker.get("/login/account")
        response, _ = await attacker.get(response.headers["Location"])
        answer = response.headers["Location"]
        code = answer.partition("code=")[2].partition("&")[0]
        for forged in (
            answer,
            f"/login/callback?code={code}",
            f"/login/callback?code={code}&state=",
        ):
            assert (await victim.get(forged))[0].status == 403
        await victim.get("/login/account")
        assert (await victim.get(answer))[0].status == 502
        assert "rostra-login" not in victim.cookies()


async def test_an_answer_is_taken_once(url, provider):
    provider.user = ADA
    async with Browser(url) as browser:
        response, _ = await browser.get("/login/account")
        response, _ = await browser.get(response.headers["Location"])
        answer = response.headers["Location"]
        assert (await browser.get(answer))[0].status == 303
        assert (await browser.get(answer))[0].status == 403


async def test_a_login_that_was_broken_off(url):
    async with Browser(url) as browser:
        await browser.get("/login/account")
        response, page = await browser.get(
            "/login/callback?error=access_denied&error_description=<script>x</script>"
        )
        assert response.status == 403
        assert "was not finished" in page
        assert "<script>" not in page


async def test_a_way_back_to_elsewhere_is_forgotten(url, provider):
    provider.user = ADA
    async with Browser(url) as browser:
        response, _ = await log_in(browser, "/login/account?next=//evil.example")
        assert response.headers["Location"] == "/"


async def test_tokens_without_a_signature_of_the_key_are_none():
    key = rsa_key()
    now = int(time.time())
    claims = {"iss": "https://id", "aud": CLIENT, "sub": "17", "iat": now, "exp": now + 60}
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    keys = public(key)

    def check(token: str) -> dict:
        return verified(token, keys, "https://id", CLIENT)

    assert check(jwt.encode(claims, key, "RS256", headers={"kid": "one"}))["sub"] == "17"
    unsigned = jwt.encode(claims, None, "none")
    # The public key, which everybody has, as if it were a shared secret.
    header, payload, _ = jwt.encode(claims, "x" * 32, "HS256", headers={"kid": "one"}).split(".")
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        f"{header}.{payload}".encode(), pem
    )
    by_secret = f"{header}.{payload}.{jwt.utils.base64url_encode(signature).decode()}"
    unknown = jwt.encode(claims, key, "RS256", headers={"kid": "two"})
    for token in (unsigned, by_secret, unknown, "", "a.b.c", "é"):
        with pytest.raises(LoginFailedError):
            check(token)


async def test_addresses_of_providers_without_openid_are_panels():
    github = OAuthSettings.model_validate(
        {"provider": "github", "client_id": "x", "allow": [{"users": ["ada"]}]}
    )
    async with aiohttp.ClientSession() as http:
        endpoints = await find(github, http)
    assert endpoints.authorize == "https://github.com/login/oauth/authorize"
    assert endpoints.token == "https://github.com/login/oauth/access_token"
    assert endpoints.user == "https://api.github.com/user"


@pytest.mark.parametrize(
    ("given", "realm"),
    [
        ({"provider": "google"}, "https://accounts.google.com"),
        ({"provider": "azurev2", "provider_settings": {"tenant": "t"}},
         "https://login.microsoftonline.com/t/v2.0"),
        ({"provider": "gitlab"}, "https://gitlab.com"),
        ({"provider": "okta", "provider_settings": {"url": "x.okta.com"}},
         "https://x.okta.com/oauth2/default"),
        ({"provider": "github"}, "github"),
    ],
)  # fmt: skip
async def test_issuers_of_known_providers(given, realm):
    settings = {"client_id": "x", "allow": [{"everybody": True}], **given}
    assert OAuthSettings.model_validate(settings).realm == realm
