"""How large and how costly a grammar may be, wherever it is checked or followed."""

from __future__ import annotations

from llguidance import LLParserLimits

MAX_SOURCE_BYTES = 256 * 1024
"""Of a schema, an expression, all choices together or a grammar."""

LIMITS = LLParserLimits(verbose_errors=False)
