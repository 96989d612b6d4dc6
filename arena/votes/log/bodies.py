"""What the entries of the log say.

Rows are given as anything with the attributes of the tables in `rostra.arena.votes.models`: objects
of the ORM or rows of a query. Texts stand in a body as commitments under the battle's salt only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rostra.arena.votes.log.canonical import canonical, canonical_hash, commitment, timestamp

VERSION = 2
"""Of the form of the bodies; a log keeps the bodies it has when this changes. From 2 on, votes say
what was consented to and commit to the voter's groups."""
VERSIONS = (1, 2)
"""Those that can be checked."""


def vote_body(
    battle: Any,
    turns: Iterable[Any],
    answers: Iterable[Any],
    vote: Any,
    source: Mapping[str, Any] | None = None,
    images: Iterable[Any] = (),
    version: int = VERSION,
) -> dict[str, Any]:
    """All of a battle that its vote could depend on. `turns` by number; `answers` by turn, side and
    attempt; `images` by turn and number. `source` is what the importer of the vote says of where it
    came from."""
    salt = battle.text_salt
    shown: dict[int, list[dict[str, Any]]] = {}
    for image in images:
        shown.setdefault(image.turn, []).append(
            image_body(salt, image.media_type, image.width, image.height, image.sha256)
        )
    body = {
        "campaign": battle.campaign,
        "mode": battle.mode,
        "created_at": timestamp(battle.created_at),
        # A commitment, so that a log can be shown to others without its pseudonyms.
        "voter_sha256": commitment(salt, battle.voter),
        "contestant_a": battle.contestant_a,
        "contestant_b": battle.contestant_b,
        "settings_a_sha256": canonical_hash(battle.settings_a),
        "settings_b_sha256": canonical_hash(battle.settings_b),
        "matchmaking": battle.matchmaking,
        "failed": battle.failed,
        "identity_revealed": battle.identity_revealed,
        "turns": [
            {
                "asked_at": timestamp(turn.asked_at),
                "prompt_sha256": commitment(salt, turn.prompt),
                # Absent where there are none, as from the bodies that were written before.
                **({"images": shown[turn.number]} if turn.number in shown else {}),
            }
            for turn in turns
        ],
        "answers": [_answer(salt, answer) for answer in answers],
        "outcome": vote.outcome,
        "turns_read": vote.turns,
    }
    # Absent where a person voted, as from the bodies that were written before; nor has the table
    # that column where an early migration makes them.
    judge = getattr(battle, "judge", None)
    if judge is not None:
        body["judge"] = judge
    if version >= 2:
        consent = battle.consent_sha256
        body["consent_sha256"] = None if consent is None else consent.hex()
        body["voter_groups_sha256"] = groups_commitment(salt, battle.voter, battle.voter_groups)
    return body if source is None else {**body, "source": source}


def groups_commitment(salt: bytes, voter: str, groups: Sequence[str] | None) -> str | None:
    """Groups can be as telling as names, and are few enough to try out: with the pseudonym in it
    the commitment tells nothing where that is not shown, even beside the salt."""
    return commitment(salt, None if groups is None else canonical([voter, *groups]))


def image_body(
    salt: bytes, media_type: str, width: int, height: int, sha256: bytes
) -> dict[str, Any]:
    """The image is committed to by way of its hash, so that a log is checked without reading every
    image of it twice."""
    return {
        "media_type": media_type,
        "width": width,
        "height": height,
        "image_sha256": commitment(salt, sha256.hex()),
    }


def _answer(salt: bytes, answer: Any) -> dict[str, Any]:
    return {
        "turn": answer.turn,
        "side": answer.side,
        "attempt": answer.attempt,
        "text_sha256": commitment(salt, answer.text),
        "error_sha256": commitment(salt, answer.error),
        "finish_reason": answer.finish_reason,
        "model_revision": answer.model_revision,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "first_text_seconds": answer.first_text_seconds,
        "seconds": answer.seconds,
        "ended_at": timestamp(answer.ended_at),
    }


def reasons_body(salt: bytes, reasons: Any) -> dict[str, Any]:
    return {"tags": reasons.tags, "comment_sha256": commitment(salt, reasons.comment)}
