"""What the voter's pages say, in each of their languages.

One TOML file to a language. A key is a table's name and an entry's, as in `status.choose`; texts
hold placeholders of `str.format`. English is complete by definition, and the others have its keys.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, get_args

from markupsafe import Markup, escape

Language = Literal["en", "ko", "de"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
NAMES: dict[Language, str] = {"en": "English", "ko": "한국어", "de": "Deutsch"}
"""Of each language, in itself."""
FALLBACK: Language = "en"


@dataclass(frozen=True)
class Texts:
    """The catalogue of one language."""

    language: Language
    entries: dict[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The text at `key` with `values` in its placeholders. Raises KeyError for a wrong key."""
        return self.entries[key].format(**values)

    def html(self, key: str, **values: object) -> Markup:
        """Likewise, with markup in its placeholders; what is not Markup is escaped."""
        return escape(self.entries[key]).format(**values)

    def section(self, name: str) -> dict[str, str]:
        """The entries of one table, by their short keys, as a page's script takes them."""
        prefix = f"{name}."
        return {
            key.removeprefix(prefix): text
            for key, text in self.entries.items()
            if key.startswith(prefix)
        }


@cache
def texts(language: Language) -> Texts:
    """Read once."""
    file = resources.files(__package__).joinpath(f"{language}.toml")
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    return Texts(
        language,
        {
            f"{table}.{key}": text
            for table, entries in tables.items()
            for key, text in entries.items()
        },
    )
