"""What a browser that is not ours may send as an image, and name as one."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar
from PIL import Image
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, decode_signed_value

from rostra.arena.access.access import VOTER_COOKIE
from rostra.arena.access.guard import ACCESS
from rostra.arena.access.voter import Voter
from rostra.arena.contestant import Contestant
from rostra.arena.gateway_client import GatewayClient
from rostra.arena.images import uploads
from rostra.arena.images.picture import Picture
from rostra.arena.images.uploads import Basket
from rostra.arena.pages.battle import BattleView
from rostra.arena.pages.chat import ChatView
from rostra.arena.pages.images import image_routes
from rostra.arena.round import Round
from rostra.arena.settings import ArenaSettings
from rostra.arena.state import Arena
from rostra.arena.texts import texts

CONTESTANTS = tuple(
    Contestant(name=name, model=f"example/{name}", images=images)
    for name, images in (("ariel", True), ("puck", True), ("moth", False))
)


def png(size: tuple[int, int] = (8, 8)) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, "red").save(made, "PNG")
    return made.getvalue()


@dataclass
class Browser:
    arena: Arena
    url: str
    session: ClientSession
    voter: Voter
    statuses: list[int] = field(default_factory=list)

    async def send(self, basket: Basket | str, data: Any, **headers: str) -> str:
        secret = basket if isinstance(basket, str) else basket.secret
        given = {"X-Rostra-Basket": secret, **headers}
        async with self.session.post(f"{self.url}/round/image", data=data, headers=given) as answer:
            self.statuses.append(answer.status)
            return await answer.text()


@pytest.fixture
async def browser(votes_url, tmp_path) -> AsyncIterator[Browser]:
    settings = ArenaSettings.model_validate(
        {
            "votes_url": votes_url,
            "ratings_dir": tmp_path,
            "contestants": CONTESTANTS,
            "images": {"max_bytes": 4096, "most": 2, "max_round_bytes": 65536},
            "access": {"limits": {"images_per_hour": 6}},
        }
    )
    arena = Arena.open(settings, GatewayClient(settings.gateway_url, None, 5))
    app = Application(image_routes(arena), xsrf_cookies=True, **{ACCESS: arena.access})
    server = HTTPServer(app)
    socket, port = bind_unused_port()
    server.add_socket(socket)
    url = f"http://127.0.0.1:{port}"
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        async with session.get(f"{url}/round/image/battle-{16 * '0'}/0/0") as answer:
            assert answer.status == 404
            cookie = answer.cookies[VOTER_COOKIE].value
        key = decode_signed_value(arena.access.secret, VOTER_COOKIE, cookie, min_version=2)
        yield Browser(arena, url, session, Voter(f"cookie {key.decode()}", "127.0.0.1"))
    server.stop()
    arena.store.close()


async def test_what_is_no_image_is_refused_in_words(browser):
    basket = browser.arena.uploads.open(browser.voter, texts("en"))
    assert "no image" in await browser.send(basket, b"<svg/>")
    assert "damaged" in await browser.send(basket, png()[:40])
    assert "0.00390625 MiB" in await browser.send(basket, png() + bytes(4096))

    async def pieces():
        yield png()

    assert "Content-Length" in await browser.send(basket, pieces())
    assert browser.statuses == [422, 422, 413, 411]
    assert len(basket) == 0


async def test_a_basket_belongs_to_one_page_of_one_voter(browser):
    other = browser.arena.uploads.open(Voter("cookie another", "127.0.0.1"), texts("en"))
    mine = browser.arena.uploads.open(browser.voter, texts("en"))
    for secret in ("", "forged", other.secret):
        await browser.send(secret, png())
    reference = await browser.send(mine, png())
    browser.arena.uploads.close(mine)
    await browser.send(mine, png())
    assert browser.statuses == [403, 403, 403, 200, 403]
    assert len(other) == 0
    (picture,) = mine.find([reference])
    assert (picture.width, picture.height) == (8, 8)


async def test_no_more_are_taken_than_a_question_has_and_than_a_voter_may_send(browser):
    basket = browser.arena.uploads.open(browser.voter, texts("en"))
    references = [await browser.send(basket, png()) for _ in range(2)]
    assert "up to 2 images" in await browser.send(basket, png())
    for _ in range(3):
        basket.drop(references)
        references = [await browser.send(basket, png())]
    basket.drop(references)
    assert "as many images as is allowed" in await browser.send(basket, png())
    assert browser.statuses == [200, 200, 422, 200, 200, 200, 422]


async def test_all_that_wait_have_a_bound_and_an_end(browser, monkeypatch):
    basket = browser.arena.uploads.open(browser.voter, texts("en"))
    reference = basket.put(Picture("image/png", 1, 1, bytes(1000)))
    monkeypatch.setattr(uploads, "MOST_HELD", 999)
    assert "Too many images are waiting" in await browser.send(basket, png())
    monkeypatch.setattr(uploads, "LIFETIME", -1.0)
    with pytest.raises(Exception, match="waited too long"):
        basket.find([reference])
    assert await browser.send(basket, png())
    assert browser.statuses == [422, 200]


@pytest.fixture
def asked(monkeypatch) -> list[tuple[Round, list[Picture]]]:
    """Rounds that were asked, with the images of the question; of a blind one the names too."""
    found = []

    async def ask(current: Round, prompt: str, images: list[Picture]) -> None:
        current.turns.append(prompt)
        current.images.append(tuple(images))
        found.append((current, list(images)))

    for view in (BattleView, ChatView):
        monkeypatch.setattr(view, "_begin", lambda *_: None)
    monkeypatch.setattr(Round, "ask", ask)
    monkeypatch.setattr("rostra.arena.live.LiveRounds.watch", lambda *_: None)
    return found


async def test_a_question_has_the_images_of_its_page_once(browser, asked):
    arena, voter = browser.arena, browser.voter
    mine, others = (
        BattleView(arena, arena.campaigns.default, voter, texts("en")) for _ in range(2)
    )
    one, two = [await browser.send(mine.attach["basket"], png()) for _ in range(2)]
    theirs = await browser.send(others.attach["basket"], png())

    async def ask(images: object) -> str:
        data = {"action": "ask", "round": mine.round, "prompt": "what?", "images": images}
        await mine._handle_msg(data)
        return mine.status

    for forged in (["forged"], [theirs], [one, theirs], [one, one], [7]):
        assert "An image waited too long" in await ask(forged)
    assert "up to 2 images" in await ask([one, two, theirs])
    assert asked == []
    await ask([two, one])
    ((current, images),) = asked
    assert len(images) == 2
    assert {each.name for each in current.contestants.values()} == {"ariel", "puck"}
    assert set(current._opening.matchmaking["among"]) == {"ariel", "puck"}
    assert "An image waited too long" in await ask([one])
    third = await browser.send(mine.attach["basket"], png())
    await mine._handle_msg({"action": "detach", "round": mine.round, "images": [third]})
    assert "An image waited too long" in await ask([third])
    assert len(asked) == 1


async def test_images_go_on_only_in_a_round_that_began_with_some(browser, asked):
    arena, voter = browser.arena, browser.voter
    view = BattleView(arena, arena.campaigns.default, voter, texts("en"))
    assert (view.attach["offered"], view.attach["takers"]) == (True, [])
    reference = await browser.send(view.attach["basket"], png())
    await view._handle_msg({"action": "ask", "round": 0, "prompt": "hello"})
    given = {"action": "ask", "round": 0, "prompt": "and?", "images": [reference]}
    await view._handle_msg(given)
    assert "first question of a round" in view.status
    assert not view.attach["goes_on"]
    view._current.images[0] = (Picture("image/png", 1, 1, bytes(65_500)),)
    await view._handle_msg(given)
    assert "as many images" in view.status
    view._current.images[0] = (Picture("image/png", 1, 1, bytes(60_000)),)
    await view._handle_msg(given)
    assert [len(images) for _, images in asked] == [0, 1]


async def test_whom_the_voter_chose_takes_images_or_is_not_asked(browser, asked):
    arena = browser.arena
    view = ChatView(arena, arena.campaigns.default, browser.voter, texts("en"))
    assert view.attach["takers"] == ["ariel", "puck"]
    reference = await browser.send(view.attach["basket"], png())
    given = {"action": "ask", "round": 0, "prompt": "what?", "images": [reference]}
    await view._handle_msg(given | {"chosen": {"a": "moth"}})
    assert "takes images" in view.status
    await view._handle_msg(given | {"chosen": {"a": "puck"}})
    assert [len(images) for _, images in asked] == [1]


async def test_where_fewer_than_two_take_images_none_are_offered(browser, asked):
    arena = browser.arena
    campaign = await asyncio.to_thread(arena.campaigns.default.with_paused, frozenset({"puck"}))
    view = BattleView(arena, campaign, browser.voter, texts("en"))
    shown = view._attachments.shown(campaign, None, blind=True)
    assert not shown["offered"]
    assert view._attachments.shown(campaign, None, blind=False)["takers"] == ["ariel"]
