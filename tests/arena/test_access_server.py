"""A server with guarded pages, asked by those who may come in and those who may not."""

from __future__ import annotations

import base64
import json
import logging

import pytest
import pytest_asyncio
from access_server import Browser, serving
from bokeh.util.token import generate_jwt_token, generate_session_id, get_token_payload

from rostra.arena.access.keys import new_key
from rostra.arena.access.passwords import hash_password

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLASS, STAFF = "the password of a class", "the password of the staff"
KEY, DIGEST = new_key()
ADMIN_KEY, ADMIN_DIGEST = new_key()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory):
    access = {
        "password": [
            {"name": "class", "hash": hash_password(CLASS), "groups": ["class"]},
            {"name": "staff", "hash": hash_password(STAFF), "analyst": True},
        ],
        "key": [
            {"name": "ada", "sha256": DIGEST, "groups": ["class"]},
            {"name": "root", "sha256": ADMIN_DIGEST, "admin": True},
            {"name": "old", "sha256": "0" * 64, "expires": "2020-01-01T00:00:00Z"},
        ],
        "limits": {"logins_per_minute": 60},
    }
    async with serving(tmp_path_factory.mktemp("arena"), access) as url:
        yield url


async def test_a_browser_is_one_voter_from_its_first_page(url):
    async with Browser(url) as browser:
        first, _ = await browser.get("/login")
        cookie = first.headers["Set-Cookie"]
        assert cookie.startswith("rostra-voter=")
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Secure" not in cookie, "over http a browser would not keep it"
        kept = browser.cookies()["rostra-voter"]
        await browser.get("/how")
        assert browser.cookies()["rostra-voter"] == kept
    forged = kept[:-1] + ("0" if kept[-1] != "0" else "1")
    async with Browser(url, Cookie=f"rostra-voter={forged}") as browser:
        again, _ = await browser.get("/login")
        assert "rostra-voter=" in again.headers["Set-Cookie"], "a forged cookie is nobody's"


async def test_scripts_of_a_page_see_no_cookie_that_they_may_not(url):
    async with Browser(url, **{"Accept-Language": "de"}) as browser:
        await browser.log_in(key=KEY)
        token = await browser.token("/how")
        payload = json.dumps(get_token_payload(token), default=str)
        assert "de" in payload
        for name, value in browser.cookies().items():
            assert name not in payload
            assert value not in payload


@pytest.mark.parametrize("path", ["/analyst", "/analyst?level=de", "/analyst/"])
async def test_a_guarded_page_sends_strangers_to_the_login(url, path):
    async with Browser(url) as browser:
        response, _ = await browser.get(path)
        assert response.status == 302
        assert response.headers["Location"].startswith("/login?next=%2Fanalyst")


@pytest.mark.parametrize(
    "path",
    ["/results/plot?name=intervals", "/results/beside"],
)
async def test_what_guarded_pages_fetch_is_refused(url, path):
    async with Browser(url) as browser:
        assert (await browser.get(path))[0].status == 403
        assert (await browser.get("/results/table"))[0].status == 404, "no ratings, and no guard"
        await browser.log_in(password=STAFF)
        assert (await browser.get(path))[0].status in (400, 404)


async def test_a_login_leads_back_and_out_again(url):
    async with Browser(url) as browser:
        response = await browser.log_in("/login?next=/analyst", password=STAFF)
        assert (response.status, response.headers["Location"]) == (303, "/analyst")
        cookie = response.headers["Set-Cookie"]
        assert "rostra-login=" in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert (await browser.get("/analyst"))[0].status == 200
        _, page = await browser.get("/login")
        assert "You are logged in as staff" in page
        assert (await browser.post("/logout"))[0].status == 403, "without the token of a form"
        assert (await browser.get("/logout"))[0].status == 405
        assert (await browser.get("/analyst"))[0].status == 200
        assert (await browser.log_in("/logout")).status == 303
        assert (await browser.get("/analyst"))[0].status == 302


async def test_whoever_has_not_the_right_is_told_so(url):
    async with Browser(url) as browser:
        await browser.log_in(password=CLASS)
        response, _ = await browser.get("/analyst")
        assert response.headers["Location"] == "/login?next=%2Fanalyst&refused=1"
        response, page = await browser.get(response.headers["Location"])
        assert response.status == 403
        assert "this page is for others" in page


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"password": "wrong password"}, "That is not the password"),
        ({"password": ""}, "That is not the password"),
        ({}, "That is not the password"),
        ({"password": "x" * 5000}, "That is not the password"),
        ({"key": "rv-nonsense"}, "unknown or has expired"),
        ({"username": "staff", "key": CLASS}, "unknown or has expired"),
    ],
)
async def test_a_wrong_login_is_none(url, typed, told):
    async with Browser(url) as browser:
        _, page = await browser.get("/login")
        xsrf = page.partition('name="_xsrf" value="')[2].partition('"')[0]
        response, page = await browser.post("/login", _xsrf=xsrf, **typed)
        assert response.status in (400, 403)
        assert told in page
        assert "rostra-login" not in browser.cookies()


async def test_a_form_from_elsewhere_is_refused(url):
    async with Browser(url) as browser:
        await browser.get("/login")
        response, page = await browser.post("/login", password=STAFF)
        assert response.status == 403
        assert "Try again" in page
        response, _ = await browser.post("/login", password=STAFF, _xsrf="2|abcdefab|00|1")
        assert response.status == 403
        assert "rostra-login" not in browser.cookies()


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
async def test_a_login_leads_to_no_other_server(url, target):
    async with Browser(url) as browser:
        response = await browser.log_in(f"/login?next={target}", key=KEY)
        assert (response.status, response.headers["Location"]) == (303, "/")


async def test_programs_send_their_key(url):
    async with Browser(url, Authorization=f"Bearer {ADMIN_KEY}") as browser:
        assert (await browser.get("/analyst"))[0].status == 200, "an admin sees what analysts do"
        assert browser.cookies() == {}
    async with Browser(url, Authorization=f"Bearer {KEY}") as browser:
        assert (await browser.get("/results/beside"))[0].status == 403
    async with Browser(url, Authorization="Bearer rv-nonsense") as browser:
        for path in ("/", "/results/table", "/login"):
            assert (await browser.get(path))[0].status == 401


async def test_sockets_are_for_those_who_see_the_page(url):
    async with Browser(url) as stranger, Browser(url) as staff, Browser(url) as ada:
        await staff.log_in(password=STAFF)
        await ada.log_in(key=ADMIN_KEY)
        own = await staff.token("/analyst")
        assert await staff.socket("/analyst/ws", own) == "ACK"
        assert await stranger.socket("/analyst/ws", own) == "403", "a token alone opens nothing"
        public = await stranger.token("/how")
        assert await stranger.socket("/how/ws", public) == "ACK"
        assert await stranger.socket("/analyst/ws", public) == "403"
        assert await ada.socket("/analyst/ws", own) == "403", "the session is somebody else's"
        theirs = await ada.token("/how")
        assert await stranger.socket("/how/ws", theirs) == "403"
        assert await ada.socket("/how/ws", theirs) == "ACK"


async def test_sessions_that_the_server_did_not_sign_are_none(url):
    async with Browser(url) as browser:
        token = await browser.token("/how")
        payload, _, signature = token.partition(".")
        fields = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        fields["session_expiry"] += 10**6
        longer = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")
        key = b"another"
        foreign = generate_jwt_token(
            generate_session_id(secret_key=key, signed=True), secret_key=key, signed=True
        )
        forged = [payload, f"{payload}.", f"{longer}.{signature}", foreign, "nonsense", "a.b"]
        for each in forged:
            assert await browser.socket("/how/ws", each) != "ACK", each
        assert await browser.socket("/how/ws", token) == "ACK"
        response, _ = await browser.get("/how", params={"bokeh-session-id": "mine"})
        assert response.status == 403


async def test_the_log_names_what_was_refused_and_not_by_whom(url, caplog):
    caplog.set_level(logging.INFO)
    async with Browser(url) as browser:
        await browser.get("/analyst?level=a-thing-that-was-asked")
        await browser.log_in(password="a-thing-that-was-typed")
        await browser.post("/login", password="a-thing-that-was-typed")
        await browser.get("/how", headers={"Authorization": "Bearer a-thing-that-was-sent"})
        await browser.socket("/analyst/ws", await browser.token("/how"))
        await browser.post("/admin/pause?a-thing-that-was-asked")
        assert await browser.socket("/how/ws?a-thing-that-was-asked", "nonsense") != "ACK"
    said = "\n".join(record.getMessage() for record in caplog.records)
    for line in (
        "refused: the page /analyst",
        "refused: a wrong password",
        "refused: a form without its token",
        "refused: a key that is unknown or has expired",
        "refused: the socket of /analyst",
        "refused: POST /admin/pause",
        "Uncaught exception GET /how/ws\nGET /how/ws",
    ):
        assert line in said
    for secret in ("127.0.0.1", "a-thing"):
        assert secret not in said.replace(url, "")
