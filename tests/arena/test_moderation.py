"""What may not be asked: lists of words, an endpoint, and what happens when it does not answer."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moderation_server import ModerationServer, moderation_server, verdict
from pydantic import ValidationError

from rostra.arena.errors import ArenaError
from rostra.arena.folding import words
from rostra.arena.moderation.endpoint import LARGEST_ANSWER
from rostra.arena.moderation.lists import WordLists
from rostra.arena.moderation.moderation import UNANSWERED, Moderation, Refusal
from rostra.arena.moderation.settings import EndpointSettings, ModerationSettings

Listed = Callable[..., WordLists]


@pytest.fixture
def listed(tmp_path: Path) -> Listed:
    def make(**lists: str) -> WordLists:
        files = {}
        for name, text in lists.items():
            files[name] = tmp_path / f"{name}.txt"
            files[name].write_text(text, encoding="utf-8")
        return WordLists(files)

    return make


@pytest.fixture
async def server() -> AsyncIterator[ModerationServer]:
    async with moderation_server() as server:
        yield server


@asynccontextmanager
async def moderation(endpoint: EndpointSettings | None, **lists: Path) -> AsyncIterator[Moderation]:
    found = Moderation(ModerationSettings(endpoint=endpoint, lists=lists))
    try:
        yield found
    finally:
        await found.close()


WORDS = """\
# names of projects
Bluebird

two  words
bomb*
*폭탄*
größe
"""


@pytest.mark.parametrize(
    "text",
    [
        "tell me of bluebird",
        "BLUEBIRD!",
        "Вluеbirḍ",
        "blue\u200bbird",
        "Ｂｌｕｅｂｉｒｄ",
        "it takes two-words",
        "two\nWORDS",
        "how are bombs made",
        "bombastic",
        "수제폭탄을 만드는 법",
        "GRÖSSE",
    ],
)
def test_a_word_is_found_whatever_it_is_dressed_as(listed, text):
    assert listed(projects=WORDS).find(text) == "projects"


@pytest.mark.parametrize(
    "text", ["", "bluebirds", "a blue bird", "two other words", "abomb", "project names", "grob"]
)
def test_only_whole_words_are_found(listed, text):
    assert listed(projects=WORDS).find(text) is None


def test_the_list_is_named(listed):
    both = listed(slurs="nasty", projects="bluebird")
    assert both.find("a nasty bluebird") == "slurs"
    assert both.find("a bluebird, nasty") == "projects"
    assert listed().find("nasty") is None


LETTERS = st.text(st.sampled_from("abАВ*́ß폭 -\n#"), max_size=8)


@given(st.lists(LETTERS, max_size=6), st.text(max_size=60) | LETTERS)
def test_what_is_found_is_what_is_there(tmp_path_factory, entries, text):
    path = tmp_path_factory.mktemp("lists") / "words"
    usable = [each.strip() for each in entries if words(each.strip()).strip() and "*" not in each]
    usable = [each for each in usable if "\n" not in each and not each.startswith("#")]
    path.write_text("\n".join(["zebra", *usable]), encoding="utf-8")
    found = WordLists({"x": path}).find(text)
    expected = any(words(each) in words(text) for each in ("zebra", *usable))
    assert found == ("x" if expected else None)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# nothing\n", "has no word"),
        ("fine\n!!!\n", "line 2 of"),
        ("*", "line 1 of"),
        ("b*d", "line 1 of"),
    ],
)
def test_a_list_that_would_find_nothing_is_refused(listed, text, complaint):
    with pytest.raises(ArenaError, match=complaint):
        listed(bad=text)


def test_a_list_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ArenaError, match=r"cannot read .*none.txt of moderation.lists.slurs"):
        WordLists({"slurs": tmp_path / "none.txt"})
    (tmp_path / "latin").write_bytes(b"gr\xf6\xdfe")
    with pytest.raises(ArenaError, match="UTF-8"):
        WordLists({"slurs": tmp_path / "latin"})


async def test_the_endpoint_is_asked_with_model_and_key(server, monkeypatch):
    monkeypatch.setenv("MODERATION_KEY", "sk-secret")
    settings = server.settings(model="omni", api_key_env="MODERATION_KEY")
    async with moderation(settings) as checks:
        assert await checks.check("how to kill a process") == Refusal("endpoint violence")
        assert await checks.check("how to tie a tie \ud800") is None
    assert server.asked[0] == {"input": "how to kill a process", "model": "omni"}
    assert server.asked[1]["input"] == "how to tie a tie \ufffd"
    assert set(server.keys) == {"Bearer sk-secret"}
    assert (checks.health.answered, checks.health.unanswered) == (2, 0)


async def test_images_are_judged_one_by_one_where_the_endpoint_takes_them(server):
    server.body = verdict({"violence": 0.01})
    images = ["data:image/png;base64,AA==", "data:image/png;base64,AQ=="]
    async with moderation(server.settings()) as checks:
        assert await checks.check("what is this?", images) is None
    assert server.asked == [{"input": "what is this?"}]
    server.asked.clear()
    async with moderation(server.settings(images=True)) as checks:
        assert await checks.check("what is this?", images) is None
        assert await checks.check("and without?") is None
        server.body = verdict()
        assert await checks.check("what is this?", images) == Refusal("endpoint violence")
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in images]
    first = [{"type": "text", "text": "what is this?"}, parts[0]]
    assert [each["input"] for each in server.asked] == [first, [parts[1]], "and without?", first]


async def test_lists_come_first_and_the_endpoint_does_not_hear_of_it(server, tmp_path):
    (tmp_path / "words").write_text("bluebird")
    async with moderation(server.settings(), projects=tmp_path / "words") as checks:
        assert await checks.check("what is Bluebird?") == Refusal("list projects")
    assert server.asked == []


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({}, "endpoint violence"),
        ({"thresholds": {"violence": 0.95}}, None),
        ({"thresholds": {"hate": 0.05}}, "endpoint violence"),
        ({"thresholds": {"hate": 0.05}, "ignore": ["violence"]}, "endpoint hate"),
        ({"ignore": ["violence"]}, None),
    ],
)
async def test_thresholds_stand_in_for_the_servers_own(server, given, rule):
    server.body = verdict()
    async with moderation(server.settings(**given)) as checks:
        found = await checks.check("anything")
    assert found == (None if rule is None else Refusal(rule))


async def test_a_verdict_without_categories_counts(server):
    server.body = {"results": [{"flagged": True, "categories": {}}]}
    async with moderation(server.settings()) as checks:
        assert await checks.check("anything") == Refusal("endpoint flagged")


BAD = {
    "error": (500, {"error": {"message": "down"}}, "HTTP 500"),
    "redirect": (307, b"", "HTTP 307"),
    "no JSON": (200, b"<html>", "no moderation"),
    "no UTF-8": (200, b'{"results": "\xff"}', "no moderation"),
    "no results": (200, {"results": []}, "no moderation"),
    "two results": (200, {"results": verdict()["results"] * 2}, "no moderation"),
    "another form": (200, {"results": [{"flagged": "yes"}]}, "no moderation"),
    "a chat": (200, {"choices": [{"message": {"content": "fine"}}]}, "no moderation"),
    "endless": (200, b" " * (LARGEST_ANSWER + 1), "more than"),
}


@pytest.mark.parametrize("unanswered", ["refuse", "allow"])
@pytest.mark.parametrize("name", BAD)
async def test_nonsense_is_no_verdict(server, caplog, name, unanswered):
    server.status, server.body, why = BAD[name]
    async with moderation(server.settings(unanswered=unanswered)) as checks:
        with caplog.at_level(logging.WARNING):
            found = await checks.check("my secret question")
    assert found == (None if unanswered == "allow" else Refusal(UNANSWERED))
    assert found is None or not found.judged
    assert checks.health.unanswered == 1
    assert why in checks.health.failure
    assert why in caplog.text
    assert "secret" not in caplog.text


async def test_one_that_is_slow_or_gone_is_not_waited_for(server):
    server.delay = 30
    async with moderation(server.settings(timeout=0.05)) as checks:
        assert await checks.check("anything") == Refusal(UNANSWERED)
        assert "no answer within 0.05 s" in checks.health.failure
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        async with moderation(EndpointSettings(url=url)) as checks:
            assert await checks.check("anything") == Refusal(UNANSWERED)


async def test_a_threshold_for_a_category_that_there_is_not_refuses_and_says_so(server):
    async with moderation(server.settings(thresholds={"violense": 0.5})) as checks:
        assert await checks.check("anything") == Refusal(UNANSWERED)
    assert "'violense'" in checks.health.failure
    assert "violence, hate" in checks.health.failure


def test_a_key_that_is_not_there_is_named(monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    settings = EndpointSettings(url="http://127.0.0.1:1/", api_key_env="NO_SUCH_KEY")
    with pytest.raises(ArenaError, match="the environment has no NO_SUCH_KEY"):
        Moderation(ModerationSettings(endpoint=settings))


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": {"url": "ftp://x"}},
        {"endpoint": {"url": "http://x", "thresholds": {"hate": 2}}},
        {"endpoint": {"url": "http://x", "unanswered": "shrug"}},
        {"endpoint": {"url": "http://x", "timeout": 0}},
        {"lists": {" ": "x"}},
        {"list": {"a": "x"}},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValidationError):
        ModerationSettings.model_validate(wrong)
