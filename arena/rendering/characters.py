"""Characters that would do something other than be read: controls, reordering, floods.

They are replaced by what can be seen, or cut short, before anything else looks at an answer.
"""

from __future__ import annotations

import re
import unicodedata

MOST_MARKS = 8
"""Marks on one character. No script stacks more; what does is meant to run over its neighbours."""
MOST_UNSEEN = 16
"""Invisible or shown control characters in a row. A flag is one character and seven of them."""

INVISIBLE = (
    "\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u2060-\u2065\u206a-\u206f\ufe00-\ufe0f\ufeff"
)
"""The body of a character class: what takes no room, in the basic plane."""
INVISIBLE_BEYOND = "\U000e0000-\U000e01ef"
"""The same, in the planes beyond: tags and variation selectors."""
REORDERING = "\u202a-\u202e\u2066-\u2069"
"""The body of a character class: bidirectional embeddings, overrides and isolates."""
_CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_UNSEEN = re.compile(f"[{INVISIBLE}{REORDERING}{_CONTROLS}]|[{INVISIBLE_BEYOND}]")
_MARKS = "".join(
    chr(code) for code in range(0x300, 0xFFFF) if unicodedata.category(chr(code)) in ("Mn", "Me")
)
# A class within the basic plane is looked up in a table; another is searched from end to end.
_RUN = re.compile(
    f"(?:[{INVISIBLE}{REORDERING}{_CONTROLS}\ud800-\udfff{_MARKS}]|[{INVISIBLE_BEYOND}])+"
)


class Cleaner:
    """Cleans a text that arrives in pieces; where it is cut makes no difference.

    Bidirectional overrides, embeddings and isolates become their names (`⟨U+202E⟩`), control
    characters their pictures (`␀`), halves of surrogate pairs U+FFFD, ends of lines `\\n`.
    """

    def __init__(self) -> None:
        self._marks = self._unseen = 0
        self._after_return = False

    def clean(self, piece: str) -> str:
        """What is to be shown for `piece`, which follows the pieces before it."""
        if piece and self._after_return:
            self._after_return = False
            piece = piece.removeprefix("\n")
        if not piece:
            return ""
        self._after_return = piece.endswith("\r")
        piece = piece.replace("\r\n", "\n").replace("\r", "\n")
        before = (self._marks, self._unseen)
        self._marks = self._unseen = 0

        def shorten(match: re.Match[str]) -> str:
            marks, unseen = before if match.start() == 0 else (0, 0)
            kept = []
            for character in match[0]:
                if _UNSEEN.match(character):
                    unseen += 1
                    if unseen <= MOST_UNSEEN:
                        kept.append(_shown(character))
                elif "\ud800" <= character <= "\udfff":
                    kept.append("\ufffd")
                else:
                    marks += 1
                    if marks <= MOST_MARKS:
                        kept.append(character)
            if match.end() == len(piece):
                self._marks, self._unseen = marks, unseen
            return "".join(kept)

        return _RUN.sub(shorten, piece)


def _shown(character: str) -> str:
    code = ord(character)
    if 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069:
        return f"⟨U+{code:04X}⟩"
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return "\ufffd" if 0x80 <= code < 0xA0 else character
