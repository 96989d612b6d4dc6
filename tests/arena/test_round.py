from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import closing

import pytest

from rostra.arena.errors import AnswerBrokenError, VoteRefusedError
from rostra.arena.gateway_client import Delta, End, Message
from rostra.arena.round import Round
from rostra.arena.settings import Contestant

Script = Callable[[Contestant, Sequence[Message]], AsyncGenerator[Delta | End, None]]


class ScriptedClient:
    def __init__(self, script: Script) -> None:
        self.answer = script


async def both_well(contestant: Contestant, conversation: Sequence[Message]):
    yield Delta(f"answer {len(conversation)}")
    yield End("stop", 3, 4, "revision 1")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a round tells nobody
            await asyncio.sleep(0.005)


async def ended(current: Round) -> None:
    await until(lambda: current.ended)


async def both_begun(current: Round) -> None:
    await until(lambda: all(answer.text for answer in current.answers.values()))


@pytest.fixture
def begin(store, pair) -> Callable[..., Round]:
    def make(script: Script, mode: str = "side_by_side") -> Round:
        sides = {"a": pair.a} if mode == "direct" else {"a": pair.a, "b": pair.b}
        return Round(sides, mode, store, ScriptedClient(script), "192.0.2.7")

    return make


def query(url: str, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return connection.execute(sql).fetchall()


async def test_answers_are_stored_with_what_is_known_of_them(begin, votes_url):
    current = begin(both_well)
    await current.ask("hello")
    await ended(current)
    columns = "text, finish_reason, model_revision, prompt_tokens, completion_tokens, error"
    stored = query(votes_url, f"SELECT {columns} FROM answers")
    assert stored == [("answer 1", "stop", "revision 1", 3, 4, None)] * 2
    assert (await current.cast("tie")).outcome == "tie"


async def test_each_side_has_its_own_conversation(begin, pair):
    heard: dict[str, list[str]] = {}

    async def echo(contestant: Contestant, conversation: Sequence[Message]):
        heard[contestant.name] = [message["content"] for message in conversation]
        yield Delta(f"said by {contestant.model}")
        yield End("stop")

    current = begin(echo)
    for question in ("first", "second"):
        await current.ask(question)
        await ended(current)
    for contestant in (pair.a, pair.b):
        assert heard[contestant.name] == ["first", f"said by {contestant.model}", "second"]


async def test_an_answer_that_names_itself_marks_the_battle(begin, store):
    async def boast(contestant: Contestant, conversation: Sequence[Message]):
        yield Delta("I am Robin ")
        yield Delta("Goodfellow!")
        yield End("stop")

    current = begin(boast, "battle")
    await current.ask("who are you?")
    await ended(current)
    await current.cast("a")
    assert store.counts().revealed_votes == 1
    assert store.comparisons() == []


async def test_a_failed_answer_ends_the_round_without_a_vote(begin, store, pair):
    async def one_fails(contestant: Contestant, conversation: Sequence[Message]):
        yield Delta("begun")
        if contestant is pair.b:
            raise AnswerBrokenError("cut off")
        await asyncio.sleep(60)

    current = begin(one_fails)
    await current.ask("hello")
    await ended(current)
    assert current.failed_sides == ["b"]
    assert current.answers["a"].state == "interrupted"
    with pytest.raises(VoteRefusedError, match="failed"):
        await current.cast("a")
    assert store.counts().failed_battles == 1


async def test_a_fault_of_the_arena_is_a_failed_answer_too(begin):
    async def bug(contestant: Contestant, conversation: Sequence[Message]):
        yield Delta("begun")
        raise ZeroDivisionError

    current = begin(bug)
    await current.ask("hello")
    await ended(current)
    assert current.failed_sides == ["a", "b"]


async def test_stopping_keeps_what_was_said(begin, votes_url):
    async def endless(contestant: Contestant, conversation: Sequence[Message]):
        while True:
            yield Delta("more ")
            await asyncio.sleep(0.005)

    current = begin(endless)
    await current.ask("hello")
    await both_begun(current)
    current.stop()
    await ended(current)
    assert query(votes_url, "SELECT DISTINCT finish_reason FROM answers") == [("stopped",)]
    assert (await current.cast("b")).outcome == "b"


async def test_leaving_cancels_the_answers_and_stores_them_as_abandoned(begin, votes_url):
    async def silent(contestant: Contestant, conversation: Sequence[Message]):
        yield Delta("begun")
        await asyncio.sleep(60)

    current = begin(silent)
    await current.ask("hello")
    await both_begun(current)
    await current.close()
    assert query(votes_url, "SELECT text, finish_reason FROM answers") == [
        ("begun", "abandoned"),
        ("begun", "abandoned"),
    ]


async def test_there_is_no_vote_before_a_question(begin):
    with pytest.raises(VoteRefusedError, match="ask a question"):
        await begin(both_well).cast("a")
