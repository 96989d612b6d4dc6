"""Battles whose texts were taken out: what the log can still say of them.

Their salt is gone too, without which nobody can try out what a short text was. Everything else of
the battle is checked as ever: who met whom, how answers ended, whether there was a comment.
"""

from __future__ import annotations

from typing import Any

REDACTION = "redact"
"""The action of the `Change` that taking texts out leaves; its subject is the battle's id."""
SALTED = frozenset(
    f"{name}_sha256"
    for name in ("voter", "voter_groups", "prompt", "image", "text", "error", "comment")
)
"""Commitments that cannot be made again."""


def is_redacted(battle: Any) -> bool:
    """`battle` has the attributes of `rostra.arena.votes.models.Battle`."""
    return not battle.text_salt


def with_commitments(content: Any, body: Any) -> Any:
    """`content`, a body made from the rows of a redacted battle, with the commitments of the logged
    `body` wherever both have one."""
    if isinstance(content, dict) and isinstance(body, dict):
        return {
            key: body[key]
            if key in SALTED and value is not None and body.get(key) is not None
            else with_commitments(value, body.get(key))
            for key, value in content.items()
        }
    if isinstance(content, list) and isinstance(body, list) and len(content) == len(body):
        return [with_commitments(one, other) for one, other in zip(content, body, strict=True)]
    return content
