"""How large and how costly a grammar may be."""

from __future__ import annotations

from llguidance import LLParserLimits

MAX_SOURCE_BYTES = 256 * 1024
"""Of a schema, an expression, all choices together or a grammar."""

MAX_LITERAL_BYTES = 8 * 1024
"""Of one string or expression. The time to compute a mask was measured to grow with what is left of
the literal that the output is in: 3 ms for this one."""

MAX_COMPILE_SECONDS = 5
"""Of CPU time."""

MAX_COMPILED_BYTES = 128 * 2**20
"""Of memory that compiling takes."""

LIMITS = LLParserLimits(
    max_grammar_size=100_000,
    initial_lexer_fuel=1_000_000,
    step_lexer_fuel=100_000,
    step_max_items=50_000,
    verbose_errors=False,
)
"""The library's own, of the work for one mask above all: some 10 ms at the worst."""
