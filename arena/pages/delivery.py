"""Has Panel write every message to a page that it has taken.

Messages that come while others are written wait in a list, each with a task that writes the list.
A task that ends takes away the mark by which tasks know that there is a list: one that began in the
same turn of the event loop finds none and leaves its messages until the next ones come, which may
be never. So a voter's reasons were stored, and the page did not say so.
"""

from __future__ import annotations

from bokeh.document import Document
from panel.io import document


def deliver_all() -> None:
    """Once for the process."""
    if not isinstance(vars(document)["_dispatch_msgs"], _Whole):
        vars(document)["_dispatch_msgs"] = _Whole()


class _Whole:
    def __init__(self) -> None:
        self._write = vars(document)["_dispatch_msgs"]
        self._begin = vars(document)["_dispatch_write_task"]
        self._waiting = vars(document)["_WRITE_MSGS"]
        self._marked = vars(document)["_WRITE_BLOCK"]

    async def __call__(self, page: Document) -> None:
        await self._write(page)
        if page in self._waiting and page not in self._marked:
            self._marked[page] = True
            self._begin(page, self, page)
