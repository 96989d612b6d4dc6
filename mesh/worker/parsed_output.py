"""One output of a chat whose text is more than content."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rostra.mesh.engine.messages import OutputToken, RequestOutput
from rostra.mesh.parsers import Event, Kind, OutputParser, ReasoningFormat, ToolFormat, Tools
from rostra.mesh.text import OutputText, Tokenizer
from rostra.mesh.text.stop import StopStrings
from rostra.mesh.worker.sampling import Sampling


@dataclass
class ParsedText:
    """What may be sent now."""

    events: list[Event] = field(default_factory=list)
    tokens: list[OutputToken] = field(default_factory=list)
    """Those whose text was decided on: held-back text holds back its tokens."""
    stop_string: str | None = None
    """Set once, when the output ended at this string. Nothing follows."""
    ends: bool = False
    """Set once, when the output ended here, whatever the engine would go on with."""


@dataclass(frozen=True)
class Parsing:
    """How the outputs of one RPC are read."""

    tools: Tools
    tool_format: ToolFormat | None
    reasoning_format: ReasoningFormat | None
    reasoning_opened: bool
    single_call: bool

    def output(
        self, tokenizer: Tokenizer, sampling: Sampling, *, continuation: bool
    ) -> ParsedOutput:
        formats = (self.tool_format, self.reasoning_format)
        markers = [text for each in formats if each is not None for text in each.special_tokens]
        ids = (tokenizer.token_id(text) for text in markers)
        return ParsedOutput(
            tokenizer,
            OutputParser(
                tools=self.tools,
                tool_format=self.tool_format,
                reasoning_format=self.reasoning_format,
                reasoning_opened=self.reasoning_opened,
            ),
            stop=sampling.stop,
            min_tokens=sampling.params.min_tokens,
            keep_special=frozenset(token_id for token_id in ids if token_id is not None),
            single_call=self.single_call,
            continuation=continuation,
        )


@dataclass(frozen=True)
class _Pending:
    token: OutputToken
    start: int
    end: int


class ParsedOutput:
    """Turns what the engine makes for one request into what its reader gets.

    Stop strings are looked for in content and in reasoning, as the reader sees them: markup and
    calls may hold them, and none begins in one kind of text and ends in another.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        parser: OutputParser,
        *,
        stop: Sequence[str] = (),
        min_tokens: int = 0,
        keep_special: Collection[int] = (),
        single_call: bool = False,
        continuation: bool = False,
    ) -> None:
        """`single_call`: the first call ends the output. The rest as in `OutputText`."""
        self._text = OutputText(tokenizer, keep_special=keep_special, continuation=continuation)
        self._parser = parser
        self._stop = StopStrings(stop)
        self._min_tokens = min_tokens
        self._single_call = single_call
        self._pending: deque[_Pending] = deque()
        self._num_released = 0
        self._length = 0
        self._held: list[Event] = []
        self._reasoning_ends: deque[int] = deque()
        self._num_tokens: int | None = None
        self._num_reasoning = 0
        self.called = False
        """Whether there was a call."""

    @property
    def num_tokens(self) -> int:
        """As `OutputText.num_tokens`."""
        return self._text.num_tokens if self._num_tokens is None else self._num_tokens

    @property
    def reasoning_tokens(self) -> int:
        """The part of `num_tokens` that is reasoning or its markers."""
        # What was read may go beyond where the output ended.
        return min(self._num_reasoning, self.num_tokens)

    def take(self, output: RequestOutput) -> ParsedText:
        """As `OutputText.take`."""
        if self._num_tokens is not None:
            return ParsedText()
        released = self._text.take(output)
        for token, length in zip(released.tokens, released.lengths, strict=True):
            start, self._length = self._length, self._length + length
            self._pending.append(_Pending(token, start, self._length))
            self._reasoning_ends.append(self._length)
        events = self._parser.push(released.text)
        if output.finish is not None:
            events += self._parser.finish()
        self._count_reasoning()
        taken = ParsedText()
        for event in events:
            self._add(event, taken)
            if taken.ends:
                return taken
        if output.finish is not None:
            self._flush(taken)
            taken.tokens = [pending.token for pending in self._pending]
        elif taken.events:
            self._release(taken, taken.events[-1].end)
        return taken

    def _add(self, event: Event, taken: ParsedText) -> None:
        if event.kind in (Kind.CONTENT, Kind.REASONING):
            self._add_text(event, taken)
            return
        self._flush(taken)
        taken.events.append(event)
        if event.kind is Kind.CALL_END:
            self.called = True
            if self._single_call:
                self._end(taken, event.end, event.end)

    def _add_text(self, event: Event, taken: ParsedText) -> None:
        start = event.end - len(event.text)
        if self._held and (self._held[-1].kind is not event.kind or self._held[-1].end != start):
            self._flush(taken)
        if not self._held:
            self._stop.reset()
        text = "".join(held.text for held in self._held) + event.text
        begin = event.end - len(text)
        for end, character in enumerate(event.text, start=start + 1):
            match = self._stop.advance(character)
            if match is not None and self._counts(end):
                self._put(event.kind, text[: end - len(match) - begin], end - len(match), taken)
                taken.stop_string = match
                self._end(taken, end - len(match), end)
                return
        keep = len(text) - self._stop.held
        self._put(event.kind, text[:keep], begin + keep, taken)
        # Kept even when empty: the text goes on from here.
        self._held = [Event(event.kind, text[keep:], event.end)]

    def _flush(self, taken: ParsedText) -> None:
        for held in self._held:
            self._put(held.kind, held.text, held.end, taken)
        self._held = []

    def _put(self, kind: Kind, text: str, end: int, taken: ParsedText) -> None:
        if text:
            taken.events.append(Event(kind, text, end))

    def _end(self, taken: ParsedText, sent: int, read: int) -> None:
        """Ends the output: `sent` characters are told of, and `read` were needed to know that."""
        taken.ends = True
        needed = self._num_pending(read)
        self._num_tokens = self._num_released + needed
        taken.tokens = [
            pending.token
            for pending in itertools.islice(self._pending, needed)
            if pending.start < sent or pending.end <= sent
        ]

    def _release(self, taken: ParsedText, settled: int) -> None:
        while self._pending and self._pending[0].end <= settled:
            taken.tokens.append(self._pending.popleft().token)
            self._num_released += 1

    def _counts(self, end: int) -> bool:
        """Whether a stop string that ends after so many characters is one."""
        return self._num_released + self._num_pending(end) >= self._min_tokens

    def _num_pending(self, end: int) -> int:
        """How many of the pending tokens were needed for the first `end` characters."""
        ends = (pending.end for pending in self._pending)
        return 1 + next(index for index, reached in enumerate(ends) if reached >= end)

    def _count_reasoning(self) -> None:
        end = self._parser.reasoning_end
        while self._reasoning_ends and self._reasoning_ends[0] <= end:
            self._reasoning_ends.popleft()
            self._num_reasoning += 1
        if self._parser.settled > end:
            self._reasoning_ends.clear()
