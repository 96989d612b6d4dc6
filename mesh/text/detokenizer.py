"""Text from tokens as they come."""

from __future__ import annotations

import codecs
from collections.abc import Collection

from rostra.mesh.text.tokenizer import Tokenizer


class IncrementalDetokenizer:
    """Turns tokens into text one at a time, whole characters only.

    What `push` and `flush` return, joined, is `tokenizer.decode` of all tokens. Each call costs as
    much as its token is long, whatever came before.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        skip_special_tokens: bool = True,
        *,
        keep: Collection[int] = (),
        continuation: bool = False,
    ) -> None:
        """`keep` are special tokens whose text is not skipped.

        `continuation`: the text goes on from a prompt, so that a space the first token begins with
        belongs to it. `decode` alone takes that space off for vocabularies that put one before
        every text."""
        self._tokenizer = tokenizer
        self._skip_special_tokens = skip_special_tokens
        self._keep = keep
        self._strip_next = tokenizer.strips_leading_space and not continuation
        self._characters = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        """The characters that this token completes."""
        if (
            self._skip_special_tokens
            and self._tokenizer.is_special(token_id)
            and token_id not in self._keep
        ):
            return ""
        return self._strip(self._characters.decode(self._tokenizer.token_bytes(token_id)))

    def flush(self) -> str:
        """U+FFFD if the last character was left unfinished. Ends the text."""
        return self._strip(self._characters.decode(b"", final=True))

    def _strip(self, text: str) -> str:
        if self._strip_next and text:
            self._strip_next = False
            return text.removeprefix(" ")
        return text
