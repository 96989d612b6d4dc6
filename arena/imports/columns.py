"""Which column of a file is which column of the vote frame."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rostra.arena.imports.errors import ImportFileError
from rostra.arena.ratings.frame import COUNTED, TAGS

_SIDES = {
    "left": ("left", "model_a", "contestant_a", "player_a", "item_a", "a", "model_left",
             "left_model", "contestant_left", "model_1", "contestant_1"),
    "right": ("right", "model_b", "contestant_b", "player_b", "item_b", "b", "model_right",
              "right_model", "contestant_right", "model_2", "contestant_2"),
}  # fmt: skip

ALIASES: dict[str, tuple[str, ...]] = {
    **_SIDES,
    "outcome": ("outcome", "winner", "vote", "verdict", "result", "preference"),
    "id": ("id", "vote_id", "battle_id"),
    "at": ("at", "tstamp", "timestamp", "time", "created_at", "datetime", "date"),
    "voter": ("voter", "voter_id", "judge", "worker", "annotator", "rater", "user", "user_id"),
    "category": ("category", "topic", "task"),
    "language": ("language", "lang"),
    **{name: (name,) for name in TAGS if name != "language"},
    "prompt": ("prompt", "prompt_id", "question", "question_id", "instruction"),
    "turn": ("turn",),
    **{
        f"text_{side}": tuple(
            f"{word}_{letter}"
            for word in ("text", "response", "answer", "completion", "output")
            for letter in (side, short)
        )
        for side, short in (("left", "a"), ("right", "b"))
    },
    **{
        f"{name}_{side}": (f"{name}_{side}", f"{name}_{short}", *more)
        for side, short in (("left", "a"), ("right", "b"))
        for name, more in (
            ("tokens", (f"num_tokens_{short}", f"sum_assistant_{short}_tokens")),
            *(
                (name, (f"{name[:-1] if name[-1] == 's' else name}_count_{short}",))
                for name in COUNTED
            ),
        )
    },
}
"""By column of the frame, the names it goes by, the preferred first. Compared by `plain`."""

ONE_HOT = {"winner_model_a": "a", "winner_model_b": "b", "winner_tie": "tie"}
"""Three columns of zeros and ones in place of an outcome, and what a one in each means."""

REQUIRED = ("left", "right", "outcome")


def plain(name: str) -> str:
    """A heading as it is compared: lower case, anything but letters and digits an underscore."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def match(headings: Iterable[str], path: str) -> dict[str, str]:
    """Heading of the file by column of the frame; headings of no known meaning are left alone.

    Raises ImportFileError when a contestant or the outcome is not there, or could be either of two
    columns. Of several columns for anything else the first in `ALIASES` is taken.
    """
    headings = list(headings)
    by_name: dict[str, list[str]] = {}
    for heading in headings:
        by_name.setdefault(plain(heading), []).append(heading)
    found: dict[str, str] = {}
    for column, aliases in ALIASES.items():
        fitting = [heading for name in aliases for heading in by_name.get(name, [])]
        if len(fitting) > 1 and column in REQUIRED:
            raise ImportFileError(
                f"{path}: {column} could be any of the columns {', '.join(fitting)}; keep one"
            )
        if fitting:
            found[column] = fitting[0]
    one_hot = all(name in by_name for name in ONE_HOT)
    missing = [
        name for name in REQUIRED if name not in found and not (name == "outcome" and one_hot)
    ]
    if missing:
        called = ", ".join(ALIASES[missing[0]][:4])
        raise ImportFileError(
            f"{path}: no column for {', '.join(missing)} among {', '.join(headings) or 'none'}; "
            f"{missing[0]} is called one of {called}"
        )
    return found
