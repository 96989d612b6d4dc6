"""Grammars compiled for the engine's model, and which requests use them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from llguidance import LLMatcher

from rostra.mesh.engine.matcher import Matcher
from rostra.mesh.grammar.compiled import Vocabulary

MOST_COMPILED, MOST_COMPILED_BYTES = 128, 2 * 2**20
"""Grammars kept for later requests: how many, and of how much text. The costliest were measured to
take some 200 bytes of memory for each byte of text."""


class Grammars:
    """Compiles grammars, once each, and makes matchers of those that requests use.

    What was compiled stays while a request uses it, and beyond for the grammars used last.
    """

    def __init__(self, load: Callable[[], Vocabulary]) -> None:
        """`load` is called with the first grammar, and not again once it has returned."""
        self._load = load
        self._vocabulary: Vocabulary | None = None
        self._compiling = threading.Lock()
        self._lock = threading.Lock()
        self._compiled: OrderedDict[str, LLMatcher] = OrderedDict()
        """By text, the one used last at the end."""
        self._num_users: dict[str, int] = {}
        self._by_request: dict[str, str] = {}

    def is_compiled(self, grammar: str) -> bool:
        with self._lock:
            return grammar in self._compiled

    def compile(self, grammar: str) -> LLMatcher:
        """For any thread; one compiles at a time, for up to seconds. Raises GrammarError."""
        if (known := self._find(grammar)) is not None:
            return known
        with self._compiling:
            if (known := self._find(grammar)) is not None:
                return known
            if self._vocabulary is None:
                self._vocabulary = self._load()
            compiled = self._vocabulary.compile(grammar)
            with self._lock:
                self._compiled[grammar] = compiled
                self._forget_oldest()
            return compiled

    def begin(self, grammar: str, request_id: str) -> None:
        """Counts a request in. Compiles its grammar where nobody has; raises GrammarError."""
        compiled = self.compile(grammar)
        with self._lock:
            self._compiled[grammar] = compiled
            self._compiled.move_to_end(grammar)
            self._by_request[request_id] = grammar
            self._num_users[grammar] = self._num_users.get(grammar, 0) + 1

    def end(self, request_id: str) -> None:
        """Nothing, for a request without a grammar."""
        with self._lock:
            grammar = self._by_request.pop(request_id, None)
            if grammar is None:
                return
            self._num_users[grammar] -= 1
            if not self._num_users[grammar]:
                del self._num_users[grammar]
                self._forget_oldest()

    def matcher(self, grammar: str) -> Matcher:
        """For a request that was counted in."""
        with self._lock:
            return Matcher(self._compiled[grammar])

    def _find(self, grammar: str) -> LLMatcher | None:
        with self._lock:
            return self._compiled.get(grammar)

    def _forget_oldest(self) -> None:
        num_bytes = sum(map(len, self._compiled))
        for grammar in list(self._compiled):
            if len(self._compiled) <= MOST_COMPILED and num_bytes <= MOST_COMPILED_BYTES:
                return
            if grammar not in self._num_users:
                del self._compiled[grammar]
                num_bytes -= len(grammar)
