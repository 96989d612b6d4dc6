"""Verdicts in the vote store: marked, in the log, and never among people's votes unasked."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from judge_server import Server, score, shown, verdict
from sqlalchemy import Engine, select

from rostra.arena.contestant import Contestant
from rostra.arena.judge.stored import verdicts
from rostra.arena.matchmaking import Pair
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.votes.database import open_database
from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.log.verify_file import verify_file
from rostra.arena.votes.models import Battle, ImportedBattle
from rostra.arena.votes.records import EndedAnswer
from rostra.arena.votes.redaction import redact
from rostra.arena.votes.reduction import JUDGED, PEOPLES, VoteReader
from rostra.arena.votes.statistics import VoteStatistics
from rostra.arena.votes.store import VoteStore
from rostra.arena.votes.transfer.export import JUDGED as NOT_MARKED
from rostra.arena.votes.transfer.export import Exporter, ExportOptions
from rostra.arena.votes.transfer.importing import Importer
from rostra.arena.votes.transfer.sources import source_of
from rostra.mesh.cli.rating_run import Rating

PAIRS = 9


@pytest.fixture
def url(home) -> str:
    return f"sqlite:///{home / 'data' / 'votes.sqlite3'}"


@pytest.fixture
def people(url: str) -> int:
    """A person's vote on two of the contestants."""
    store = VoteStore(url)
    pair = Pair(*(Contestant(name=name, model=name) for name in ("ariel", "puck")))
    ticket = store.open_battle(pair, "Who?", "192.0.2.1")
    for side in ("a", "b"):
        store.end_answer(ticket.battle_id, 0, side, EndedAnswer("me", 1.0, finish_reason="stop"))
    store.vote(ticket, "b")
    store.close()
    return 1


@pytest.fixture
def judged(rostra, run, prompts, server: Server, people: int):
    """All pairs by both judges, who disagree but for what is put first, which ariel is not hurt
    by."""

    def judge(body):
        first, second = shown(body)[-2:]
        if body["model"] == "portia-70b":
            return verdict("A" if "puck" in first else "B" if "puck" in second else "tie", "taste")
        return verdict("A")

    server.judge = judge
    assert rostra("judge", "run", run, prompts).exit_code == 0
    done = rostra("judge", "pairs", run, "--judge", "portia", "--judge", "shylock")
    assert done.exit_code == 0, done.output
    assert "18 verdicts put into the vote store" in done.output
    return run


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


def read(url: str, **options) -> tuple[int, dict[str, int]]:
    reader = VoteReader(url, **options)
    try:
        board, provenance = reader.reduce(Wanted())
    finally:
        reader.close()
    return board.num_votes, dict(provenance.left_out)


def test_who_is_rated_is_asked_for(judged, url):
    assert read(url) == (1, {JUDGED: 2 * PAIRS})
    assert read(url, givers="judges") == (2 * PAIRS, {PEOPLES: 1})
    assert read(url, givers="both") == (2 * PAIRS + 1, {})
    one = read(url, givers="judges", judges=("portia",))
    assert one == (PAIRS, {PEOPLES: 1, "verdict of another model": PAIRS})
    assert read(url, givers="both", judges=("portia",))[0] == PAIRS + 1
    assert read(url, givers="judges", imported=False)[0] == 2 * PAIRS
    with pytest.raises(RatingsError, match="18 verdict of a model"):
        read(url, campaigns=("judge",))


def test_the_arena_counts_people_alone(judged, url, engine):
    store = VoteStore(url)
    assert store.number_of_comparisons() == len(store.comparisons()) == 1
    assert store.number_of_votes("judge", 100) == 0
    store.close()
    counted = VoteStatistics.of(engine)
    assert (counted.rated, counted.judged) == (1, 2 * PAIRS)


def test_the_store_holds_what_was_shown_and_said(judged, engine, rostra, people):
    frame = verdicts(engine)
    assert len(frame) == 4 * PAIRS
    assert frame["judge"].value_counts().sort("judge").rows() == [("portia", 18), ("shylock", 18)]
    shylock = frame.filter(judge="shylock")
    assert set(shylock["outcome"]) == {"a"}
    assert set(shylock["agreed"]) == {"tie"}
    assert not any(shylock["consistent"])
    portia = frame.filter(judge="portia")
    assert portia["agreed"].to_list() == portia["outcome"].to_list()
    first = portia.filter(question="82", left="ariel", right="puck").row(0, named=True)
    assert (first["outcome"], first["turn"], first["category"]) == ("b", 1, "maths")
    assert first["characters_left"] == len("ariel-7b says yes")
    assert first["tokens_right"] == 3
    second = portia.filter(question="81", turn=2, left="ariel", right="puck").row(0, named=True)
    assert second["tokens_left"] == 6
    # Stored once, however often.
    done = rostra("judge", "pairs", judged, "--judge", "portia")
    assert "0 verdicts put into the vote store, 9 in it already" in done.output


def test_the_log_commits_to_the_judge(judged, engine):
    assert verify(engine).kinds == {"vote": 1, "import": 2 * PAIRS, "reasons": 0}
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE battles SET judge = NULL WHERE judge = 'shylock'")
    with pytest.raises(Exception, match="judge is 'shylock' in the log and absent"):
        verify(engine)


def test_exports_mark_verdicts_or_leave_them_out(judged, engine, tmp_path):
    path = tmp_path / "votes.jsonl"
    with path.open("wb") as file:
        assert Exporter(engine, ExportOptions("jsonl")).write(file).written == 2 * PAIRS + 1
    assert verify_file(path).entries == 2 * PAIRS + 1
    other = f"sqlite:///{tmp_path / 'other.sqlite3'}"
    taken = open_database(other)
    assert Importer(taken, path, source_of(path)).run().taken == 2 * PAIRS + 1
    verify(taken)
    assert verdicts(taken).drop("category").equals(verdicts(engine).drop("category"))
    taken.dispose()
    assert read(other) == (1, {JUDGED: 2 * PAIRS})
    for form in ("parquet", "csv", "pairs", "lmsys-battles", "lmsys-log"):
        exported = Exporter(engine, ExportOptions(form)).write(io.BytesIO())
        assert (exported.written, dict(exported.left_out)) == (1, {NOT_MARKED: 2 * PAIRS})


def test_redaction_takes_reasons_and_leaves_the_judge(judged, engine):
    with engine.connect() as connection:
        battle = connection.scalar(select(Battle.id).where(Battle.judge == "portia").limit(1))
    redact(engine, battle, "operator")
    assert verify(engine).redacted == 1
    with engine.connect() as connection:
        rows = select(Battle.judge, ImportedBattle.extra).join(
            ImportedBattle, ImportedBattle.battle_id == Battle.id
        )
        assert connection.execute(rows.where(Battle.id == battle)).one() == ("portia", None)
    assert len(verdicts(engine)) == 4 * PAIRS - 2


def test_a_panel_is_one_judge_of_its_majority(rostra, server, run, prompts, config, engine):
    config.write_text(config.read_text() + '[[judge]]\nname = "antonio"\nmodel = "antonio-70b"\n')

    def judge(body):
        puck_first = "puck" in shown(body)[-2]
        puck_second = "puck" in shown(body)[-1]
        if body["model"] == "shylock-70b" or not (puck_first or puck_second):
            return verdict("A")
        return verdict("A" if puck_first else "B")

    server.judge = judge
    rostra("judge", "run", run, prompts)
    done = rostra("judge", "pairs", run, "--panel", "the court")
    assert done.exit_code == 0, done.output
    with engine.connect() as connection:
        found = connection.execute(
            select(Battle.judge, ImportedBattle.extra).join(
                ImportedBattle, ImportedBattle.battle_id == Battle.id
            )
        ).all()
    assert {judge for judge, _ in found} == {"the court"}
    assert {tuple(sorted(extra["panel"])) for _, extra in found} == {
        ("antonio", "portia", "shylock")
    }
    assert all(len(extra["verdicts"]) == 6 for _, extra in found)
    won, left_out = read(str(engine.url), givers="judges")
    assert (won, left_out) == (PAIRS, {})
    report = rostra("judge", "report", run).output
    assert "panel" in report
    done = rostra("judge", "pairs", run, "--panel", "portia")
    assert done.exit_code == 2
    assert "that no judge has" in done.output


def test_scores_are_pairs_where_that_is_asked_for(rostra, server, run, prompts, url, engine):
    server.judge = lambda body: score(9 if "puck" in shown(body)[-1] else 4)
    rostra("judge", "run", run, prompts)
    done = rostra("judge", "grade", run, "--judge", "portia", "--store")
    assert done.exit_code == 0, done.output
    assert read(url, givers="judges", judges=["portia (scores)"])[0] == PAIRS
    reader = VoteReader(url, givers="judges")
    board, _ = reader.reduce(Wanted())
    reader.close()
    wins = dict.fromkeys(board.contestants, 0)
    for left, right, counts in zip(board.left, board.right, board.table, strict=True):
        wins[board.contestants[left]] += int(counts[0])
        wins[board.contestants[right]] += int(counts[2])
    assert wins == {"ariel": 0, "caliban": 0, "puck": 6}


def test_rate_takes_people_unless_told_otherwise(judged, rostra, home, monkeypatch):
    rated = []

    def once(rating: Rating) -> int:
        rated.append((rating._directory, rating._source.read(Wanted()).board.num_votes))
        return 0

    monkeypatch.setattr(Rating, "once", once)
    ratings = home / "data" / "ratings"
    for options in ((), ("--from", "judges", "--judge", "portia"), ("--from", "both")):
        assert rostra("rate", *options).exit_code == 0
    assert rated == [
        (ratings, 1),
        # Not where the leaderboard takes its ratings from, which are what people say.
        (ratings / "from-judges", PAIRS),
        (ratings / "from-both", 2 * PAIRS + 1),
    ]
    done = rostra("rate", "--judge", "portia")
    assert done.exit_code == 2
    assert "give --from judges or --from both" in done.output
    (home / "votes.csv").write_text("model_a,model_b,winner\nx,y,model_a\n")
    done = rostra("rate", "--from", "judges", "--votes", home / "votes.csv")
    assert done.exit_code == 2
    assert "--from is for votes of the store" in done.output
