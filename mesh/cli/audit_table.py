"""The findings of an audit as a table in the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from rostra.arena.ratings.audit import Finding

STYLES = {"pass": "green", "warning": "yellow", "fail": "bold red", "cannot tell": "dim"}


def audit_table(findings: Iterable[Finding]) -> Table:
    """One row for each probe: its verdict, its sentence, and under that its numbers."""
    table = Table(box=None, pad_edge=False)
    table.add_column("probe", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("finding", overflow="fold")
    for finding in findings:
        text = Text(finding.sentence)
        if finding.numbers:
            numbers = ", ".join(
                f"{name.replace('_', ' ')} {_figure(value)}"
                for name, value in finding.numbers.items()
                if value is not None
            )
            text.append(f"\n{numbers}", style="dim")
        verdict = Text(finding.verdict, style=STYLES[finding.verdict])
        table.add_row(finding.name, verdict, text)
    return table


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
