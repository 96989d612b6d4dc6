"""FastChat's raw conversation log (`fastchat/serve/gradio_block_arena_anony.py`), JSON lines.

Files are named `YYYY-MM-DD-conv.json`. A vote is a line of type leftvote, rightvote, tievote or
bothbad_vote with `models` and `states` of the two sides; who answered stands in
`states[i].model_name`. In an anonymous pair `models` is empty or "Model A" and "Model B"; what
names the contestants was voted on after they were shown, and is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rostra.arena.imports.json_lines import Record, frame_of, records
from rostra.arena.imports.normalise import Raw
from rostra.arena.imports.report import FaultCounter

VOTES = {
    "leftvote": "a",
    "rightvote": "b",
    "tievote": "tie",
    "bothbad_vote": "both_bad",
}
OTHERS = frozenset({"chat", "upvote", "downvote", "flag", "share", "regenerate", "retry", "clear"})
HIDDEN = ({""}, {"Model A", "Model B"})
NO_VOTE = "a line of another kind than a vote on a pair"
SHOWN = "voted on after the names were shown"


def read(path: Path, *, texts: bool) -> Raw:
    """`texts`: the answers' texts too. Voters are numbered as they appear; no address is kept."""
    counter = FaultCounter()
    left_out: dict[str, int] = {}
    voters: dict[str, str] = {}
    rows: list[int] = []
    votes: list[dict[str, str | None]] = []
    for row, record in records(path, counter):
        kind = record.get("type")
        if kind in VOTES:
            try:
                public = {str(name).strip() for name in record["models"]}
                vote = vote_of(record, texts=texts)
            except (KeyError, TypeError, ValueError, IndexError, AttributeError):
                counter.add(row, "a vote without models or states", str(record)[:200])
                continue
            if public not in HIDDEN:
                left_out[SHOWN] = left_out.get(SHOWN, 0) + 1
                continue
            address = record.get("ip")
            if address is not None:
                vote["voter"] = voters.setdefault(str(address), f"voter-{len(voters) + 1}")
            rows.append(row)
            votes.append(vote)
        elif kind in OTHERS:
            left_out[NO_VOTE] = left_out.get(NO_VOTE, 0) + 1
        else:
            counter.add(row, "unknown type", str(kind))
    return Raw(frame_of(rows, votes).lazy(), counter.faults(), tuple(left_out.items()))


def vote_of(record: Record, *, texts: bool) -> dict[str, str | None]:
    """What the vote frame holds of a vote, by its columns. Raises KeyError, TypeError, ValueError,
    IndexError or AttributeError for a line of another form."""
    left, right = record["states"]
    vote = {
        "left": left["model_name"],
        "right": right["model_name"],
        "outcome": VOTES[record["type"]],
        "id": left.get("conv_id"),
        "at": record.get("tstamp"),
        "prompt": next((text for text in _said(left, 0)), None),
    }
    if texts:
        vote |= {
            "text_left": "\n\n".join(_said(left, 1)),
            "text_right": "\n\n".join(_said(right, 1)),
        }
    return {name: None if value is None else str(value) for name, value in vote.items()}


def _said(state: Any, role: int) -> list[str]:
    """What role 0 (the voter) or 1 (the model) said, in order; a question may come with images."""
    spoken = state["roles"][role]
    said = [
        message[0] if isinstance(message, list) else message
        for speaker, message in state["messages"][int(state.get("offset") or 0) :]
        if speaker == spoken and message is not None
    ]
    return [text for text in said if isinstance(text, str)]
