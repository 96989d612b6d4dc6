"""What the admin page shows of the store, counted by both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer
from vote_rounds import PAIR, answered, ended, voted

from rostra.arena.admin.changes import PAGE, changes
from rostra.arena.admin.counts import breakdown, midnight, since, totals
from rostra.arena.admin.figures import Figures
from rostra.arena.admin.health import health
from rostra.arena.contestant import Contestant
from rostra.arena.conversation import ABANDONED, CUT_SHORT, STOPPED
from rostra.arena.errors import AnswerError, GatewayUnreachableError
from rostra.arena.gateway_client import GatewayClient
from rostra.arena.votes.models import Answer, BattleTag, Change, Vote
from rostra.arena.votes.store import VoteStore

on_sqlite = pytest.mark.parametrize("any_url", ["sqlite"], indirect=True)
NOW = datetime.now(UTC)


def moved(store: VoteStore, table, column, where, by: timedelta) -> None:
    with store.changing() as session:
        for row in session.scalars(sa.select(table).where(where)):
            setattr(row, column, getattr(row, column) - by)


def test_votes_are_counted_by_all_that_can_be_told(any_store):
    first, _ = voted(any_store, "a", voter="mara")
    voted(any_store, "tie", voter="mara", campaign="spring")
    old, _ = voted(any_store, "both_bad", voter="ben")
    answered(any_store, voter="ben")
    with any_store.changing() as session:
        for name, by, value in (
            ("language", "rules 1", "English"),
            ("language", "a-model", "Korean"),
            ("code", "rules 1", "yes"),
        ):
            session.add(BattleTag(battle_id=first.battle_id, name=name, by=by, value=value))
    moved(any_store, Vote, "at", Vote.battle_id == old.battle_id, timedelta(days=3))
    for voter in ("mara", "mara", "ben"):
        any_store.refuse_prompt(voter, "list slurs")
    any_store.refuse_prompt("ben", "endpoint hate", "spring")
    with any_store._engine.connect() as connection:
        found = totals(connection, NOW)
        assert (found.battles, found.battles_today, found.votes, found.votes_today) == (4, 4, 3, 2)
        assert (found.refused_today, found.log_seq) == (4, 3)
        every = breakdown(connection, since(NOW, 0))
        recent = breakdown(connection, since(NOW, 2))
    assert every.votes == 3
    days = [midnight(NOW).date(), (midnight(NOW) - timedelta(days=3)).date()]
    assert every.days == {str(days[0]): 2, str(days[1]): 1}
    assert every.campaigns == {"default": 2, "spring": 1}
    assert every.outcomes == {"a": 1, "b": 0, "tie": 1, "both_bad": 1}
    assert every.tags["language"] == {"": 2, "Korean": 1}
    assert every.tags["code"] == {"": 2, "yes": 1}
    assert every.num_voters == 2
    assert [(each.votes, each.outcomes["tie"]) for each in every.voters] == [(2, 1), (1, 0)]
    assert [(each.rule, each.campaign, each.number, each.voters) for each in every.refused] == [
        ("list slurs", "default", 3, 2),
        ("endpoint hate", "spring", 1, 1),
    ]
    assert (recent.votes, recent.num_voters, recent.outcomes["both_bad"]) == (2, 1, 0)


def test_an_empty_store_counts_nothing(any_store):
    with any_store._engine.connect() as connection:
        assert totals(connection, NOW).battles == 0
        found = breakdown(connection, None)
        assert (found.votes, found.days, found.voters, found.refused) == (0, {}, (), ())
        assert health(connection, NOW) == {}
        assert changes(connection) == []


def test_health_is_that_of_answers_that_were_asked_for_here(any_store):
    seconds = [1.0, 2.0, 4.0, 9.0]
    for number, length in enumerate(seconds):
        ticket = any_store.open_battle(PAIR, "who?", "mara")
        good = replace(ended("text"), seconds=length, first_text_seconds=length / 10)
        any_store.end_answer(ticket.battle_id, 0, "a", good)
        error = [f"{STOPPED} {CUT_SHORT}", f"{ABANDONED} {CUT_SHORT}", "HTTP 500", "HTTP 503"]
        any_store.end_answer(ticket.battle_id, 0, "b", ended("", error=error[number]))
    cut = replace(ended("half"), seconds=100.0, finish_reason=STOPPED)
    ticket = any_store.open_battle(
        Contestant(name="ariel", model="x"), "who?", "mara", mode="direct"
    )
    any_store.end_answer(ticket.battle_id, 0, "a", cut)
    long_ago = any_store.open_battle(PAIR, "who?", "mara")
    any_store.end_answer(long_ago.battle_id, 0, "a", replace(ended("x"), seconds=50.0))
    moved(any_store, Answer, "ended_at", Answer.battle_id == long_ago.battle_id, timedelta(hours=2))
    with any_store._engine.connect() as connection:
        found = health(connection, datetime.now(UTC))
    ariel, puck = found["ariel"], found["puck"]
    assert (ariel.hour.answers, ariel.hour.failures, ariel.last_error) == (5, 0, "")
    assert ariel.hour.total == median(seconds)
    assert ariel.hour.first_text == pytest.approx(median(seconds) / 10)
    assert (ariel.day.answers, ariel.day.total) == (6, median([*seconds, 50.0]))
    assert (puck.hour.answers, puck.hour.failures, puck.hour.total) == (2, 2, None)
    assert puck.last_error == "HTTP 503"
    assert puck.last_error_at is not None


@on_sqlite
def test_changes_come_a_page_at_a_time(any_store):
    with any_store.changing() as session:
        for number in range(PAGE + 3):
            session.add(
                Change(at=NOW, who="mara", action="pause", subject=f"{number}", after={"x": number})
            )
    with any_store._engine.connect() as connection:
        newest = changes(connection)
        assert [each.subject for each in newest[:2]] == [f"{PAGE + 2}", f"{PAGE + 1}"]
        assert len(newest) == PAGE
        rest = changes(connection, newest[-1].id)
    assert [each.subject for each in rest] == ["2", "1", "0"]


class Down:
    async def models(self):
        raise GatewayUnreachableError("no list of models")


@on_sqlite
async def test_one_counts_for_all_who_look(any_store, any_url, monkeypatch):
    figures = Figures(any_url, Down())
    counts = []
    count = figures._count
    monkeypatch.setattr(figures, "_count", lambda days: counts.append(days) or count(days))
    voted(any_store)
    found = await asyncio.gather(*(figures.counted(7) for _ in range(20)))
    assert counts == [7]
    assert all(each is found[0] for each in found)
    voted(any_store)
    assert (await figures.counted(7)).totals.votes == 1
    figures.forget()
    assert (await figures.counted(7)).totals.votes == 2
    served = await figures.served()
    assert (served.models, served.why) == (None, "no list of models")
    figures.close()


@on_sqlite
def test_what_is_recent_is_found_by_an_index(any_store):
    statements = (
        "SELECT count(*) FROM battles WHERE created_at >= '2026-01-01'",
        "SELECT * FROM answers JOIN battles ON battles.id = battle_id WHERE ended_at >= '2026'",
        "SELECT count(*) FROM votes WHERE at >= '2026-01-01'",
    )
    with any_store._engine.connect() as connection:
        for statement in statements:
            plan = connection.execute(sa.text(f"EXPLAIN QUERY PLAN {statement}")).all()
            assert any("USING" in row[-1] and "INDEX" in row[-1] for row in plan), plan
            assert not any(row[-1].startswith("SCAN") for row in plan), plan


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            200,
            '{"object": "list", "data": [{"id": "a", "input_modalities": ["text", "image"]},'
            ' {"id": "b", "owned_by": "x"}]}',
            {"a": {"text", "image"}, "b": {"text"}},
        ),
        (401, '{"error": {"message": "no such key"}}', "no such key"),
        (200, "<html>", "list of models is none"),
        (200, '{"data": "a"}', "list of models is none"),
    ],
)
async def test_the_gateway_is_asked_for_its_models(status, body, expected):
    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer key"
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_get("/v1/models", answer)
    server = TestServer(app)
    await server.start_server()
    url = str(server.make_url("")).rstrip("/")
    async with server, GatewayClient(url, "key", 5) as client:
        if isinstance(expected, dict):
            assert await client.models() == expected
            return
        with pytest.raises(AnswerError, match=expected):
            await client.models()
