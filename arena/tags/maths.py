"""Whether a question is about mathematics: rules, by notation and by words.

It is when, code aside, one of these holds:
 - it has a LaTeX command of mathematics;
 - it has an equation, a power of a variable or a function of one (3x + 7 = 22, x^2, f(x), sin(x));
 - it has arithmetic on two or more numbers (17 * 23, 15% of 240);
 - it has a term of mathematics that means nothing else (`MATHS`: eigenvalue, derivative of, 方程);
 - it asks how many, how much or when, and gives three or more numbers with units or prices.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rostra.arena.tags.exchange import Exchange, prompts, without_code
from rostra.arena.tags.terms import MATHS, words

_LATEX = re.compile(
    r"\\(?:frac|int|sum|prod|sqrt|lim|partial|infty|alpha|beta|theta|pi|cdot|times|mathbb|binom"
    r"|leq|geq|begin\{(?:align|equation|matrix|pmatrix|bmatrix|cases))"
)
_EQUATION = re.compile(
    r"""(?<![\w.])\d*[a-z]\s?(?:\^|\*\*)\s?[\d{n]           # x^2
    | (?<![\w.])\d*[a-zA-Z]\s*[-+*/]\s*\d+[a-z]?\s*=\s*-?\d  # 3x + 7 = 22
    | (?<![\w.])\d+[xyz]\s*[-+]
    | \d\(\s?[a-z]\s*[-+*/]\s*\d
    | (?<!\w)[fgh]\(x\)
    | \b(?:sin|cos|tan|log|ln|exp)\s?\(\s?[a-z\d]
    """,
    re.VERBOSE,
)
_ARITHMETIC = re.compile(
    r"(?<![\w.,/-])\d+(?:[.,]\d+)?\s*(?:[*×÷^]|\s[-+/]\s|%\s(?:of|von|de|di)\s|\s(?:times|plus|minus|by|mal|durch)\s)\s*"
    r"[$€£]?\d+(?:[.,]\d+)?(?![\w/-])"
)
_ASKS_QUANTITY = re.compile(
    r"\b(?:how (?:many|much|long|far|fast|old)|when (?:does|will|do)"
    r"|what (?:percentage|fraction|will|is it worth|is the total))\b",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    r"(?:[$€£]\s?\d+(?:[.,]\d+)?|\b\d+(?:[.,]\d+)?\s?(?:%|[a-z]+))", re.IGNORECASE
)
_FEWEST_QUANTITIES = 3


def is_maths(turns: Sequence[Exchange]) -> bool:
    text = without_code(prompts(turns))
    if any(mark.search(text) for mark in (_LATEX, _EQUATION, _ARITHMETIC, words(MATHS))):
        return True
    quantities = len(_QUANTITY.findall(text))
    return quantities >= _FEWEST_QUANTITIES and _ASKS_QUANTITY.search(text) is not None
