from __future__ import annotations

import json
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from sqlalchemy import select

from rostra.arena.errors import ArenaError
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.tags.by_model import ModelTagger
from rostra.arena.tags.exchange import Exchange
from rostra.arena.tags.precedence import preferred
from rostra.arena.tags.tagger import tag_battles
from rostra.arena.votes.database import open_database
from rostra.arena.votes.models import BattleTag
from rostra.arena.votes.reduction import VoteReader


class Fixed:
    """Tags every battle alike."""

    def __init__(self, by: str, **tags: str) -> None:
        self.by = by
        self._tags = tags
        self.seen: list[Sequence[Exchange]] = []

    def tags(self, turns: Sequence[Exchange]) -> dict[str, str]:
        self.seen.append(turns)
        return self._tags


@pytest.fixture
def engine(votes_url: str):
    engine = open_database(votes_url)
    yield engine
    engine.dispose()


def test_each_battle_with_a_vote_is_tagged_once(store, ended_battle, engine) -> None:
    store.vote(ended_battle(), "a")
    ended_battle()
    tagger = Fixed("rules 1", code="no", language="English")
    assert tag_battles(engine, tagger) == 1
    assert tagger.seen == [[Exchange("Who are you?", "answer a", "answer b")]]
    assert tag_battles(engine, tagger) == 0
    store.vote(ended_battle(), "b")
    assert tag_battles(engine, tagger) == 1
    assert tag_battles(engine, Fixed("rules 2", code="yes")) == 2
    with engine.connect() as connection:
        assert len(connection.execute(select(BattleTag.value)).all()) == 6


def test_battles_are_tagged_in_batches(store, ended_battle, engine, monkeypatch) -> None:
    monkeypatch.setattr("rostra.arena.tags.tagger.BATCH", 2)
    for _ in range(5):
        store.vote(ended_battle(), "a")
    told: list[int] = []
    assert tag_battles(engine, Fixed("rules 1", code="no"), told.append) == 5
    assert told == [2, 4, 5]


def test_a_rating_by_tag_believes_the_model_before_the_rules(
    store, ended_battle, engine, votes_url
) -> None:
    for outcome in ("a", "b", "tie"):
        store.vote(ended_battle(), outcome)
    tag_battles(engine, Fixed("rules 1", language="English", code="no"))
    board, _ = VoteReader(votes_url).reduce(Wanted(factors=("language",)))
    assert (board.factors["language"].levels, board.num_votes) == (("English",), 3)
    tag_battles(engine, Fixed("some-model", language="German"))
    board, _ = VoteReader(votes_url).reduce(Wanted(factors=("language",)))
    assert board.factors["language"].levels == ("German",)
    board, _ = VoteReader(votes_url).reduce(Wanted(factors=("code",)))
    assert board.factors["code"].levels == ("no",)


def test_votes_without_a_tag_are_left_out_by_number(store, ended_battle, engine, votes_url) -> None:
    store.vote(ended_battle(), "a")
    tag_battles(engine, Fixed("rules 1", language="unknown"))
    store.vote(ended_battle(), "b")
    store.vote(ended_battle(), "tie")
    tag_battles(engine, Fixed("import", language="Korean"))
    with engine.begin() as connection:
        connection.execute(
            BattleTag.__table__.delete().where(
                BattleTag.battle_id.in_(
                    select(BattleTag.battle_id).where(BattleTag.value == "unknown")
                ),
                BattleTag.by == "import",
            )
        )
    board, provenance = VoteReader(votes_url).reduce(Wanted(factors=("language",)))
    assert board.num_votes == 2
    assert provenance.left_out == (("no language", 1),)


def test_whose_tag_counts() -> None:
    tags = [
        ("code", "rules 0", "old"),
        ("code", "rules 1", "new"),
        ("maths", "rules 1", "rule"),
        ("maths", "model", "model"),
        ("language", "model", "model"),
        ("language", "import", "import"),
    ]
    assert preferred(tags) == {"code": "new", "maths": "model", "language": "import"}


@pytest.fixture
def gateway():
    """Answers a completion with what `server.content` says, and keeps the requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.requests.append((self.path, dict(self.headers), json.loads(body)))
            answer = {"choices": [{"message": {"content": server.content}}]}
            text = json.dumps(answer).encode()
            self.send_response(server.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.status = [], 200  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_model_gives_a_verdict_in_a_schema(gateway) -> None:
    gateway.content = '{"language": "German", "code": "no", "maths": "yes"}'
    with ModelTagger(f"http://127.0.0.1:{gateway.server_port}/", "judge", "secret") as tagger:
        assert tagger.tags([Exchange("Was ist 2 + 2?")]) == {
            "language": "German",
            "code": "no",
            "maths": "yes",
        }
    [(path, headers, body)] = gateway.requests
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret"
    assert (body["model"], body["temperature"]) == ("judge", 0)
    assert body["response_format"]["json_schema"]["strict"] is True
    assert "Was ist 2 + 2?" in body["messages"][1]["content"]


@pytest.mark.parametrize(
    ("content", "status", "line"),
    [
        ("I think it is German.", 200, "gave no verdict"),
        ('{"language": "Klingon", "code": "no", "maths": "no"}', 200, "none of the languages"),
        ('{"language": "German", "code": "perhaps", "maths": "no"}', 200, "gave no verdict"),
        ("", 503, "answered 503"),
    ],
)
def test_what_is_no_verdict_is_one_line_and_no_tag(
    gateway, store, ended_battle, engine, content: str, status: int, line: str
) -> None:
    gateway.content, gateway.status = content, status
    store.vote(ended_battle(), "a")
    with (
        ModelTagger(f"http://127.0.0.1:{gateway.server_port}", "judge") as tagger,
        pytest.raises(ArenaError, match=line) as caught,
    ):
        tag_battles(engine, tagger)
    assert "\n" not in str(caught.value)
    with engine.connect() as connection:
        assert connection.execute(select(BattleTag.value)).all() == []
