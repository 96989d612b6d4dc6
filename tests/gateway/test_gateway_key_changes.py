"""Keys whose time is over, that rest, or are for something else; and a file that changes."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, eventually, gateway_before
from openapi_answers import Documented

from rostra.gateway import key_ring
from rostra.gateway.api_keys import ApiKeys, new_key
from rostra.gateway.errors import GatewayError
from rostra.gateway.key_file import changing, entry
from rostra.gateway.key_ring import KeyRing
from rostra.gateway.settings import GatewaySettings

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
NOW = datetime.now(UTC)
KEYS = {
    name: new_key(name, **settings)
    for name, settings in {
        "plain": {},
        "expired": {"expires": NOW - timedelta(seconds=1)},
        "lasting": {"expires": NOW + timedelta(hours=2)},
        "resting": {"disabled": True},
        "looks": {"scopes": ["models"]},
        "asks": {"scopes": ["inference"]},
        "operates": {"scopes": ["operate"]},
    }.items()
}


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name][0]}"}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text("\n".join(entry(key) for _, key in KEYS.values()))
    return path


@pytest.fixture
async def keyed(worker: ScriptedWorker, key_file: Path) -> AsyncIterator[TestClient]:
    async with gateway_before([worker.address], api_keys=key_file, metrics_key=True) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [("expired", "api_key_expired", "expired at"), ("resting", "api_key_disabled", "disabled")],
)
async def test_a_key_that_works_no_more_says_why(
    keyed: TestClient, worker: ScriptedWorker, name: str, code: str, says: str
) -> None:
    documented = Documented(await (await keyed.get("/openapi.json")).json())
    answer = await keyed.post("/v1/chat/completions", json=CHAT, headers=bearer(name))
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    error = (await answer.json())["error"]
    assert error["code"] == code
    assert says in error["message"]
    await documented.check("post", "/v1/chat/completions", answer)
    assert worker.requests == []
    answer = await keyed.post("/v1/messages", json=CHAT | {"max_tokens": 1}, headers=bearer(name))
    assert (await answer.json())["error"]["type"] == "authentication_error"


@pytest.mark.parametrize(
    ("name", "chat", "models", "metrics"),
    [
        ("plain", 200, 200, 403),
        ("lasting", 200, 200, 403),
        ("looks", 403, 200, 403),
        ("asks", 200, 403, 403),
        ("operates", 403, 403, 200),
    ],
)
async def test_scopes(keyed: TestClient, name: str, chat: int, models: int, metrics: int) -> None:
    answers = [
        await keyed.post("/v1/chat/completions", json=CHAT, headers=bearer(name)),
        await keyed.get("/v1/models", headers=bearer(name)),
        await keyed.get("/metrics", headers=bearer(name)),
    ]
    assert [answer.status for answer in answers] == [chat, models, metrics]
    for answer in answers:
        if answer.status == 403:
            error = (await answer.json())["error"]
            assert error["code"] == "scope_not_allowed"
    assert (await keyed.get("/metrics")).status == 401
    assert (await keyed.get("/health")).status == 200


async def test_a_file_that_changes_is_read_without_a_restart(
    worker: ScriptedWorker,
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(key_ring, "LOOK_INTERVAL", 0.02)
    caplog.set_level(logging.INFO)
    new, key = new_key("new")
    async with gateway_before([worker.address], api_keys=key_file) as client:

        async def status(headers: dict[str, str]) -> int:
            return (await client.get("/v1/models", headers=headers)).status

        async def becomes(expected: int, headers: dict[str, str]) -> None:
            for _ in range(2000):
                if await status(headers) == expected:
                    return
            raise AssertionError(f"it is still {await status(headers)}")

        with changing(key_file) as file:
            file.add(key)
        await becomes(200, {"Authorization": f"Bearer {new}"})
        with changing(key_file) as file:
            file.remove("plain")
        await becomes(401, bearer("plain"))
        with changing(key_file) as file:
            file.change("resting", disabled=None)
        await becomes(200, bearer("resting"))

        # One that is wrong, and one that is not there, change nothing and are told once.
        for damage in (lambda: key_file.write_text("[[key]"), key_file.unlink):
            caplog.clear()
            damage()
            await eventually(lambda: "stay in force" in caplog.text)
            assert await status(bearer("resting")) == 200
            before = caplog.text.count("stay in force")
            for _ in range(20):
                await status(bearer("resting"))
            assert caplog.text.count("stay in force") == before == 1
        key_file.write_text(entry(key))
        await becomes(401, bearer("resting"))
        assert await status({"Authorization": f"Bearer {new}"}) == 200


def test_a_file_that_is_replaced_within_a_tick_of_the_clock_is_noticed(tmp_path: Path) -> None:
    (first, one), (second, two) = new_key("a"), new_key("a")
    file, other = tmp_path / "keys.toml", tmp_path / "other.toml"
    file.write_text(entry(one))
    ring = KeyRing(file)
    other.write_text(entry(two))
    found = file.stat()
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(file)
    ring.look()
    assert ring.find(second) == two
    assert ring.find(first) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('scopes = ["everything"]', "key.0.scopes.0"),
        ("scopes = []", "key.0.scopes"),
        ("expires = 2030-01-01", "key.0.expires"),
        ("expires = 2030-01-01T00:00:00", "key.0.expires"),
        ("requests_per_minute = 0", "key.0.requests_per_minute"),
        ("tokens_per_minute = 10_000_001", "key.0.tokens_per_minute"),
        ("max_concurrent = 0", "key.0.max_concurrent"),
        ("weight = 0", "key.0.weight"),
        ("weight = inf", "key.0.weight"),
        ("max_priority = 2147483648", "key.0.max_priority"),
        ("disabled = 3", "key.0.disabled"),
    ],
)
def test_settings_of_a_key_that_are_wrong(tmp_path: Path, line: str, reason: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(f"{entry(KEYS['plain'][1])}{line}\n")
    with pytest.raises(GatewayError) as caught:
        ApiKeys.read(file)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    # Nor is anything written that would be wrong.
    file.write_text(before := entry(KEYS["plain"][1]))
    with pytest.raises(GatewayError), changing(file) as changed:
        changed.change("plain", weight=0)
    assert file.read_text() == before


def test_a_change_keeps_what_people_wrote(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(f"# Keys of the team.\n{entry(KEYS['plain'][1])}# Ask Ada.\n")
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    with changing(link) as changed:
        changed.change("plain", requests_per_minute=5, models=["a"])
        changed.add(KEYS["lasting"][1])
    assert link.is_symlink()
    text = file.read_text()
    assert "# Keys of the team." in text
    assert "# Ask Ada." in text
    keys = ApiKeys.read(file)
    plain = keys.named("plain")
    assert plain is not None
    assert (plain.requests_per_minute, plain.models) == (5, ("a",))
    assert keys.named("lasting") == KEYS["lasting"][1]
    assert file.stat().st_mode & 0o777 == 0o600
    with changing(file) as changed:
        changed.remove("plain")
        changed.remove("lasting")
    assert len(ApiKeys.read(file)) == 0


def test_what_breaks_off_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(before := entry(KEYS["plain"][1]))
    with contextlib.suppress(RuntimeError), changing(file) as changed:
        changed.remove("plain")
        raise RuntimeError
    assert file.read_text() == before
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == ["keys.toml"]
    with pytest.raises(GatewayError, match="it has: plain"), changing(file) as changed:
        changed.remove("nobody")
    with pytest.raises(GatewayError, match="already"), changing(file) as changed:
        changed.add(KEYS["plain"][1])


@pytest.mark.parametrize(
    "settings",
    [{"metrics_key": True}, {"tls_cert": "a"}, {"tls_key": "a"}, {"tls_client_ca": "a"}],
)
def test_settings_that_need_another(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"need|together"):
        GatewaySettings(workers=("127.0.0.1:1",), **settings)
