from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import closing

import pytest

from rostra.arena.contestant import Contestant
from rostra.arena.errors import AnswerBrokenError, VoteRefusedError
from rostra.arena.gateway_client import Delta, End, Message
from rostra.arena.round import Opening, Round

OPENING = Opening("default", "cookie 7")
Script = Callable[[Contestant, Sequence[Message]], AsyncGenerator[Delta | End, None]]


class ScriptedClient:
    def __init__(self, script: Script) -> None:
        self.answer = script


async def both_well(contestant: Contestant, conversation: Sequence[Message]):
    yield Delta(f"answer {len(conversation)}")
    yield End("stop", 3, 4, "revision 1")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def ended(current: Round) -> None:
    await until(lambda: current.ended)


async def both_begun(current: Round) -> None:
    await until(lambda: all(answer.text for answer in current.answers.values()))


@pytest.fixture
def begin(store, pair) -> Callable[..., Round]:
    def make(script: Script, mode: str = "side_by_side") -> Round:
        sides = {"a": pair.a} if mode == "direct" else {"a": pair.a, "b": pair.b}
        return Round(sides, mode, store, ScriptedClient(script), OPENING)

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


async def test_an_answer_without_text_has_failed_and_may_be_written_again(begin, store, votes_url):
    answers = iter(["", "fine", "better", "best"])

    async def empty_at_first(contestant: Contestant, conversation: Sequence[Message]):
        if text := next(answers):
            yield Delta(text)
        yield End("length")

    current = begin(empty_at_first)
    await current.ask("hello")
    await ended(current)
    assert len(current.failed_sides) == 1
    assert store.counts().failed_battles == 1
    with pytest.raises(VoteRefusedError, match="failed"):
        await current.cast("a")
    await current.ask_again()
    assert not current.ended
    await ended(current)
    assert {answer.text for answer in current.answers.values()} == {"better", "best"}
    assert query(votes_url, "SELECT attempt, count(*) FROM answers GROUP BY 1") == [(0, 2), (1, 2)]
    await current.cast("a")
    assert store.counts().votes == 1


async def test_the_answer_asked_for_again_takes_the_place_of_the_one_before(begin):
    heard: list[list[str]] = []

    async def count(contestant: Contestant, conversation: Sequence[Message]):
        heard.append([message["content"] for message in conversation])
        yield Delta(f"answer {len(heard)}")
        yield End("stop")

    current = begin(count, "direct")
    await current.ask("first")
    await ended(current)
    await current.ask_again()
    await ended(current)
    await current.ask("second")
    await ended(current)
    assert heard == [["first"], ["first"], ["first", "answer 2", "second"]]
    assert current.history("a") == ["answer 2"]
    with pytest.raises(VoteRefusedError):
        await current.cast("a")


async def test_in_a_battle_a_waiting_answer_is_not_shown_before_the_other_begins(begin, pair):
    second = asyncio.Event()

    async def one_waits(contestant: Contestant, conversation: Sequence[Message]):
        if contestant is pair.b:
            await second.wait()
        yield Delta("The whole of it.")
        yield End("stop")

    current = begin(one_waits, "battle")
    await current.ask("hello")
    for _ in range(5):
        await current.next_moment()
        assert [answer.text for answer in current.answers.values()] == ["", ""]
        assert {answer.state for answer in current.answers.values()} == {"waiting"}
    second.set()
    await ended(current)
    assert {answer.text for answer in current.answers.values()} == {"The whole of it."}


async def test_what_was_not_shown_when_it_was_stopped_is_not_stored(begin, pair, votes_url):
    async def one_ahead(contestant: Contestant, conversation: Sequence[Message]):
        yield Delta("0123456789" * (9 if contestant is pair.a else 1))
        if contestant is pair.b:
            await asyncio.sleep(60)
        yield End("stop")

    current = begin(one_ahead, "battle")
    await current.ask("hello")
    await both_begun(current)
    current.stop()
    await ended(current)
    assert query(votes_url, "SELECT DISTINCT text, finish_reason FROM answers") == [
        ("0123456789", "stopped")
    ]


async def test_a_round_is_taken_up_where_it_was_left(begin, store, pair):
    current = begin(both_well)
    await current.ask("first")
    await ended(current)
    await current.ask("second")
    await ended(current)
    sides = {"a": pair.a, "b": pair.b}

    def resume() -> Round:
        stored = store.resume(current.ticket)
        return Round.resumed(sides, stored, current.ticket, store, ScriptedClient(both_well))

    again = resume()
    assert (again.turns, again.history("b")) == (["first", "second"], ["answer 1"])
    assert again.can_go_on
    await again.ask("third")
    await ended(again)
    assert again.answers["a"].text == "answer 5"
    await again.cast("b")
    assert resume().vote == again.vote
    with pytest.raises(VoteRefusedError):
        await current.cast("a")
    assert current.vote == again.vote


async def test_a_round_whose_answers_were_lost_is_interrupted_until_they_are_written(
    begin, store, pair
):
    async def silent(contestant: Contestant, conversation: Sequence[Message]):
        await asyncio.sleep(60)
        yield End("stop")

    left = begin(silent)
    await left.ask("hello")
    sides = {"a": pair.a, "b": pair.b}
    stored = store.resume(left.ticket)
    again = Round.resumed(sides, stored, left.ticket, store, ScriptedClient(both_well))
    assert again.ended
    assert again.interrupted
    with pytest.raises(VoteRefusedError, match="interrupted"):
        await again.cast("a")
    await again.ask_again()
    await ended(again)
    assert (await again.cast("a")).outcome == "a"
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def test_there_is_no_vote_before_a_question(begin):
    with pytest.raises(VoteRefusedError, match="ask a question"):
        await begin(both_well).cast("a")
