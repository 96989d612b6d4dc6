"""Grammars compiled for the tokens of one model."""

from __future__ import annotations

import json
from pathlib import Path

from llguidance import LLMatcher, LLTokenizer

from rostra.mesh.errors import RostraError
from rostra.mesh.grammar.errors import GrammarError, one_line
from rostra.mesh.grammar.limits import LIMITS
from rostra.mesh.text.tokenizer import TOKENIZER_FILE, Tokenizer


class Vocabulary:
    """The tokens of a model as grammars see them: their bytes, and which end an output."""

    def __init__(self, tokenizer: LLTokenizer) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, path: Path, vocab_size: int) -> Vocabulary:
        """Reads a model's folder; takes up to seconds for a large vocabulary.

        `vocab_size`: of the model's logits, which may be wider than the tokenizer; ids that name no
        token are never allowed. Raises GrammarError where the model's outputs cannot follow any.
        """
        try:
            eos_token_ids = sorted(Tokenizer.load(path).eos_token_ids)
        except RostraError as error:
            raise GrammarError(str(error)) from error
        if not eos_token_ids:
            raise GrammarError("the model has no end token, and so cannot end where a grammar does")
        definition = json.loads((path / TOKENIZER_FILE).read_text(encoding="utf-8"))
        # Settings of training, which would cut and fill the texts that a grammar forces.
        definition["truncation"] = definition["padding"] = None
        try:
            tokenizer = LLTokenizer(json.dumps(definition), vocab_size, eos_token_ids)
        except ValueError as error:
            reason = one_line(str(error))
            raise GrammarError(f"the model's tokenizer follows no grammars: {reason}") from error
        return cls(tokenizer)

    def compile(self, grammar: str) -> LLMatcher:
        """At the start of an output; each output takes a `deep_copy()`.

        Lets other threads run. Raises GrammarError where the grammar is not valid, breaks a limit,
        or admits no text at all.
        """
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0, limits=LIMITS)
        # What the first mask takes to compute, all copies have.
        matcher.compute_bitmask()
        if matcher.is_error():
            raise GrammarError(one_line(matcher.get_error()))
        return matcher
