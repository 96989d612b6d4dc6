"""Stop strings, found as text arrives."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class StopStrings:
    """An automaton over characters that knows every stop string (Aho and Corasick 1975).

    Its state is the longest end of the text so far that begins a stop string, so each character
    costs the same however long the text and however many the strings.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        """Raises ValueError for an empty string, which every text contains."""
        if "" in stop:
            raise ValueError("a stop string must not be empty")
        self._next: list[dict[str, int]] = [{}]
        self._fallback = [0]
        self._match: list[str | None] = [None]
        self._held = [0]
        for string in stop:
            self._insert(string)
        self._link()
        self._state = 0

    @property
    def held(self) -> int:
        """How many characters at the end of the text may yet turn out to begin a stop string."""
        return self._held[self._state]

    def reset(self) -> None:
        """Begins a new text."""
        self._state = 0

    def advance(self, character: str) -> str | None:
        """The stop string that ends with this character, the longest if there are several."""
        while self._state and character not in self._next[self._state]:
            self._state = self._fallback[self._state]
        self._state = self._next[self._state].get(character, 0)
        return self._match[self._state]

    def _insert(self, string: str) -> None:
        state = 0
        for depth, character in enumerate(string, start=1):
            if character not in self._next[state]:
                self._next[state][character] = len(self._next)
                self._next.append({})
                self._fallback.append(0)
                self._match.append(None)
                self._held.append(depth)
            state = self._next[state][character]
        self._match[state] = string

    def _link(self) -> None:
        """Breadth first, so that what a state falls back to is complete before the state is."""
        queue = deque([0])
        while queue:
            state = queue.popleft()
            if not self._next[state]:
                # Nothing goes on from here, so only what it falls back to can still grow.
                self._held[state] = self._held[self._fallback[state]]
            if self._match[state] is None:
                self._match[state] = self._match[self._fallback[state]]
            for character, child in self._next[state].items():
                queue.append(child)
                if state:
                    fallback = self._fallback[state]
                    while fallback and character not in self._next[fallback]:
                        fallback = self._fallback[fallback]
                    self._fallback[child] = self._next[fallback].get(character, 0)
