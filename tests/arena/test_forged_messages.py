"""What no page sends, sent to one over its websocket: nothing is stored, and the page goes on.

The store's own refusals are in `test_vote_refusals`; here is what stands before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa

from benchmarks import arena_process
from benchmarks.arena_voter import VoterPage
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.database import open_existing, snapshot

QUOTED = "'; DROP TABLE votes; -- {{7*7}} ${7*7} {% raw %} <script>alert(1)</script>"
VALUES: list[Any] = [None, True, -1, 1e308, "", QUOTED, "\0", [], ["a"], {"a": "b"}, {}]
CONTESTANTS = {f"contestant-{number}" for number in range(4)}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArenaSettings]:
    with arena_process.gateway(pace=2000) as gateway:
        yield arena_process.settings(tmp_path_factory.mktemp("forged"), gateway.url)


@pytest.fixture(scope="module")
def url(settings: ArenaSettings) -> Iterator[str]:
    with arena_process.arena(settings) as arena:
        yield arena.url


@pytest.fixture
async def page(url: str) -> AsyncIterator[VoterPage]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as http, VoterPage(http, url) as page:
        yield page


def stored(settings: ArenaSettings) -> dict[str, int]:
    engine = open_existing(settings.votes_url)
    try:
        with snapshot(engine) as connection:
            return {
                name: connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one()
                for name in ("battles", "votes", "vote_reasons", "log_entries")
            }
    finally:
        engine.dispose()


async def heard(page: VoterPage) -> None:
    """Returns when the page has heard all that was sent to it: it answers in order."""
    page.state["random"] = None
    before = page.num_messages
    await page.send("random")
    async with asyncio.timeout(60):
        while page.num_messages == before:
            await asyncio.sleep(0.01)


async def test_votes_that_no_button_casts_are_not_stored(settings, page):
    before = stored(settings)
    await page.send("vote", outcome="a")
    await page.send("reasons", tags=["safe"], comment="too soon")
    await page.ask("Why does it boil?")
    await page.send("vote", outcome="a")
    await heard(page)
    await page.read()
    for outcome in VALUES:
        await page.send("vote", outcome=outcome)
    # Rounds that are not this one, and actions and messages that there are none of.
    for number in (-1, 1, "0", None, [0]):
        await page.send("vote", outcome="a", round=number)
    for action in VALUES:
        if not isinstance(action, list | dict):
            await page.send(action, outcome="a")
    await page.send("reasons", tags=["safe"])
    await heard(page)
    assert page.state["phase"] == "ended"
    assert stored(settings) == {**before, "battles": before["battles"] + 1}

    await page.vote("b")
    # Once more, otherwise, and by the claim of a ticket that never was.
    for outcome in ("b", "a", "tie"):
        await page.send("vote", outcome=outcome)
    for claim in VALUES:
        await page.send("resume", claim=claim)
    for tags in VALUES:
        if tags != []:
            await page.send("reasons", tags=tags, comment="")
    await heard(page)
    after = stored(settings)
    assert (after["votes"], after["log_entries"]) == (before["votes"] + 1, before["votes"] + 1)
    assert page.state["choice"] == "b"
    assert page.state["names"].keys() == {"a", "b"}


async def test_a_battle_is_with_whom_the_arena_drew_whatever_the_page_says(settings, page):
    forged = {"a": "contestant-1", "b": "contestant-1"}
    for chosen in [forged, *VALUES]:
        await page.send("ask", prompt=QUOTED, chosen=chosen, contestants=forged, names=forged)
        await page.until(lambda state: state["phase"] == "answering")
        await page.read()
        assert page.state["names"] == {}
        await page.next_round()
    engine = open_existing(settings.votes_url)
    with snapshot(engine) as connection:
        query = "SELECT contestant_a, contestant_b FROM battles JOIN turns ON id = battle_id"
        pairs = connection.execute(
            sa.text(f"{query} WHERE prompt = :prompt"), {"prompt": QUOTED}
        ).all()
    engine.dispose()
    assert len(pairs) == 1 + len(VALUES)
    assert all(set(pair) <= CONTESTANTS and pair[0] != pair[1] for pair in pairs)


async def test_what_is_too_long_or_no_question_is_not_asked(settings, page):
    before = stored(settings)
    for prompt in ("x" * (settings.max_prompt_chars + 1), "", " \n", "y" * 2_000_000):
        await page.send("ask", prompt=prompt, chosen={})
    # The last of them is refused with its length, so that all of them have been heard.
    said = await page.until(lambda state: "2000000" in state["status"].replace(",", ""))
    assert said["phase"] == "empty"
    assert str(settings.max_prompt_chars) in said["status"].replace(",", "")
    assert stored(settings) == before
    await page.ask("And now?")


async def test_a_claim_is_good_for_one_page_and_one_time(settings, url, page):
    await page.ask("Why does it boil?")
    await page.read()
    await page.close()
    ticket = await page._post("resume")
    assert ticket
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
        VoterPage(http, url) as own,
        VoterPage(http, url) as replayed,
    ):
        await own.send("resume", claim=ticket)
        await own.until(lambda state: state["phase"] == "ended")
        await replayed.send("resume", claim=ticket)
        await replayed.send("vote", outcome="a")
        await heard(replayed)
        assert (replayed.state["phase"], replayed.state["prompts"]) == ("empty", [])


async def test_what_is_no_message_ends_its_own_socket_alone(url, page):
    async with aiohttp.ClientSession() as http, VoterPage(http, url) as other:
        for frame in ("{", "[]", '{"msgtype": "PATCH-DOC"}', "\0"):
            try:
                await other._socket.send_str(frame)
            except (ConnectionError, aiohttp.ClientError):
                break
    await page.ask("Does the other's nonsense matter?")
    await page.read()
    await page.vote("tie")
