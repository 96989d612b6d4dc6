"""What a function of this package gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
from bokeh.embed import json_item
from bokeh.models import LayoutDOM


@dataclass(frozen=True, eq=False)
class Plot:
    """A figure, what it shows in words, and the numbers it is drawn from.

    In a notebook: `bokeh.io.show(plot.figure)`.
    """

    name: str
    """Of its downloads, without an ending."""
    title: str
    text: str
    """What it shows, for those who read it and for those who do not see the figure."""
    figure: LayoutDOM
    """Belongs to one document at a time: call the function again for another."""
    table: pl.DataFrame
    """Every number in the figure."""

    def payload(self) -> dict[str, Any]:
        """What `figures.js` draws it from, of plain JSON; `item` is BokehJS's own form."""
        return {
            "name": self.name,
            "title": self.title,
            "text": self.text,
            "item": json_item(self.figure),
            "csv": self.csv(),
        }

    def csv(self) -> str:
        return self.table.write_csv(float_precision=4)
