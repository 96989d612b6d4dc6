"""Battles of LMSYS, cleaned or raw, as the store takes them: turn by turn, every field kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from rostra.arena.imports import json_lines, lmsys_battles, lmsys_log
from rostra.arena.imports.json_array import objects
from rostra.arena.imports.json_lines import Record, frame_of, is_array
from rostra.arena.imports.normalise import ROW, normalised
from rostra.arena.imports.report import FaultCounter
from rostra.arena.votes.transfer.incoming import Incoming, NotTaken, Said
from rostra.arena.votes.transfer.lmsys import KEPT

CHUNK = 500
_FIELDS = ("contestant_a", "contestant_b", "outcome", "original_id", "at", "voter")
_COLUMNS = ("left", "right", "outcome", "id", "at", "voter")


class LmsysBattles:
    form = "lmsys-battles"

    def __init__(self, path: Path, because: str) -> None:
        self.because = because
        self._path = path

    def rows(self) -> Iterator[Incoming | NotTaken]:
        faults = RowFaults()
        if self._path.suffix == ".parquet":
            records = lmsys_battles.records_of_parquet(self._path)
        elif is_array(self._path):
            records = objects(self._path, faults)
        else:
            records = json_lines.records(self._path, faults)
        return _judged(
            records, faults, lambda record: lmsys_battles.vote_of(record, texts=False), _of_battle
        )


class LmsysLog:
    form = "lmsys-log"

    def __init__(self, path: Path, because: str) -> None:
        self.because = because
        self._path = path

    def rows(self) -> Iterator[Incoming | NotTaken]:
        faults = RowFaults()
        records = json_lines.records(self._path, faults)
        return _judged(self._votes(records, faults), faults, self._vote, _of_line)

    def _votes(
        self, records: Iterator[tuple[int, Record]], faults: RowFaults
    ) -> Iterator[tuple[int, Record]]:
        for row, record in records:
            kind = record.get("type")
            if kind in lmsys_log.VOTES:
                yield row, record
            else:
                known = kind in lmsys_log.OTHERS
                faults.add(row, lmsys_log.NO_VOTE if known else "unknown type", str(kind))

    def _vote(self, record: Record) -> dict[str, str | None]:
        address = record.get("ip")
        vote = lmsys_log.vote_of(record, texts=False)
        return {**vote, "voter": None if address is None else str(address)}


class RowFaults(FaultCounter):
    """Every fault with its row, until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[NotTaken] = []

    def add(self, row: int, reason: str, detail: str = "") -> None:
        self._waiting.append(NotTaken(row, reason, detail[:200]))

    def take(self) -> list[NotTaken]:
        taken, self._waiting = self._waiting, []
        return taken


def _judged(
    records: Iterator[tuple[int, Record]],
    faults: RowFaults,
    vote_of: Callable[[Record], dict[str, str | None]],
    details_of: Callable[[Record], dict[str, Any]],
) -> Iterator[Incoming | NotTaken]:
    """Votes judged as for ratings (labels, names, times), with what the ratings do not need."""
    while part := list(islice(records, CHUNK)):
        votes: list[dict[str, str | None]] = []
        details: dict[int, dict[str, Any]] = {}
        for row, record in part:
            try:
                found, details[row] = vote_of(record), details_of(record)
            except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
                reason = (
                    str(error) if isinstance(error, ConversationError) else "a vote of another form"
                )
                faults.add(row, reason, str(record))
                continue
            votes.append({**dict.fromkeys(_COLUMNS), **found, ROW: str(row)})
        yield from faults.take()
        yield from _incoming(votes, details)
    yield from faults.take()


def _incoming(
    votes: Sequence[dict[str, str | None]], details: Mapping[int, dict[str, Any]]
) -> Iterator[Incoming | NotTaken]:
    if not votes:
        return
    rows = [int(vote.pop(ROW) or 0) for vote in votes]
    judged = normalised(frame_of(rows, list(votes)).lazy(), in_memory=True).judged.collect()
    for vote in judged.iter_rows(named=True):
        row = vote[ROW]
        if vote["reason"] is not None:
            yield NotTaken(row, vote["reason"], vote["detail"] or "")
            continue
        given = dict(zip(_FIELDS, (vote[name] for name in _COLUMNS), strict=True))
        yield Incoming(row=row, **given, **details[row])


class ConversationError(ValueError):
    """A conversation that is not turns of a user and an assistant."""


def _of_battle(record: Record) -> dict[str, Any]:
    sides = [_conversation(record.get(f"conversation_{side}")) for side in ("a", "b")]
    asked, prompts = _same_questions([side[0] for side in sides])
    extra = {name: record[name] for name in KEPT if record.get(name) is not None}
    if any(tokens is not None for tokens in asked):
        extra["user_tokens"] = asked
    turn = record.get("turn")
    return {
        "turns": turn if isinstance(turn, int) and turn > 0 else max(1, len(prompts)),
        "mode": "side_by_side" if record.get("anony") is False else "battle",
        "prompts": prompts,
        "answers": _answers([side[1] for side in sides]),
        "tags": _tags(record),
        "extra": extra or None,
    }


def _conversation(messages: Any) -> tuple[list[tuple[str, int | None]], list[Any]]:
    """Questions with their tokens, and by question the answer with its tokens or None."""
    asked: list[tuple[str, int | None]] = []
    answers: list[Any] = []
    for message in messages or ():
        content, tokens = message["content"], message.get("num_tokens")
        if isinstance(content, list):
            raise ConversationError("a question with images, which the store does not keep")
        if not isinstance(content, str):
            raise ConversationError("a message without a text")
        if message["role"] == "user":
            asked.append((content, tokens))
            answers.append(None)
        elif message["role"] == "assistant" and answers and answers[-1] is None:
            answers[-1] = (content, tokens)
        else:
            raise ConversationError("a conversation that is not turns of user and assistant")
    return asked, answers


def _same_questions(
    sides: Sequence[list[tuple[str, int | None]]],
) -> tuple[list[int | None], tuple[str, ...]]:
    prompts = [tuple(text for text, _ in side) for side in sides]
    if prompts[0] != prompts[1]:
        raise ConversationError("the two sides were not asked the same")
    return [tokens for _, tokens in sides[0]], prompts[0]


def _answers(sides: Sequence[list[Any]]) -> tuple[Said, ...]:
    return tuple(
        Said(turn, side, text=answer[0], completion_tokens=answer[1])
        for side, answers in zip(("a", "b"), sides, strict=True)
        for turn, answer in enumerate(answers)
        if answer is not None
    )


def _tags(record: Record) -> dict[str, str]:
    tags: dict[str, str] = {}
    if isinstance(language := record.get("language"), str) and language:
        tags["language"] = language[:64]
    if isinstance(code := record.get("is_code"), bool):
        tags["code"] = "yes" if code else "no"
    category = record.get("category_tag")
    maths = category.get("math_v0.1") if isinstance(category, dict) else None
    if isinstance(maths, dict) and isinstance(maths.get("math"), bool):
        tags["maths"] = "yes" if maths["math"] else "no"
    return tags


def _of_line(record: Record) -> dict[str, Any]:
    public = {str(name).strip() for name in record["models"]}
    spoken = [_spoken(state) for state in record["states"]]
    _, prompts = _same_questions([side[0] for side in spoken])
    extra: dict[str, Any] = {}
    for side, state in zip(("a", "b"), record["states"], strict=True):
        own = {key: state[key] for key in state if key not in _OF_STORE}
        if own:
            extra[f"state_{side}"] = own
    if (other := record["states"][1].get("conv_id")) is not None:
        extra["conv_id_b"] = other
    return {
        "turns": max(1, len(prompts)),
        "mode": "battle" if public in lmsys_log.HIDDEN else "side_by_side",
        "prompts": prompts,
        "answers": _answers([side[1] for side in spoken]),
        "extra": extra or None,
    }


_OF_STORE = ("messages", "offset", "conv_id", "model_name")


def _spoken(state: Mapping[str, Any]) -> tuple[list[tuple[str, int | None]], list[Any]]:
    user, assistant = state["roles"]
    names = {user: "user", assistant: "assistant"}
    messages = state["messages"][int(state.get("offset") or 0) :]
    return _conversation(
        {
            "role": names.get(speaker),
            "content": text[0] if isinstance(text, list) and len(text) < 2 else text,
        }
        for speaker, text in messages
        if text is not None
    )
