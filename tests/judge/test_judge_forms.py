"""Servers that lack one form of structured output after another."""

from __future__ import annotations

import json

import pytest
from judge_server import completion, lines, refusal, score, shown, verdict

from rostra.arena.judge.forms import FORMS, WORDS
from rostra.arena.judge.reply import schema

ORDERS = 3 * 3 * 2
"""Turns, pairs of three contestants, orders."""
PAIRS = ("pairs", "--judge", "portia", "--no-store")


@pytest.fixture
def answered(rostra, run, prompts, server):
    """A run whose answers are there."""
    assert rostra("judge", "run", run, prompts).exit_code == 0
    server.bodies.clear()
    return run


@pytest.fixture
def pairs(rostra, answered):
    def ask(*options):
        command, *given = PAIRS
        return rostra("judge", command, answered, *given, *options)

    return ask


def form_of(body):
    """In which a verdict is asked for; every other is absent."""
    kinds = [body["response_format"]["type"]] if "response_format" in body else []
    if "tools" in body:
        ((tool,), choice) = body["tools"], body["tool_choice"]
        assert choice == {"type": "function", "function": {"name": tool["function"]["name"]}}
        assert tool["function"]["parameters"] == schema("pair")
        kinds.append("tool")
    (kind,) = kinds or ["json"]
    told = body["messages"][0]["content"]
    if kind in ("json_object", "json"):
        assert json.loads(told[told.index('{"type"') :]) == schema("pair")
    else:
        assert '"type"' not in told
    return kind


def called(*arguments):
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": "verdict", "arguments": each}}
        for n, each in enumerate(arguments)
    ]
    return completion(None, "tool_calls", tool_calls=calls)


def given(body, choice="A"):
    return called(verdict(choice)) if form_of(body) == "tool" else verdict(choice)


def refuses(lacking, status=400):
    """A judge that knows some forms and says so of the others."""

    def judge(body):
        if form_of(body) in lacking:
            return refusal(status, f"{form_of(body)} is not supported")
        return given(body)

    return judge


def ignores(lacking):
    """A judge that takes every form and follows some."""

    def judge(body):
        return "I prefer A, of course." if form_of(body) in lacking else given(body)

    return judge


def asked_in(server):
    return [form_of(body) for body in server.judged]


@pytest.mark.parametrize(
    ("number", "status"), [(0, 400), (1, 400), (1, 404), (2, 422), (2, 500), (3, 501)]
)
def test_a_form_that_is_refused_is_tried_once_and_the_next_kept(pairs, server, number, status):
    server.judge = refuses(FORMS[:number], status)
    done = pairs()
    assert done.exit_code == 0, done.output
    assert asked_in(server) == [*FORMS[:number], *[FORMS[number]] * ORDERS]
    for each in FORMS[:number]:
        line = f"judge 'portia' gives no verdict by {WORDS[each]}: judge 'portia' refused with HTTP"
        assert f"{line} {status}: {each} is not supported" in done.output
    kept = f"judge 'portia' is asked by {WORDS[FORMS[number]]} from now on"
    assert (kept in done.output) == (number > 0)


@pytest.mark.parametrize("number", range(1, len(FORMS)))
def test_a_form_that_is_not_followed_is_paid_for_once(pairs, server, answered, number):
    server.judge = ignores(FORMS[:number])
    done = pairs()
    assert done.exit_code == 0, done.output
    assert asked_in(server) == [*FORMS[:number], *[FORMS[number]] * ORDERS]
    assert f"no verdict by {WORDS[FORMS[0]]}: not followed: JSON is malformed" in done.output
    verdicts = lines(answered / "verdicts.jsonl")
    assert all(each["choice"] == "a" for each in verdicts)
    # The first row paid for what was tried.
    assert [each["prompt_tokens"] for each in verdicts] == [100 * (number + 1)] + [100] * 17
    assert verdicts[0]["attempts"] == number + 1


def test_what_was_found_is_remembered_by_the_run(pairs, server, answered):
    server.judge = refuses(FORMS[:2])
    assert pairs("--baseline", "ariel").exit_code == 0
    server.bodies.clear()
    done = pairs()
    assert done.exit_code == 0
    assert set(asked_in(server)) == {"json_object"}
    assert json.loads((answered / "run.json").read_text())["forms"] == {"portia": "json_object"}
    assert "from now on" not in done.output


def test_the_form_is_no_part_of_what_is_known_again(
    pairs, rostra, server, answered, prompts, tmp_path
):
    """A verdict that was got in one form is not asked for again in another."""
    server.judge = refuses(FORMS[:3])
    assert pairs().exit_code == 0
    other = tmp_path / "other"
    assert rostra("judge", "run", other, prompts).exit_code == 0
    server.bodies.clear()
    done = rostra("judge", "pairs", other, "--judge", "portia", "--no-store")
    assert f"{ORDERS} known from another" in done.output
    assert server.judged == []


def test_a_request_that_no_form_makes_good_is_told_as_it_is(pairs, server, answered):
    def judge(body):
        if shown(body)[0] == "Six times seven?":
            return refusal(400, "the prompt is too long")
        return given(body)

    server.judge = judge
    done = pairs()
    assert done.exit_code == 3
    assert "12 now, 6 failed" in done.output
    assert done.output.count("refused with HTTP 400: the prompt is too long") == 6
    # Known by then to take schemas.
    assert set(asked_in(server)) == {"json_schema"}


def test_a_server_that_refuses_all_forms_says_why_in_the_words_of_the_first(pairs, server):
    server.judge = refuses(FORMS)
    done = pairs("--attempts", 1, "--concurrency", 1)
    assert done.exit_code == 3
    assert "refused with HTTP 400: json_schema is not supported" in done.output
    assert f"{ORDERS} failed" in done.output
    assert "from now on" not in done.output


def test_a_model_that_is_not_there_is_not_asked_for_more(pairs, server):
    server.judge = lambda _: refusal(404, "no such model")
    done = pairs("--concurrency", 1)
    assert done.exit_code == 3
    assert "no such model" in done.output
    assert asked_in(server) == list(FORMS)


def test_nonsense_in_every_form_is_told_by_row(pairs, server, answered):
    server.judge = ignores(FORMS)
    done = pairs("--attempts", 2)
    assert done.exit_code == 3
    assert f"{ORDERS} nonsense" in done.output
    assert "question 81, turn 1, ariel and puck: portia gave nonsense" in done.output
    assert asked_in(server) == [*FORMS, "json", *["json"] * 2 * (ORDERS - 1)]
    bad = lines(answered / "verdicts.jsonl")
    assert {each["status"] for each in bad} == {"nonsense"}


def test_a_refusal_of_the_model_says_nothing_of_the_form(pairs, server, answered):
    def judge(body):
        if shown(body)[0] == "Write a line.":
            return completion(None, refusal="I must not judge.")
        return given(body)

    server.judge = judge
    done = pairs("--attempts", 1)
    assert done.exit_code == 3
    assert "12 refused" in done.output
    assert "no verdict but a refusal: I must not judge." in done.output
    assert set(asked_in(server)) == {"json_schema"}


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ((verdict("A"), verdict("B")), "trailing characters"),
        (('{"reason": "so"}',), "missing required field"),
        (("",), "truncated"),
    ],
)
def test_calls_that_are_no_verdict(pairs, server, answered, said, detail):
    def judge(body):
        if form_of(body) == "json_schema":
            return refusal(400, "no schemas")
        if form_of(body) == "tool" and shown(body)[0] == "Six times seven?":
            return called(*said)
        return given(body)

    server.judge = judge
    assert pairs("--attempts", 1).exit_code == 3
    bad = [each for each in lines(answered / "verdicts.jsonl") if each.get("status")]
    assert len(bad) == 6
    assert all(detail in each["detail"] for each in bad)


def test_a_verdict_that_was_cut_off_leaves_the_form(pairs, server, answered):
    server.judge = lambda body: (
        completion('{"reason": "and so', "length") if not server.judged[1:] else given(body)
    )
    assert pairs("--attempts", 2).exit_code == 0
    assert set(asked_in(server)) == {"json_schema"}


def test_a_first_form_that_is_named(rostra, server, answered, config):
    config.write_text(
        config.read_text().replace('"portia-70b"\n', '"portia-70b"\nstructured = "tool"\n')
    )
    server.judge = refuses(["tool"])
    done = rostra("judge", "pairs", answered, "--judge", "portia", "--no-store")
    assert done.exit_code == 0, done.output
    assert asked_in(server) == ["tool", *["json_object"] * ORDERS]


def test_many_at_once_wait_for_what_the_first_finds(pairs, server):
    server.delay = 0.05
    server.judge = refuses(FORMS[:2])
    assert pairs("--concurrency", 16).exit_code == 0
    assert asked_in(server) == [*FORMS[:2], *["json_object"] * ORDERS]


def test_grades_go_the_same_way(rostra, server, answered):
    def judge(body):
        if "response_format" in body:
            return refusal(422, "response_format: extra fields not permitted")
        return called(score(7)) if "tools" in body else score(7)

    server.judge = judge
    done = rostra("judge", "grade", answered, "--judge", "portia")
    assert done.exit_code == 0, done.output
    assert sum("tools" in body for body in server.judged) == 9


def test_fields_of_our_own_are_not_for_extra(rostra, answered, config):
    config.write_text(config.read_text().replace(
        '"portia-70b"\n', '"portia-70b"\nextra = { tool_choice = "auto" }\n'))  # fmt: skip
    done = rostra("judge", "pairs", answered, "--judge", "portia")
    assert done.exit_code == 2
    assert "tool_choice is set by the judge's run itself" in done.output
