"""Writes docs/openai-compatibility.md from the table.

Run it after a change of the table: `python tests/conformance/conformance_page.py`.
"""

from __future__ import annotations

from pathlib import Path

from conformance_table import NOT_SERVED, TABLES

PAGE = Path(__file__).parents[2] / "docs" / "openai-compatibility.md"

_INTRODUCTION = """\
# What becomes of every field

One row for each field that a client can send: those that the official clients of OpenAI and
Anthropic know, and those beyond. Each row is a test in `tests/conformance/`, and this page is made
from the tests (`python tests/conformance/conformance_page.py`).

| | |
|---|---|
| honoured | It reaches the worker, or changes the answer. |
| refused | A value that would change the answer gets a 400, and the error names the field. |
| hint | It cannot change the answer: the same request reaches the worker with it and without. |
| not applicable | A header that says nothing about the answer. |

A field that is in no table is refused, too (`unknown_parameter`). Null is as good as leaving a
field out, except where it is required. The types and limits of each field are at `/docs` and
`/openapi.json` of every gateway.
"""


def page() -> str:
    parts = [_INTRODUCTION]
    for table in TABLES:
        parts.append(f"\n## {table.method} {table.path}\n\n| field | | note |\n|---|---|---|\n")
        rows = sorted(table.rows, key=lambda row: row.field)
        parts += [f"| `{row.field}` | {row.verdict} | {row.note} |\n" for row in rows]
    parts.append("\n## Endpoints that are not served\n\nEach answers 404 (`unknown_url`).\n\n")
    parts += [f"- `{path}`\n" for path in NOT_SERVED]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
