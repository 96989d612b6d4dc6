"""What admins ask for and change over HTTP, and what others cannot."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import polars as pl
import pytest
import pytest_asyncio
import sqlalchemy as sa
from vote_rounds import voted

from rostra.arena.access.keys import new_key
from rostra.arena.admin import export
from rostra.arena.app import serve
from rostra.arena.campaigns.settings import CampaignSettings
from rostra.arena.pages import admin_requests
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.log.verify_file import verify_file
from rostra.arena.votes.models import Change
from rostra.arena.votes.store import VoteStore
from rostra.arena.votes.transfer.forms import FORMS

pytestmark = pytest.mark.asyncio(loop_scope="module")
ADMIN_KEY, ADMIN_HASH = new_key()
ANALYST_KEY, ANALYST_HASH = new_key()
NAMES = ("ariel", "puck", "oberon")


class Served:
    def __init__(self, url: str, store: VoteStore) -> None:
        self.url = url
        self.store = store
        self.session = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            headers={"Authorization": f"Bearer {ADMIN_KEY}"},
        )
        self.token = ""

    async def get(self, path: str, **given: object) -> tuple[int, bytes]:
        async with self.session.get(f"{self.url}{path}", **given) as response:
            return response.status, await response.read()

    async def parts(self, days: int = 7) -> dict[str, str]:
        status, body = await self.get(f"/admin/figures?days={days}")
        assert status == 200, body
        answer = json.loads(body)
        self.token = answer["xsrf"]
        return answer["parts"]

    async def post(self, what: str, *, token: str | None = None, **body: object) -> dict:
        headers = {"X-XSRFToken": self.token if token is None else token}
        url = f"{self.url}/admin/{what}"
        async with self.session.post(url, json=body, headers=headers) as response:
            if response.status != 200:
                return {"status": response.status, "text": await response.text()}
            return await response.json()

    def changes(self) -> list[Change]:
        with self.store.reading() as session:
            return list(session.scalars(sa.select(Change).order_by(Change.id)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory) -> AsyncIterator[Served]:
    folder: Path = tmp_path_factory.mktemp("admin")
    (folder / "files").mkdir()
    (folder / "files" / "prompts.txt").write_text("What is blue?\nWhat is red?\nWhat is grey?\n")
    (folder / "secret.txt").write_text("a secret\n")
    settings = ArenaSettings.model_validate(
        {
            "port": 0,
            "gateway_url": "http://127.0.0.1:9",
            "votes_url": f"sqlite:///{folder / 'votes.sqlite3'}",
            "ratings_dir": folder / "ratings",
            "contestants": [{"name": name, "model": name} for name in NAMES],
            "campaigns": [{"name": "spring", "contestants": ["ariel", "puck"]}],
            "refresh": {"interval": 0},
            "admin": {"files": folder / "files"},
            "access": {
                "key": [
                    {"name": "mara", "sha256": ADMIN_HASH, "admin": True},
                    {"name": "ben", "sha256": ANALYST_HASH, "analyst": True},
                ]
            },
        }
    )
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(settings, ready.set_result))
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    store = VoteStore(settings.votes_url)
    for number in range(3):
        voted(store, "a", prompt=f"<b>secret</b> {number}")
    voted(store, "tie", campaign="spring")
    found = Served(ready.result(), store)
    await found.parts()
    yield found
    await found.session.close()
    store.close()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 60)


PATHS = ("figures?days=7", "changes?before=9", "form?campaign=default", "export")


@pytest.mark.parametrize(
    "key", [None, ANALYST_KEY, "rv-nonsense"], ids=["none", "of an analyst", "nonsense"]
)
async def test_nobody_else_sees_or_changes_anything(served, key):
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    before = len(served.changes())
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(headers=headers, cookie_jar=jar) as session:
        for path in ("", *(f"/{each}" for each in PATHS)):
            async with session.get(f"{served.url}/admin{path}", allow_redirects=False) as response:
                assert response.status in (302, 401, 403), path
                assert b"secret" not in await response.read()
        for what in ("pause", "resume", "campaign", "close", "delete"):
            body = {"campaign": "default", "contestant": "puck"}
            sent = session.post(
                f"{served.url}/admin/{what}", json=body, headers={"X-XSRFToken": served.token}
            )
            async with sent as response:
                assert response.status in (401, 403), what
    assert len(served.changes()) == before


async def test_a_change_without_the_token_is_refused(served):
    for token in ("", "nonsense"):
        refused = await served.post("pause", token=token, campaign="default", contestant="puck")
        assert refused["status"] == 403
    assert not any(each.subject == "default/puck" for each in served.changes())


async def test_the_page_says_what_is_in_the_store(served):
    parts = await served.parts()
    text = {name: re.sub(r"<[^>]+>", " ", html) for name, html in parts.items()}
    assert re.search(r"Votes\s+4\s+4", text["now"])
    assert "no list of models from http://127.0.0.1:9" in text["contestants"]
    assert re.search(r"Spring|spring", text["campaigns"])
    assert "4 votes" in text["votes"]
    assert "Nobody has looked yet" in text["odd"]
    assert "None is checked" in text["refused"]
    assert all(html.count("<table") == html.count("<caption") for html in parts.values())
    assert (await served.get("/admin/figures?days=2"))[0] == 400
    assert (await served.get("/admin/changes?before=x"))[0] == 400


async def test_a_contestant_is_paused_and_comes_back(served):
    assert await served.post("pause", campaign="default", contestant="puck") == {
        "done": "puck is paused in default."
    }
    again = await served.post("pause", campaign="default", contestant="puck")
    assert again["done"] == "puck is paused already in default."
    parts = await served.parts()
    assert "Resume in default" in parts["contestants"]
    assert "2 of 3" in parts["campaigns"]
    assert re.search(r"mara</td><td>pause</td><td>default/puck", parts["changes"])
    await served.post("pause", campaign="default", contestant="ariel")
    assert "1 of 3: no pair can meet" in (await served.parts())["campaigns"]
    for name in ("puck", "ariel"):
        assert (
            "in battles"
            in (await served.post("resume", campaign="default", contestant=name))["done"]
        )
    assert "Resume in default" not in (await served.parts())["contestants"]
    last = served.changes()[-1]
    assert (last.who, last.action, last.subject) == ("mara", "resume", "default/ariel")


@pytest.mark.parametrize(
    ("campaign", "contestant"), [("default", "nobody"), ("nowhere", "puck"), ("spring", "oberon")]
)
async def test_only_what_is_there_can_be_paused(served, campaign, contestant):
    before = len(served.changes())
    answer = await served.post("pause", campaign=campaign, contestant=contestant)
    assert list(answer) == ["errors"]
    assert len(served.changes()) == before


FIELDS = {"name": "autumn", "modes": ["battle", "direct"], "contestants": ["ariel", "oberon"]}


async def test_a_campaign_is_made_changed_closed_and_deleted(served):
    made = await served.post("campaign", fields={**FIELDS, "prompts_file": "prompts.txt"})
    assert made == {"done": "The campaign autumn is there."}
    assert (await served.get("/c/autumn"))[0] == 200
    _, body = await served.get("/admin/form?campaign=autumn")
    html = json.loads(body)["html"]
    assert 'data-version="1"' in html
    assert '<option value="prompts.txt" selected>' in html
    changed = await served.post("campaign", version=1, fields={**FIELDS, "title": "<i>Autumn</i>"})
    assert changed["done"] == "The campaign autumn is changed."
    stale = await served.post("campaign", version=1, fields={**FIELDS, "title": "Mine"})
    assert "somebody else has changed" in stale["errors"][""]
    assert "&lt;i&gt;Autumn&lt;/i&gt;" in (await served.parts())["campaigns"]
    assert "is closed" in (await served.post("close", campaign="autumn", version=2))["done"]
    assert re.search(r"autumn</small></th>\s*<td>closed", (await served.parts())["campaigns"])
    assert "is gone" in (await served.post("delete", campaign="autumn", version=3))["done"]
    assert (await served.get("/c/autumn"))[0] == 404
    actions = [each.action for each in served.changes() if each.subject == "autumn"]
    assert actions == ["create campaign", "change campaign", "change campaign", "delete campaign"]


@pytest.mark.parametrize(
    ("given", "field", "line"),
    [
        ({"name": "Autumn!"}, "name", "not of the form"),
        ({"name": "spring"}, "name", "already"),
        ({"name": ""}, "name", "required"),
        ({"modes": []}, "modes", "at least 1"),
        ({"contestants": ["nobody", "puck"]}, "contestants", "'nobody' is not a"),
        ({"contestants": ["puck"]}, "contestants", "two at least"),
        ({"target": "many"}, "target", "integer"),
        ({"opens": "2026-02-01T00:00", "closes": "2026-01-01T00:00"}, "closes", "before it opens"),
        ({"opens": "tomorrow"}, "opens", "datetime"),
        ({"suggested_prompts": "one\ntwo"}, "suggested_prompts", "required"),
        ({"accent.light": "#eeeeee", "accent.dark": "#6db8e6"}, "accent.light", "contrast"),
        ({"accent.light": "#00629a"}, "accent.dark", "required"),
        ({"texts": "{"}, "texts", "no JSON in line 1"),
        ({"texts": '{"en": {"battle": {"nothing": "x"}}}'}, "texts", "there is no such text"),
        ({"matchmaking": '{"policy": "dice"}'}, "matchmaking", "policy: Input should be"),
        ({"matchmaking": '{"paused": ["x"]}'}, "matchmaking", "not a contestant"),
        ({"prompts_file": "../secret.txt"}, "prompts_file", "there is no"),
        ({"logo": "/etc/passwd"}, "logo", "there is no"),
        ({"logo": "prompts.txt"}, "logo", "none of PNG"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field(served, given, field, line):
    answer = await served.post("campaign", fields={**FIELDS, "name": "winter", **given})
    assert list(answer["errors"]) == [field]
    assert line in answer["errors"][field]
    assert "\n" not in answer["errors"][field]
    assert (await served.get("/c/winter"))[0] == 404


async def test_a_campaign_of_the_file_is_shown_and_not_changed(served):
    _, body = await served.get("/admin/form?campaign=spring")
    html = json.loads(body)["html"]
    assert "<fieldset disabled>" in html
    assert "Change</button>" not in html
    answer = await served.post("close", campaign="spring", version=0)
    assert "there is no campaign 'spring'" in answer["errors"][""]


async def test_bodies_that_are_no_change(served):
    url = f"{served.url}/admin/pause"
    for body in (b"", b"[]", b'{"campaign": 1}', b"\xff"):
        headers = {"X-XSRFToken": served.token}
        async with served.session.post(url, data=body, headers=headers) as response:
            assert response.status == 400


@pytest.mark.parametrize("form", FORMS)
async def test_votes_come_as_a_file(served, form, tmp_path):
    status, body = await served.get(f"/admin/export?form={form}&texts=1")
    assert status == 200
    path = tmp_path / "file"
    path.write_bytes(body)
    if form == "jsonl":
        assert verify_file(path).entries == 4
        assert b'"voter":' not in body
    elif form == "parquet":
        assert pl.read_parquet(io.BytesIO(body))["voter"].to_list() == [None] * 4
    elif form == "lmsys-battles":
        assert all("judge" not in each for each in json.loads(body))
    else:
        assert b"ariel" in body


async def test_an_export_is_a_part_and_without_texts_unless_asked(served):
    _, body = await served.get("/admin/export?form=jsonl&campaign=spring")
    lines = body.splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0])["part"]["campaigns"] == ["spring"]
    assert b"texts" not in body
    for wrong in ("form=xml", "identities=named"):
        assert (await served.get(f"/admin/export?{wrong}"))[0] == 400


async def test_an_export_that_breaks_off_is_no_whole_file(served, monkeypatch):
    class Broken:
        def __init__(self, *_: object) -> None: ...

        def write(self, file) -> None:
            file.write(b"x" * 300_000)
            raise RuntimeError("the disk is gone")

    monkeypatch.setattr(export, "Exporter", Broken)
    with pytest.raises(aiohttp.ClientError):
        await served.get("/admin/export")
    assert admin_requests.AdminExport._running == 0


async def test_a_reader_who_leaves_ends_the_export(served, monkeypatch):
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Endless:
        def __init__(self, *_: object) -> None: ...

        def write(self, file) -> None:
            try:
                while True:
                    file.write(b"x" * 300_000)
            finally:
                loop.call_soon_threadsafe(ended.set)

    monkeypatch.setattr(export, "Exporter", Endless)
    async with served.session.get(f"{served.url}/admin/export") as response:
        await response.content.read(10)
        assert admin_requests.AdminExport._running == 1
        response.close()
    await asyncio.wait_for(ended.wait(), 30)
    monkeypatch.setattr(admin_requests, "MOST_EXPORTS", 0)
    assert (await served.get("/admin/export"))[0] == 503


async def test_a_form_gives_back_what_it_was_given():
    from rostra.arena.admin.form import settings_of, values

    settings = CampaignSettings.model_validate(
        {
            "name": "autumn",
            "title": "Autumn",
            "contestants": ["ariel", "puck"],
            "modes": ["battle"],
            "opens": "2026-01-01T10:30:00Z",
            "target": 50,
            "at_target": "go_on",
            "audience": ["staff", "guests"],
            "consent": "I **agree**.",
            "suggested_prompts": ["one", "two", "three"],
            "language": "ko",
            "accent": {"light": "#00629a", "dark": "#6db8e6"},
            "texts": {"en": {"battle": {"title": "Which?"}}},
            "matchmaking": {"policy": "informative", "exploration": 0.2},
            "refresh": {"interval": 60.0},
        }
    )
    assert settings_of(values(settings), {}) == settings
