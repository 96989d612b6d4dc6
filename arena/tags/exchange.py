"""What a battle's tags are made from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_FENCED = re.compile(
    r"^ *(`{3,}|~{3,})[^\n]*\n.*?(?:^ *\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_INLINE = re.compile(r"`[^`\n]+`")
_MATHS = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$|\\\[.+?\\\]|\\\(.+?\\\)", re.DOTALL)
_URL = re.compile(r"(?:https?://|www\.)\S+")


@dataclass(frozen=True)
class Exchange:
    """One turn as the voter read it: the question and both answers, "" for none."""

    prompt: str
    answer_a: str = ""
    answer_b: str = ""


def prompts(turns: Sequence[Exchange]) -> str:
    return "\n\n".join(turn.prompt for turn in turns)


def answers(turns: Sequence[Exchange], side: str) -> str:
    return "\n\n".join(turn.answer_a if side == "a" else turn.answer_b for turn in turns)


def without_code(text: str) -> str:
    """Fenced blocks (CommonMark 0.31, section 4.5) and inline code cut out."""
    return _INLINE.sub(" ", _FENCED.sub("\n", text))


def prose(text: str) -> str:
    """What is written in a natural language: no code, formulas or addresses."""
    return _URL.sub(" ", _MATHS.sub(" ", without_code(text)))
