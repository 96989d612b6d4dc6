"""From the text of one output to content, reasoning and calls."""

from __future__ import annotations

from rostra.mesh.parsers.events import Event
from rostra.mesh.parsers.formats import ToolFormat, Tools
from rostra.mesh.parsers.reader import Reader, Steps
from rostra.mesh.parsers.reasoning import ReasoningFormat


class OutputParser:
    """Takes text as it comes. Time is linear in its length, however it is cut.

    The events of all calls, with those of one kind joined, are the same for every cut of the text.
    """

    def __init__(
        self,
        *,
        tools: Tools | None = None,
        tool_format: ToolFormat | None = None,
        reasoning_format: ReasoningFormat | None = None,
        reasoning_opened: bool = False,
    ) -> None:
        """`reasoning_opened`: the prompt ends inside the reasoning."""
        self._reader = Reader()
        self._steps = self._read(tools or {}, tool_format, reasoning_format, reasoning_opened)
        next(self._steps)

    @property
    def settled(self) -> int:
        """Characters at the beginning of the text of which all is told."""
        return self._reader.settled

    @property
    def reasoning_end(self) -> int:
        """Characters at the beginning of the text that were reasoning, markers included."""
        return self._reader.reasoning_end

    def push(self, text: str) -> list[Event]:
        """What is sure by now."""
        if text:
            self._reader.feed(text)
            next(self._steps)
        return self._take()

    def finish(self) -> list[Event]:
        """The rest: a call that is not whole is content."""
        self._reader.end()
        for _ in self._steps:
            raise AssertionError("a reader at its end waits for nothing")
        return self._take()

    def _take(self) -> list[Event]:
        events, self._reader.events = self._reader.events, []
        return events

    def _read(
        self,
        tools: Tools,
        tool_format: ToolFormat | None,
        reasoning_format: ReasoningFormat | None,
        reasoning_opened: bool,
    ) -> Steps[None]:
        if reasoning_format is not None:
            yield from reasoning_format.read(self._reader, opened=reasoning_opened)
        if tool_format is not None:
            yield from tool_format.read(self._reader, tools)
        yield from self._reader.rest()
