"""Files of conversations: every form, and every fault by its line."""

from __future__ import annotations

import json

import pytest

from rostra.training.cleaning import cleaned, deduplicated
from rostra.training.conversations import Message, read_conversations
from rostra.training.errors import TrainingError
from rostra.training.report import Report

HI = (Message("user", "Hi"), Message("assistant", "Hello"))
SYSTEM = Message("system", "Be kind.")
MESSAGES = {"messages": [each.as_dict() for each in HI]}
SHAREGPT = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
ALPACA = {"instruction": "Hi", "input": "", "output": "Hello"}


def read(path, form="auto"):
    report = Report()
    found = list(read_conversations(path, form, report))
    return [each.messages for each in found], report


def cleaned_rows(path):
    report = Report()
    found = list(deduplicated(cleaned(read_conversations(path, "auto", report), report), report))
    return [each.messages for each in found], report


@pytest.mark.parametrize("row", [MESSAGES, SHAREGPT, ALPACA])
def test_forms_are_known_by_their_keys(jsonl, row):
    assert read(jsonl(row)) == ([HI], Report(rows=1))


def test_a_file_of_several_forms(jsonl):
    found, report = read(jsonl(MESSAGES, SHAREGPT, ALPACA))
    assert found == [HI] * 3
    assert not report.left_out


def test_a_form_that_is_named_is_the_only_one(jsonl):
    path = jsonl(MESSAGES, SHAREGPT, ALPACA)
    found, report = read(path, "sharegpt")
    assert found == [HI]
    assert [str(each) for each in report.left_out] == [
        f"{path}:1: not of the form sharegpt (it has no 'conversations')",
        f"{path}:3: not of the form sharegpt (it has no 'conversations')",
    ]


def test_system_turns(jsonl):
    found, _ = read(
        jsonl(
            {"messages": [SYSTEM.as_dict(), *MESSAGES["messages"]]},
            {**SHAREGPT, "system": "Be kind."},
            {**ALPACA, "system": "Be kind."},
        )
    )
    assert found == [(SYSTEM, *HI)] * 3


def test_alpaca_puts_the_input_under_the_instruction_and_takes_its_history(jsonl):
    row = {"instruction": "Sum", "input": "1 2", "output": "3", "history": [["a", "b"]]}
    ((*earlier, question, answer),), _ = read(jsonl(row))
    assert earlier == [Message("user", "a"), Message("assistant", "b")]
    assert (question.content, answer.content) == ("Sum\n\n1 2", "3")


def test_parts_of_a_message_are_one_text(jsonl):
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    row = {"messages": [HI[0].as_dict(), {"role": "assistant", "content": parts}]}
    assert read(jsonl(row))[0] == [HI]


def test_an_array_tells_the_line_of_each_element(tmp_path):
    path = tmp_path / "data.json"
    path.write_text(f"[\n{json.dumps(MESSAGES)},\n{{}},\n{json.dumps(MESSAGES)},\n  4\n]")
    found, report = read(path)
    assert len(found) == 2
    assert [each.where for each in report.left_out] == [f"{path}:3", f"{path}:5"]


def test_a_broken_array_gives_what_comes_before(tmp_path):
    path = tmp_path / "data.json"
    path.write_text(f"[{json.dumps(MESSAGES)},\n{{oops\n]")
    found, report = read(path)
    assert found == [HI]
    assert report.left_out[0].where == f"{path}:2"
    assert "rest of the array" in report.left_out[0].reason
    path.write_text(f"[{json.dumps(MESSAGES)},\n" + "[" * 100_000)
    found, report = read(path)
    assert (found, report.left_out[0].where) == ([HI], f"{path}:2")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{oops", "not valid JSON"),
        pytest.param('{"messages": ' + "[" * 100_000, "not valid JSON", id="too deep"),
        ([1], "not a JSON object"),
        ({"text": "Hi"}, "of no known form"),
        (MESSAGES | ALPACA, "of several forms at once"),
        ({"messages": "Hi"}, "'messages' is not a list"),
        ({"messages": ["Hi"]}, "a turn without 'role'"),
        ({"messages": [{"role": "tool", "content": "4"}]}, "a turn of a role that is not trained"),
        ({"messages": [{"role": "assistant", "tool_calls": [1]}]}, "a turn that calls tools"),
        ({"messages": [{"role": "user", "content": 4}]}, "'content' is not a text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "a turn with parts that are no text",
        ),
        ({"conversations": [{"value": "Hi"}]}, "a turn without 'from'"),
        ({**ALPACA, "history": [["a"]]}, "'history' is not a list of pairs"),
        ({**ALPACA, "history": 5}, "'history' is not a list of pairs"),
    ],
)
def test_a_broken_row_is_told_by_its_line_and_the_rest_goes_on(jsonl, row, reason):
    path = jsonl(MESSAGES, row, SHAREGPT)
    found, report = read(path)
    assert found == [HI, HI]
    assert report.rows == 3
    (left_out,) = report.left_out
    assert left_out.where == f"{path}:2"
    assert left_out.reason.startswith(reason)


def test_a_file_without_a_row_is_told(jsonl):
    path = jsonl("", "  ")
    found, report = read(path)
    assert (found, report.rows) == ([], 0)
    assert str(report.left_out[0]) == f"{path}: a file without a row"


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(TrainingError, match="cannot read"):
        read(tmp_path / "none.jsonl")


def turns(*said):
    """`u:Hi` is a turn of the user."""
    roles = {"s": "system", "u": "user", "a": "assistant"}
    return {"messages": [{"role": roles[each[0]], "content": each[2:]} for each in said]}


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (("a:Welcome", "u:Hi", "a:Hello"), HI),
        (("u:Hi", "a:Hello", "u:And?"), HI),
        (("s: ", "u: Hi\n", "a:Hello "), HI),
        (("s:Be kind.", "u:Hi", "a:Hello"), (SYSTEM, *HI)),
        (("u:Hi", "a:Hel\x00lo"), (HI[0], Message("assistant", "Hel\ufffdlo"))),
    ],
)
def test_what_can_be_mended_is(jsonl, said, left):
    found, report = cleaned_rows(jsonl(turns(*said)))
    assert found == [left]
    assert not report.left_out


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (("u:Hi", "a: "), "an empty turn"),
        (("u: ", "a:Hello"), "an empty turn"),
        (("u:Hi", "u:there", "a:Hello"), "turns out of order"),
        (("u:Hi", "s:Be kind.", "a:Hello"), "turns out of order"),
        (("u:Hi",), "no question with an answer"),
        (("a:Hello",), "no question with an answer"),
        ((), "no question with an answer"),
    ],
)
def test_what_cannot_is_left_out(jsonl, said, reason):
    found, report = cleaned_rows(jsonl(turns(*said), turns("u:Hi", "a:Hello")))
    assert found == [HI]
    assert [each.reason for each in report.left_out] == [reason]


def test_the_same_conversation_counts_once(jsonl):
    path = jsonl(MESSAGES, turns("u:hi ", "a:HELLO"), turns("u:Hi", "a:Hello you"))
    found, report = cleaned_rows(path)
    assert len(found) == 2
    (left_out,) = report.left_out
    assert (left_out.where, left_out.detail) == (f"{path}:2", f"{path}:1")


def test_the_report_is_a_line_for_each_row(jsonl, tmp_path):
    _, report = read(jsonl("{oops", {"text": "Hi"}, {"text": "Ho"}))
    report.write(tmp_path / "rejected.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert [row["where"].rpartition(":")[2] for row in rows] == ["1", "2", "3"]
    assert report.reasons == {"of no known form": 2, "not valid JSON": 1}
