"""Passwords, keys, who is let in by them, and what the settings refuse."""

from __future__ import annotations

import os
import re
import stat
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application, RequestHandler

from rostra.arena.access.access import Access, voter_of
from rostra.arena.access.keys import find, new_key
from rostra.arena.access.login import Login
from rostra.arena.access.passwords import hash_password, matches
from rostra.arena.access.secret import FILE_NAME, secret, secret_folder
from rostra.arena.access.settings import AccessSettings
from rostra.arena.access.targets import safe
from rostra.arena.access.voter import Voter
from rostra.arena.errors import ArenaError

PASSWORD = "correct horse battery"
ANALYST = {"key": [{"name": "ada", "sha256": "0" * 64, "analyst": True}]}
EVERYBODY = {"client_id": "x", "allow": [{"everybody": True}]}


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(PASSWORD)


def test_a_password_matches_its_hash_alone(hashed):
    assert matches(PASSWORD, hashed)
    assert not matches(PASSWORD + " ", hashed)
    assert PASSWORD not in hashed
    assert hash_password(PASSWORD) != hashed, "each hash has its own salt"


def test_a_short_password_is_none():
    with pytest.raises(ValueError, match="use 12 or more"):
        hash_password("short")


def test_a_key_is_found_until_it_expires():
    key, digest = new_key()
    now = datetime(2026, 11, 23, tzinfo=UTC)
    entry = {"name": "ada", "sha256": digest, "expires": now + timedelta(hours=1)}
    keys = AccessSettings.model_validate({"key": [entry]}).key
    assert find(key, keys, now) is keys[0]
    assert find(key + "x", keys, now) is None
    assert find(key, keys, now + timedelta(hours=2)) is None


def test_a_changed_password_ends_the_logins_with_it(hashed):
    entry = {"name": "class", "hash": hashed, "groups": ["class"], "analyst": True}
    before = AccessSettings.model_validate({"password": [entry]})
    login = Login.by_password(before.password[0])
    grant = login.grant(before)
    assert grant is not None
    assert (grant.groups, grant.analyst, grant.admin) == (("class",), True, False)
    after = AccessSettings.model_validate(
        {"password": [{**entry, "hash": hash_password(PASSWORD)}]}
    )
    assert login.grant(after) is None
    assert login.grant(AccessSettings()) is None
    assert Login.load(login.dump()) == login


def oauth(*rules: dict, **more: object) -> AccessSettings:
    return AccessSettings.model_validate(
        {"oauth": {"issuer": "https://id.example", "client_id": "x", "allow": rules, **more}}
    )


def account(**fields: object) -> Login:
    return Login("oauth", "https://id.example", subject="17", **fields)


@pytest.mark.parametrize(
    ("rule", "login", "let_in"),
    [
        ({"emails": ["Ada@Example.org"]}, account(email="ada@example.ORG"), True),
        ({"emails": ["ada@example.org"]}, account(email="eve@example.org"), False),
        ({"domains": ["example.org"]}, account(email="ada@example.org"), True),
        ({"domains": ["example.org"]}, account(email="ada@evil-example.org"), False),
        ({"domains": ["example.org"]}, account(email="ada@example.org@evil.example"), False),
        ({"domains": ["example.org"]}, account(), False),
        ({"users": ["17"]}, account(), True),
        ({"users": ["Ada"]}, account(user="ada"), True),
        ({"users": ["17"]}, account(user="eve"), False),
        ({"members_of": ["staff"]}, account(member_of=("staff", "all")), True),
        ({"members_of": ["staff"]}, account(member_of=("staffing",)), False),
        ({"everybody": True}, account(), True),
        ({"everybody": True}, Login("oauth", "https://other.example", subject="17"), False),
    ],
)
def test_rules_for_accounts(rule, login, let_in):
    assert (login.grant(oauth(rule)) is not None) is let_in


def test_rights_of_all_rules_add_up_and_a_cookie_keeps_the_groups_that_are_asked_for():
    settings = oauth(
        {"everybody": True, "groups": ["guests"]},
        {"members_of": ["staff"], "groups": ["staff"], "analyst": True},
    )
    login = account(member_of=("staff", *map(str, range(1000)))).needed_of(settings)
    assert login.member_of == ("staff",)
    grant = login.grant(settings)
    assert grant is not None
    assert (grant.groups, grant.analyst) == (("guests", "staff"), True)


@pytest.mark.parametrize(
    ("given_table", "told"),
    [
        ({"open": False}, "no password, key or oauth"),
        ({"guarded": ["analyst"]}, "shuts everybody out"),
        ({"password": [{"name": "class", "hash": "secret"}]}, "rostra access password"),
        ({"key": [{"name": "a", "sha256": "0" * 64}] * 2}, "have the name 'a'"),
        ({"oauth": {**EVERYBODY}}, "needs an issuer"),
        ({"oauth": {**EVERYBODY, "provider": "azurev2"}}, "tenant"),
        ({"oauth": {**EVERYBODY, "issuer": "http://id.example"}}, "not encrypted"),
        ({"oauth": {**EVERYBODY, "provider": "github", "allow": [{}]}}, "name emails"),
        ({"cookie_secret": "short"}, "32"),
        ({"passwords": []}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(given_table, told):
    with pytest.raises(ValidationError, match=told):
        AccessSettings.model_validate(given_table)


def test_the_analysts_pages_are_guarded_where_a_login_makes_analysts():
    digest = new_key()[1]
    plain = {"key": [{"name": "ada", "sha256": digest}]}
    assert AccessSettings.model_validate(plain).guards == frozenset()
    plain["key"][0]["analyst"] = True
    assert AccessSettings.model_validate(plain).guards == {"analyst"}


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("ROSTRA_COOKIE_SECRET", raising=False)
    made = secret(None, tmp_path / "home")
    kept = tmp_path / "home" / FILE_NAME
    assert len(made) == 64
    assert secret(None, tmp_path / "home") == made
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert os.listdir(kept.parent) == [FILE_NAME]
    kept.chmod(0o644)
    with pytest.raises(ArenaError, match="chmod 600"):
        secret(None, tmp_path / "home")


def test_the_secret_of_the_configuration_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("ROSTRA_COOKIE_SECRET", "e" * 40)
    assert secret("c" * 40, tmp_path) == "c" * 40
    assert secret(None, tmp_path) == "e" * 40
    monkeypatch.setenv("ROSTRA_COOKIE_SECRET", "short")
    with pytest.raises(ArenaError, match="too short"):
        secret(None, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_secret_lies_beside_the_votes(tmp_path):
    ratings = tmp_path / "data" / "ratings"
    assert secret_folder(f"sqlite:///{tmp_path}/votes/v.sqlite3", ratings) == tmp_path / "votes"
    assert secret_folder("postgresql+psycopg://host/votes", ratings) == tmp_path / "data"


@pytest.mark.parametrize(
    ("target", "followed"),
    [
        ("/analyst", True),
        ("/c/spring/leaderboard?level=de#top", True),
        ("/c/x?next=https://evil.example", True),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("\\\\evil.example", False),
        ("/\t/evil.example", False),
        ("/a\r\nSet-Cookie: x=1", False),
        ("https://evil.example/", False),
        ("javascript:alert(1)", False),
        ("evil.example", False),
        ("/login?next=/", False),
        ("", False),
        ("/" + "a" * 3000, False),
    ],
)
def test_a_login_leads_back_to_paths_of_this_server_alone(target, followed):
    assert safe(target) == (target if followed else "/")


@given_settings(max_examples=200, deadline=None)
@given(st.text(alphabet="/\\:.a@?#%\t\n \x00", max_size=12))
def test_no_target_is_another_servers(target):
    followed = safe(target)
    assert followed.startswith("/")
    assert not followed.startswith(("//", "/\\"))
    assert not any(character in followed for character in "\\\t\n\r \x00")


@pytest.mark.parametrize(
    ("path", "level"),
    [
        ("/", "voter"),
        ("/chat/ws", "voter"),
        ("/leaderboard", "voter"),
        ("/analyst", "analyst"),
        ("/analyst/ws", "analyst"),
        ("/analyst/autoload.js", "analyst"),
        ("/c/spring/analyst/ws", "analyst"),
        ("/results/plot", "analyst"),
        ("/c/spring/results/beside", "analyst"),
        ("/c/analyst/results/table", "voter"),
        ("/admin", "admin"),
        ("/admin/ws", "admin"),
        ("/admin/export", "admin"),
        ("/c/spring/admin", "admin"),
        ("/login/callback", "anybody"),
        ("/health", "anybody"),
        ("/c/login/chat", "voter"),
    ],
)
def test_whom_a_path_is_for(path, level):
    access = Access(AccessSettings.model_validate(ANALYST), "s" * 32)
    assert access.level(path) == level


def test_what_is_for_voters_needs_a_login_where_the_arena_is_not_open():
    somebody = Voter("cookie 1", "")
    for is_open in (True, False):
        access = Access(AccessSettings.model_validate({**ANALYST, "open": is_open}), "s" * 32)
        assert access.may(somebody, "voter") is is_open
        assert access.may(Voter("key ada", "", name="ada"), "voter")
        assert not access.may(Voter("key ada", "", name="ada"), "analyst")
        assert access.may(Voter("key ada", "", name="ada", admin=True), "analyst")
        assert not access.may(Voter("key ada", "", name="ada", analyst=True), "admin")


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_cookies_are_secure_over_https(protocol):
    connection = SimpleNamespace(
        context=SimpleNamespace(remote_ip="192.0.2.1", protocol=protocol),
        set_close_callback=lambda _callback: None,
    )
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    headers = HTTPHeaders({"Host": "arena.example"})
    request = HTTPServerRequest(start_line=line, headers=headers, connection=connection)
    handler = RequestHandler(Application(), request)
    access = Access(AccessSettings.model_validate(ANALYST), "s" * 32)
    voter = access.identify(handler)
    access.log_in(handler, Login.by_key(access.settings.key[0]))
    cookies = [morsel.OutputString() for morsel in handler._new_cookie.values()]
    assert len(cookies) == 2
    assert all(("Secure" in cookie) is (protocol == "https") for cookie in cookies)
    assert voter_of(request) is voter
    assert re.fullmatch("cookie [0-9a-f]{32}", voter.key)
