"""Battles as LMSYS publishes them, and as FastChat logs them; see `rostra.arena.imports` for both.

Where a file that was imported said something itself (`conv_metadata`, `category_tag`, ...), that is
what is written; otherwise what the store knows under the same name.
"""

from __future__ import annotations

from typing import Any

from rostra.arena.imports.lmsys_log import VOTES
from rostra.arena.votes.transfer.markdown_counts import counts
from rostra.arena.votes.transfer.reading import Voted

WINNERS = {"a": "model_a", "b": "model_b", "tie": "tie", "both_bad": "tie (bothbad)"}
KEPT = ("conv_metadata", "category_tag", "dedup_tag", "is_code", "is_refusal")
"""Fields that the store has no column for, and keeps as they came."""
_TYPES = {outcome: kind for kind, outcome in VOTES.items()}
_ROLES = ("user", "assistant")


def battle(found: Voted, judge: str | None, *, texts: bool, both_bad: str) -> dict[str, Any]:
    """One object of the cleaned battles. `both_bad`: what such a vote's `winner` is."""
    battle, vote = found.battle, found.vote
    record: dict[str, Any] = {
        "question_id": found.id,
        "model_a": battle.contestant_a,
        "model_b": battle.contestant_b,
        "winner": both_bad if vote.outcome == "both_bad" else WINNERS[vote.outcome],
        "turn": vote.turns,
        "anony": battle.mode == "battle",
    }
    if judge is not None:
        record["judge"] = judge
    if found.at is not None:
        record["tstamp"] = found.at.timestamp()
    if texts and found.turns:
        users = found.extra.get("user_tokens") or [None] * len(found.turns)
        for side in ("a", "b"):
            record[f"conversation_{side}"] = _conversation(found, side, users)
    if "language" in found.tags:
        record["language"] = found.tags["language"]
    return record | _kept(found, texts)


def _conversation(found: Voted, side: str, users: list[int | None]) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    for turn, answer, tokens in zip(found.turns, found.answers(side), users, strict=True):
        said.append(_message("user", turn.prompt, tokens))
        if answer is not None:
            said.append(_message("assistant", answer.text, answer.completion_tokens))
    return said


def _message(role: str, content: str, tokens: int | None) -> dict[str, Any]:
    message = {"role": role, "content": content}
    return message if tokens is None else {**message, "num_tokens": tokens}


def _kept(found: Voted, texts: bool) -> dict[str, Any]:
    given = {name: found.extra[name] for name in KEPT if name in found.extra}
    if found.imported is not None:
        return given
    made: dict[str, Any] = {}
    if found.logged.answers and found.turns:
        made["conv_metadata"] = _metadata(found)
    if "code" in found.tags:
        made["is_code"] = found.tags["code"] == "yes"
    if "maths" in found.tags:
        made["category_tag"] = {"math_v0.1": {"math": found.tags["maths"] == "yes"}}
    return made


def _metadata(found: Voted) -> dict[str, Any]:
    """Counts tell nothing that an export without texts should not."""
    metadata: dict[str, Any] = {"turns": found.vote.turns}
    for side in ("a", "b"):
        answers = [each for each in found.answers(side) if each is not None]
        tokens = [each.completion_tokens for each in answers]
        if None not in tokens:
            metadata[f"sum_assistant_{side}_tokens"] = sum(tokens)
        for name, by_kind in counts([each.text for each in answers]).items():
            metadata[f"{name}_{side}"] = by_kind
    return metadata


def log_line(found: Voted, address: str | None, *, texts: bool) -> dict[str, Any]:
    """One vote of FastChat's raw log. The pseudonym stands where the address did."""
    battle = found.battle
    names = [battle.contestant_a, battle.contestant_b]
    line: dict[str, Any] = {
        "type": _TYPES[found.vote.outcome],
        "models": ["", ""] if battle.mode == "battle" else names,
        "states": [_state(found, side, texts) for side in ("a", "b")],
    }
    if found.at is not None:
        line = {"tstamp": found.at.timestamp(), **line}
    return line if address is None else {**line, "ip": address}


def _state(found: Voted, side: str, texts: bool) -> dict[str, Any]:
    given = found.extra.get(f"state_{side}", {})
    user, assistant = given.get("roles", _ROLES)[:2]
    messages: list[list[str | None]] = []
    if texts:
        for turn, answer in zip(found.turns, found.answers(side), strict=True):
            messages.append([user, turn.prompt])
            messages.append([assistant, None if answer is None else answer.text])
    own = found.battle.contestant_a if side == "a" else found.battle.contestant_b
    return {
        "template_name": "rostra",
        "system_message": "",
        "roles": list(_ROLES),
        **given,
        "messages": messages,
        "offset": 0,
        "conv_id": found.id if side == "a" else found.extra.get("conv_id_b", f"{found.id}-b"),
        "model_name": own,
    }
