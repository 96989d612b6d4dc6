"""Which words mean which outcome. A word that is not here is malformed, never a tie."""

from __future__ import annotations

LABELS: dict[str, str] = {
    **dict.fromkeys(("a", "left", "model_a", "contestant_a", "leftvote", "win_a"), "a"),
    **dict.fromkeys(("b", "right", "model_b", "contestant_b", "rightvote", "win_b"), "b"),
    **dict.fromkeys(("tie", "draw", "tievote"), "tie"),
    **dict.fromkeys(
        (
            *("both_bad", "bothbad", "both bad", "bothbad_vote"),
            *("tie (bothbad)", "tie (both bad)", "tie (both_bad)"),
        ),
        "both_bad",
    ),
}
"""Outcome by label; labels are compared in lower case, without blanks at their ends."""
