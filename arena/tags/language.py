"""The language of a text, by lingua (https://github.com/pemistahl/lingua-py, Apache-2.0).

Its models lie in its wheel. For the `LANGUAGES` here they take about 550 MiB and 7 s of a core to
load. Its low-accuracy mode would take 36 MiB and 0.3 s, and was wrong on one short question in
twelve where this is wrong on none; all 75 languages take 1 GiB and call short Russian Bulgarian.
A text in another language is unknown, or called its nearest neighbour (Bulgarian: Russian).
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

UNKNOWN = "unknown"
LANGUAGES = (
    *("Arabic", "Armenian", "Bengali", "Chinese", "Czech", "Danish", "Dutch", "English"),
    *("Finnish", "French", "Georgian", "German", "Greek", "Hebrew", "Hindi", "Hungarian"),
    *("Indonesian", "Italian", "Japanese", "Korean", "Norwegian", "Persian", "Polish"),
    *("Portuguese", "Romanian", "Russian", "Spanish", "Swedish", "Tamil", "Telugu", "Thai"),
    *("Turkish", "Ukrainian", "Vietnamese"),
)
"""English names, as in the battles that LMSYS publishes."""
CONFIDENCE = 0.25
"""Least share of the probability that the first of the `LANGUAGES` has."""
FEWEST_LETTERS = 5
"""Of alphabets; one character of Chinese, Japanese or Korean is enough."""
MOST_CHARACTERS = 2_000
"""From the beginning of a text; more would tell no more."""
_IN_LINGUA = {"Norwegian": "BOKMAL"}
_FIRST_OF_CJK = "\u3040"


class LanguageDetector:
    """Loads the models when it is first asked, and lets go of them at the end of its context.

    Blocks for seconds then: use it in a thread or a process that may.
    """

    def __init__(self) -> None:
        from lingua import Language, LanguageDetectorBuilder

        self._names = {_IN_LINGUA.get(name, name.upper()): name for name in LANGUAGES}
        languages = [getattr(Language, name) for name in self._names]
        self._detector = LanguageDetectorBuilder.from_languages(*languages).build()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._detector.unload_language_models()

    def language_of(self, prose: str) -> str:
        """One of `LANGUAGES`, or `UNKNOWN` below `CONFIDENCE`."""
        text = prose[:MOST_CHARACTERS].strip()
        letters = [char for char in text if char.isalpha()]
        if len(letters) < FEWEST_LETTERS and max(letters, default="") < _FIRST_OF_CJK:
            return UNKNOWN
        best = self._detector.compute_language_confidence_values(text)[0]
        return self._names[best.language.name] if best.value >= CONFIDENCE else UNKNOWN
