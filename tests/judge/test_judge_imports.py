"""MT-bench's own files as a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from judge_server import lines, verdict

from rostra.arena.judge.outcomes import of_pairs
from rostra.arena.judge.records import Verdict
from rostra.arena.judge.stored import verdicts
from rostra.arena.votes.database import open_database

QUESTION = {"question_id": 101, "category": "reasoning", "turns": ["Who is second?", "And last?"]}


def answer(model: str, *turns: object, question: int = 101) -> dict:
    return {
        "question_id": question,
        "answer_id": "x",
        "model_id": model,
        "choices": [{"index": 0, "turns": list(turns)}],
        "tstamp": 1686286924.0,
    }


def pair(one: str, other: str, first: str, second: str, turn: int = 1, **more) -> dict:
    return {
        "question_id": 101,
        "model_1": one,
        "model_2": other,
        "g1_winner": first,
        "g2_winner": second,
        "judge": ["gpt-4", "pair-v2"],
        "g1_judgment": "one [[A]]",
        "g2_judgment": "two [[B]]",
        "turn": turn,
        "tstamp": 1687222863.2,
        **more,
    }


def single(model: str, score: object, **more) -> dict:
    return {
        "question_id": 101,
        "model": model,
        "judge": ["gpt-4", "single-math-v1"],
        "judgment": "Rating: [[7]]",
        "score": score,
        "turn": 1,
        "tstamp": 1687222863.2,
        **more,
    }


def write(path: Path, *rows: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    )


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    folder = tmp_path / "mt_bench"
    write(folder / "question.jsonl", QUESTION)
    write(folder / "model_answer" / "ant.jsonl", answer("ant", "the second", "nobody"))
    write(folder / "model_answer" / "bee.jsonl", answer("bee", "the third", "who knows"))
    write(folder / "reference_answer" / "gpt-4.jsonl", answer("gpt-4", "second", "impossible"))
    write(
        folder / "model_judgment" / "gpt-4_pair.jsonl",
        pair("ant", "bee", "model_1", "model_1"),
        pair("ant", "bee", "model_1", "model_2", turn=2),
    )
    write(folder / "model_judgment" / "gpt-4_single.jsonl", single("ant", 7.5), single("bee", 2))
    return folder


def test_a_whole_bench_becomes_a_run_that_can_be_gone_on_with(
    rostra, server, run, bench, home, prompts
):
    done = rostra("judge", "import", run, bench)
    assert done.exit_code == 0, done.output
    assert "1 question, 4 answers and 6 verdicts taken" in done.output
    assert "2 verdicts put into the vote store" in done.output
    (question,) = lines(run / "questions.jsonl")
    assert question["reference"] == ["second", "impossible"]
    report = json.loads(rostra("judge", "report", run, "--output", "json").output)
    by = {each["contestant"]: each for each in report["compared"]}
    assert (by["ant"]["wins"], by["ant"]["ties"], by["ant"]["losses"]) == (1, 1, 0)
    assert {each["contestant"]: each["mean"] for each in report["graded"]} == {"ant": 7.5, "bee": 2}
    engine = open_database(f"sqlite:///{home / 'data' / 'votes.sqlite3'}")
    frame = verdicts(engine)
    engine.dispose()
    assert frame.select("left", "right", "outcome", "turn").sort("turn", "left").rows() == [
        *(("ant", "bee", "a", 1), ("bee", "ant", "b", 1)),
        *(("ant", "bee", "a", 2), ("bee", "ant", "a", 2)),
    ]
    assert "Rating" not in (run / "questions.jsonl").read_text()
    # The same again changes nothing; a judge of one's own goes on with their answers.
    again = rostra("judge", "import", run, bench)
    assert "0 answers and 0 verdicts taken" in again.output
    assert "0 verdicts put into the vote store, 2 in it already" in again.output
    server.judge = lambda _: verdict("tie")
    done = rostra("judge", "pairs", run, "--judge", "portia")
    assert done.exit_code == 0, done.output
    assert len(server.judged) == 4


def test_broken_rows_are_named_and_the_rest_is_taken(rostra, run, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = {
        1: QUESTION,
        2: answer("ant", "the second", "nobody"),
        3: ("{", "not valid JSON"),
        4: (QUESTION, "question_id '101' a second time"),
        5: (answer("ant", "again"), "'ant' answers question 101 a second time"),
        6: (answer("bee", "one", " "), "its answer to turn 2 is empty"),
        7: (answer("cat", 5), "the turns of its first choice are no list"),
        8: ({"question_id": 5, "model_id": "x", "choices": []}, "choices is no list of answers"),
        9: (single("ant", "7"), "score is no number"),
        10: (single("ant", 12), "a score of 12 is not between 1 and 10"),
        11: (pair("ant", "ant", "tie", "tie"), "'ant' against itself"),
        12: (pair("ant", "bee", "model_3", "tie"), "g1_winner is 'model_3'"),
        13: (pair("ant", "bee", "tie", "tie", turn=0), "turn is 0"),
        14: (pair("ant", "bee", "tie", "tie", judge=None), "judge is no name"),
        15: ({"judge": "expert_3", "model_a": "ant", "model_b": "bee", "question_id": 101,
              "turn": 1, "winner": "model_a"}, "'expert_3' is a person"),
        16: ({"hello": 1}, "no question, answer or judgement"),
        17: (pair("ant", "bee", "tie", ["tie"]), "g2_winner is ['tie']"),
        18: ({"judge": "gpt-4", "model_a": "ant", "model_b": "bee", "question_id": 101,
              "turn": 1, "winner": {}}, "winner is {}"),
        19: ('{"a":' * 100_000, "not valid JSON"),
        20: single("ant", -1, tstamp=1e30, turn=2),
    }  # fmt: skip
    write(path, *(row[0] if isinstance(row, tuple) else row for row in rows.values()))
    done = rostra("judge", "import", run, path)
    assert done.exit_code == 3
    for line, row in rows.items():
        if isinstance(row, tuple):
            assert f"{path}:{line}: {row[1]}" in done.output
    assert f"{path}:20: tstamp is no time" in done.output
    assert len(lines(run / "answers.jsonl")) == 2


def test_a_verdict_that_could_not_be_read_stays_one(rostra, run, bench):
    write(
        bench / "model_judgment" / "gpt-4_pair.jsonl",
        pair("ant", "bee", "error", "model_1"),
    )
    write(bench / "model_judgment" / "gpt-4_single.jsonl", single("ant", -1))
    assert rostra("judge", "import", run, bench).exit_code == 0
    report = json.loads(rostra("judge", "report", run, "--output", "json").output)
    (judge,) = report["judges"]
    assert (judge["nonsense"], judge["pairs"], judge["halves"]) == (2, 0, 1)


def test_what_is_no_file_of_it_is_one_line(rostra, run, tmp_path):
    (tmp_path / "empty").mkdir()
    for given, said in (
        (tmp_path / "absent", "there is no file or folder"),
        (tmp_path / "empty", "there is no .jsonl in"),
    ):
        done = rostra("judge", "import", run, given)
        assert done.exit_code == 2
        assert said in done.output
    write(tmp_path / "other.jsonl", {"a": 1})
    done = rostra("judge", "import", run, tmp_path / "other.jsonl")
    assert done.exit_code == 2
    assert "there is nothing of MT-bench in these files" in done.output
    assert not run.exists()


def test_the_published_verdicts_of_gpt_4(rostra, run, shared_data):
    path = shared_data / "mtbench" / "gpt4_pair.jsonl"
    done = rostra("judge", "import", run, path, "--no-store")
    assert done.exit_code == 0, done.output
    assert "2,400 verdicts taken" in done.output
    said = [json.loads(line)["winner"] for line in path.read_text().splitlines()]
    report = json.loads(rostra("judge", "report", run, "--output", "json").output)
    (judge,) = report["judges"]
    assert judge["pairs"] == len(said) == 2_400
    inconsistent = said.count("tie (inconsistent)") / len(said)
    assert (
        judge["consistent"]
        == pytest.approx(1 - inconsistent)
        == pytest.approx(1 - 0.1583, abs=1e-4)
    )
    ties = sum(winner.startswith("tie") for winner in said)
    assert sum(each["ties"] for each in report["compared"]) == 2 * ties


def test_people_are_not_taken_for_judges(rostra, run, shared_data):
    done = rostra("judge", "import", run, shared_data / "mtbench" / "human.jsonl")
    assert done.exit_code == 2
    assert "is a person: take people's votes with `rostra votes import`" in done.output


def test_what_both_orders_came_to_has_no_order():
    given = {"key": "k", "judge": "j", "kind": "agreed", "question": "1", "turn": 1,
             "at": "2026-01-01T00:00:00Z", "choice": "a"}  # fmt: skip
    import msgspec

    one = msgspec.convert({**given, "contestants": ["bee", "ant"]}, Verdict)
    (outcome,) = of_pairs([one]).outcomes
    assert (outcome.a, outcome.b, outcome.outcome) == ("ant", "bee", "b")
