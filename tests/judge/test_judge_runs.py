"""Contestants answer a benchmark."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from judge_server import Server, lines, refusal

from rostra.arena.judge.errors import JudgeError
from rostra.arena.judge.folder import opened
from rostra.arena.judge.questions import read_questions

ANSWERS = 3 * 3


def test_every_contestant_answers_every_turn_with_what_went_before(rostra, server, run, prompts):
    done = rostra("judge", "run", run, prompts)
    assert done.exit_code == 0, done.output
    assert "answers: 9 now" in done.output
    assert "asked for now: 63 + 27 tokens, 0.0001 USD" in done.output
    answers = lines(run / "answers.jsonl")
    assert {(each["question"], each["contestant"], each["turn"]) for each in answers} == {
        (question, name, turn)
        for name in ("ariel", "puck", "caliban")
        for question, turn in (("81", 1), ("81", 2), ("82", 1))
    }
    second = next(body for body in server.bodies if len(body["messages"]) == 3)
    assert [each["content"] for each in second["messages"]] == [
        *("Write a line.", f"{second['model']} says yes", "Now another."),
    ]


def test_again_asks_for_nothing_and_a_new_contestant_and_prompt_for_theirs(
    rostra, server, run, prompts
):
    rostra("judge", "run", run, prompts, "--contestant", "ariel", "--contestant", "puck")
    assert len(server.bodies) == 6
    again = rostra("judge", "run", run, prompts, "--contestant", "ariel")
    assert again.exit_code == 0
    assert "answers: 3 known from this run" in again.output
    assert len(server.bodies) == 6
    with prompts.open("a") as file:
        file.write('{"id": "new", "prompt": "And seven times eight?"}\n')
    assert rostra("judge", "run", run, prompts).exit_code == 0
    assert len(server.bodies) == ANSWERS + 3
    assert "answers: 12 known" in rostra("judge", "run", run).output
    assert rostra("judge", "run", run / "other").exit_code == 2


def test_a_run_is_one_process_at_a_time_and_read_by_any(rostra, run, prompts):
    assert rostra("judge", "run", run, prompts).exit_code == 0
    with opened(run):
        done = rostra("judge", "run", run, prompts)
        assert done.exit_code == 2
        assert "is open in another process" in done.output
        assert "no verdicts yet" in rostra("judge", "report", run).output


def test_concurrency_is_bounded(rostra, server, run, prompts):
    server.delay = 0.02
    assert rostra("judge", "run", run, prompts, "--concurrency", 2).exit_code == 0
    assert server.most_at_once == 2


def test_a_contestant_that_cannot_be_had_leaves_the_others_theirs(rostra, server, run, prompts):
    def answer(body):
        return refusal(404, "no such model") if body["model"] == "puck-7b" else "yes"

    server.answer = answer
    done = rostra("judge", "run", run, prompts, "--concurrency", 1)
    assert done.exit_code == 3
    assert "question 81, turn 1, puck: the gateway refused puck-7b with HTTP 404" in done.output
    assert "question 82, turn 1, puck: not asked any more" in done.output
    assert "6 now, 3 failed" in done.output
    assert sum(body["model"] == "puck-7b" for body in server.bodies) == 1
    server.answer = lambda _: "now I do"
    assert rostra("judge", "run", run, prompts).exit_code == 0
    assert len(lines(run / "answers.jsonl")) == ANSWERS


def test_what_is_empty_or_fails_for_a_while_is_asked_for_again(rostra, server, run, prompts):
    seen: dict[str, int] = {}

    def answer(body):
        seen[body["model"]] = seen.get(body["model"], 0) + 1
        if seen[body["model"]] > 1:
            return "yes"
        return " " if body["model"] == "ariel-7b" else refusal(503, "busy")

    server.answer = answer
    assert rostra("judge", "run", run, prompts).exit_code == 0
    assert all(each["text"] == "yes" for each in lines(run / "answers.jsonl"))


def test_broken_rows_are_named_and_the_rest_goes_on(rostra, run, tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_text(
        '{"question_id": 1, "turns": ["good"]}\n'
        "{not json\n"
        "[1]\n"
        '{"question_id": 1, "turns": ["twice"]}\n'
        '{"question_id": 3, "turns": []}\n'
        '{"question_id": 4, "turns": ["one", "  "]}\n'
        '{"question_id": 5, "turns": ["one", 2]}\n'
        '{"question_id": 6, "turns": "one", "reference": ["1", "2"]}\n'
        '{"question_id": true, "turns": ["one"]}\n'
        "\n"
        '{"prompt": "no id"}\n'
    )
    done = rostra("judge", "run", run, path, "--contestant", "ariel")
    assert done.exit_code == 3
    expected = {
        2: "not valid JSON",
        3: "not a JSON object",
        4: "id '1' is that of line 1 already",
        5: "no turns",
        6: "turns 2 is empty",
        7: "turns 2 is no text: 2",
        8: "2 references for 1 turns",
        9: "question_id is no text: True",
    }
    for line, reason in expected.items():
        assert f"{path}:{line}: {reason}" in done.output
    assert [each["question_id"] for each in lines(run / "questions.jsonl")] == ["1", "11"]
    assert rostra("judge", "run", run, path, "--contestant", "ariel").exit_code == 3


def test_a_file_without_a_prompt_is_one_line(tmp_path):
    path = tmp_path / "none.jsonl"
    path.write_text("{}\n")
    with pytest.raises(JudgeError, match=r"there is no prompt in .*none.jsonl:1: no turns"):
        read_questions(path)
    with pytest.raises(JudgeError, match="cannot read"):
        read_questions(tmp_path / "absent.jsonl")


def test_unknown_contestants_and_foreign_folders_are_refused(
    rostra, server, run, prompts, config, tmp_path
):
    done = rostra("judge", "run", run, prompts, "--contestant", "arial")
    assert done.exit_code == 2
    assert "there is no contestant 'arial'; there are ariel, puck, caliban" in done.output
    assert rostra("judge", "run", run, prompts).exit_code == 0

    other = tmp_path / "other.jsonl"
    other.write_text(prompts.read_text().replace("Six times", "Nine times"))
    done = rostra("judge", "run", run, other)
    assert done.exit_code == 2
    assert "question '82': turns was ['Six times seven?'], is ['Nine times seven?']" in done.output
    other.write_text(prompts.read_text().splitlines()[0])
    done = rostra("judge", "run", run, other)
    assert done.exit_code == 2
    assert "question '82' of the run is not given" in done.output

    config.write_text(config.read_text().replace('"puck-7b"', '"puck-8b"'))
    done = rostra("judge", "run", run, prompts)
    assert done.exit_code == 2
    assert "contestant 'puck': model was 'puck-7b', is 'puck-8b'" in done.output
    assert len(server.bodies) == ANSWERS

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    done = rostra("judge", "run", tmp_path / "mine", prompts)
    assert done.exit_code == 2
    assert "holds letter.txt and is no run" in done.output
    assert rostra("judge", "pairs", tmp_path / "nowhere").exit_code == 2
    assert not (tmp_path / "nowhere").exists()


def test_a_killed_run_goes_on_where_it_was(
    rostra, server: Server, run: Path, tmp_path: Path, config: Path, home: Path
):
    prompts = tmp_path / "many.jsonl"
    prompts.write_text(
        "".join(json.dumps({"id": n, "prompt": f"Number {n}?"}) + "\n" for n in range(40))
    )
    server.delay = 0.05
    command = [sys.executable, "-m", "rostra.mesh.cli.main", "judge", "run", str(run), str(prompts)]
    options = [
        "--contestant",
        "ariel",
        "--concurrency",
        "2",
        "-c",
        str(config),
        "--home",
        str(home),
    ]
    process = subprocess.Popen(
        [*command, *options],
        env={**os.environ, "SHYLOCK_KEY": "x"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60
        while not (run / "answers.jsonl").exists() or len(lines_so_far(run)) < 5:
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = len(lines_so_far(run))
    assert kept < 40
    # As a dying process may leave it.
    with (run / "answers.jsonl").open("a") as file:
        file.write('{"question":"39","contest')
    server.delay = 0.0
    server.bodies.clear()
    done = rostra("judge", "run", run, prompts, "--contestant", "ariel")
    assert done.exit_code == 0, done.output
    assert len(server.bodies) == 40 - kept
    answers = lines(run / "answers.jsonl")
    assert sorted(int(each["question"]) for each in answers) == list(range(40))


def lines_so_far(run: Path) -> list[bytes]:
    data = (run / "answers.jsonl").read_bytes()
    return data[: data.rfind(b"\n") + 1].splitlines()
