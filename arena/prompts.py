"""Questions for voters who have none."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from rostra.arena.errors import ArenaError
from rostra.arena.texts import Language, texts

SUGGESTED = 3


class Prompts:
    """The operator's set, or a few of our own in the voter's language.

    `suggested`: what the operator wants to see suggested, else it is drawn from the set.
    """

    def __init__(
        self,
        prompts: Sequence[str] = (),
        suggested: Sequence[str] = (),
        rng: random.Random | None = None,
    ) -> None:
        self._prompts = tuple(prompts)
        self._suggested = tuple(suggested)
        self._rng = rng or random.SystemRandom()

    def suggested(self, language: Language) -> list[str]:
        """Three, or fewer where there are not as many."""
        if self._suggested:
            return list(self._suggested)
        every = self._every(language)
        return self._rng.sample(every, min(SUGGESTED, len(every)))

    def draw(self, language: Language) -> str:
        """Any one of the set."""
        return self._rng.choice(self._every(language))

    def _every(self, language: Language) -> list[str]:
        own = texts(language).section("prompts").values()
        return list(self._prompts or self._suggested or own)


def read_prompts(path: Path, longest: int) -> list[str]:
    """One question to a line: JSON lines, each a string or an object with `prompt`, in a file
    whose name ends in `.jsonl`; plain text in any other. Empty lines are passed over.

    Raises `ArenaError`, which names the first line that is no question of at most `longest`
    characters.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ArenaError(f"cannot read prompts_file {path}: {error}") from None
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        prompt = _prompt(line) if path.suffix == ".jsonl" else line.strip()
        if not prompt:
            raise ArenaError(
                f"prompts_file {path}, line {number}: neither a JSON string nor an object with a "
                'question in "prompt"'
            )
        if len(prompt) > longest:
            raise ArenaError(
                f"prompts_file {path}, line {number}: {len(prompt)} characters, and "
                f"max_prompt_chars is {longest}; shorten it or raise the limit"
            )
        found.append(prompt)
    if not found:
        raise ArenaError(f"prompts_file {path} holds no question; add some or remove the setting")
    return found


def _prompt(line: str) -> str:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return ""
    if isinstance(value, dict):
        value = value.get("prompt")
    return value.strip() if isinstance(value, str) else ""
