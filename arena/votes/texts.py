"""Texts that every database can hold."""

from __future__ import annotations

import re

# PostgreSQL has no NUL in a text; neither database has half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """`text` with U+FFFD in place of the few characters that no database can hold."""
    return _UNSTORABLE.sub("\ufffd", text)
