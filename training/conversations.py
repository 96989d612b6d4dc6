"""Files of conversations: OpenAI messages, ShareGPT and Alpaca, a row at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rostra.training.errors import TrainingError
from rostra.training.report import Report
from rostra.training.settings import Form

Role = Literal["system", "user", "assistant"]
KEYS: dict[Form, str] = {
    "messages": "messages",
    "sharegpt": "conversations",
    "alpaca": "instruction",
}
"""What a row of each form has, and one of another has not."""
SYSTEM: Role = "system"
USER: Role = "user"
ASSISTANT: Role = "assistant"
ROLES: dict[str, Role] = {
    **dict.fromkeys(("system", "developer"), SYSTEM),
    **dict.fromkeys(("user", "human"), USER),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "bard"), ASSISTANT),
}


@dataclass(frozen=True)
class Message:
    role: Role
    content: str

    def as_dict(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True)
class Conversation:
    messages: tuple[Message, ...]
    where: str
    """`file:line`."""


class _RowError(Exception):
    pass


def read_conversations(path: Path, form: Form, report: Report) -> Iterator[Conversation]:
    """Rows of a file in JSON (an array) or JSON lines; what is none goes to the report.

    Raises TrainingError where the file cannot be read.
    """
    before = report.rows
    for line, row in _rows(path, report):
        where = f"{path}:{line}"
        report.rows += 1
        try:
            yield Conversation(_messages(row, form), where)
        except _RowError as error:
            reason, _, detail = str(error).partition(": ")
            report.leave_out(where, reason, detail)
    if report.rows == before:
        report.leave_out(str(path), "a file without a row")


def _rows(path: Path, report: Report) -> Iterator[tuple[int, Any]]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            start = file.read(4096).lstrip("\ufeff \t\r\n")
            file.seek(0)
            if start.startswith("["):
                yield from _array(path, file.read().removeprefix("\ufeff"), report)
                return
            for number, line in enumerate(file, start=1):
                text = line.removeprefix("\ufeff").strip()
                if text:
                    try:
                        yield number, json.loads(text)
                    except (ValueError, RecursionError) as error:
                        report.rows += 1
                        report.leave_out(f"{path}:{number}", "not valid JSON", str(error))
    except OSError as error:
        raise TrainingError(f"cannot read {path}: {error.strerror}") from None


def _array(path: Path, text: str, report: Report) -> Iterator[tuple[int, Any]]:
    """Elements with the line each begins in."""
    decoder, at, line = json.JSONDecoder(), text.index("[") + 1, 1
    counted = 0
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        if at >= len(text) or text[at] == "]":
            if at >= len(text):
                report.leave_out(f"{path}:{line}", "the array has no end")
            return
        line += text.count("\n", counted, at)
        counted = at
        try:
            row, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            report.rows += 1
            reason = "not valid JSON, and so the rest of the array cannot be read"
            report.leave_out(f"{path}:{line}", reason, str(error))
            return
        yield line, row


def _messages(row: Any, form: Form) -> tuple[Message, ...]:
    if not isinstance(row, dict):
        raise _RowError(f"not a JSON object: {type(row).__name__}")
    found = [name for name, key in KEYS.items() if key in row]
    if form != "auto":
        if form not in found:
            raise _RowError(f"not of the form {form}: it has no {KEYS[form]!r}")
        found = [form]
    if not found:
        raise _RowError(f"of no known form: it has none of {', '.join(map(repr, KEYS.values()))}")
    if len(found) > 1:
        raise _RowError(f"of several forms at once: {', '.join(found)}; name one with --format")
    match found[0]:
        case "alpaca":
            return _alpaca(row)
        case "sharegpt":
            turns = [_turn(each, "from", "value") for each in _list(row, "conversations")]
            return (*_system(row), *turns)
        case _:
            return tuple(_turn(each, "role", "content") for each in _list(row, "messages"))


def _list(row: Mapping[str, Any], key: str) -> list[Any]:
    value = row[key]
    if not isinstance(value, list):
        raise _RowError(f"{key!r} is not a list: {type(value).__name__}")
    return value


def _turn(each: Any, role_key: str, text_key: str) -> Message:
    if not isinstance(each, dict) or role_key not in each:
        raise _RowError(f"a turn without {role_key!r}")
    name = str(each[role_key]).lower()
    if name not in ROLES:
        raise _RowError(f"a turn of a role that is not trained on: {name!r}")
    if each.get("tool_calls") or each.get("function_call"):
        raise _RowError("a turn that calls tools, which is not trained on")
    return Message(ROLES[name], _text(each.get(text_key), text_key))


def _text(value: Any, key: str) -> str:
    """A text, or OpenAI's parts of one."""
    if isinstance(value, list):
        if not all(isinstance(part, dict) and part.get("type") == "text" for part in value):
            raise _RowError("a turn with parts that are no text, which are not trained on")
        return "".join(str(part.get("text", "")) for part in value)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _RowError(f"{key!r} is not a text: {type(value).__name__}")
    return value


def _system(row: Mapping[str, Any]) -> tuple[Message, ...]:
    text = _text(row.get("system"), "system")
    return (Message("system", text),) if text.strip() else ()


def _alpaca(row: Mapping[str, Any]) -> tuple[Message, ...]:
    """The instruction and what it is applied to are one question; `history` are earlier turns."""
    instruction, given = (_text(row.get(key), key) for key in ("instruction", "input"))
    earlier: list[Message] = []
    history = row.get("history") or ()
    if not isinstance(history, list | tuple):
        raise _RowError("'history' is not a list of pairs")
    for pair in history:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise _RowError("'history' is not a list of pairs")
        earlier += [Message("user", _text(pair[0], "history"))]
        earlier += [Message("assistant", _text(pair[1], "history"))]
    question = f"{instruction}\n\n{given}" if given.strip() else instruction
    answer = Message("assistant", _text(row.get("output"), "output"))
    return (*_system(row), *earlier, Message("user", question), answer)
