"""Reasoning that a model writes before its answer."""

from __future__ import annotations

from dataclasses import dataclass

from rostra.mesh.parsers.events import Kind
from rostra.mesh.parsers.reader import Reader, Steps


@dataclass(frozen=True)
class ReasoningFormat:
    """Two markers with the reasoning between them, at the very beginning of the output.

    Both begin with the same character and differ in the second. What has no end is reasoning up to
    the end of the output. A marker anywhere else is content.
    """

    name: str
    begin: str
    end: str

    @property
    def special_tokens(self) -> tuple[str, ...]:
        return self.begin, self.end

    def opened_by(self, prompt: str) -> bool:
        """Whether the prompt's last words are the marker, so that the output begins inside."""
        return prompt.rstrip().endswith(self.begin)

    def left_open(self, text: str) -> bool:
        """Whether the beginning of an output ends inside its reasoning."""
        return text.lstrip().startswith(self.begin) and self.end not in text

    def read(self, reader: Reader, *, opened: bool) -> Steps[None]:
        yield from reader.spaces()
        begun = ended = False
        if (yield from reader.literal(self.begin[0])):
            if opened and (yield from reader.peek()) == self.end[1]:
                ended = yield from reader.literal(self.end[1:])
            else:
                # Some models write the marker that the prompt has already.
                begun = yield from reader.literal(self.begin[1:])
        if begun:
            reader.drop()
        elif not opened:
            return
        reader.begin_reasoning()
        if ended or (yield from reader.until(self.end, Kind.REASONING)):
            reader.end_reasoning()
            reader.drop()


THINK = ReasoningFormat("think", "<think>", "</think>")
MISTRAL = ReasoningFormat("mistral", "[THINK]", "[/THINK]")
