"""The text of one output, cut at stop strings and never beyond them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rostra.mesh.engine.messages import FinishReason, OutputToken, RequestOutput
from rostra.mesh.text.detokenizer import IncrementalDetokenizer
from rostra.mesh.text.stop import StopStrings
from rostra.mesh.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class ReleasedText:
    """What may be sent now."""

    text: str = ""
    tokens: list[OutputToken] = field(default_factory=list)
    """The tokens this text came from."""
    lengths: list[int] = field(default_factory=list)
    """How many characters of the text each of them made."""
    stop_string: str | None = None
    """Set once, when the output ended at this string. Nothing follows."""

    @property
    def ends(self) -> bool:
        """Whether the output ended here, whatever the engine would go on with."""
        return self.stop_string is not None


@dataclass
class _Pending:
    token: OutputToken
    start: int
    """Where in the whole text its own text begins, in characters."""
    end: int


class OutputText:
    """Turns what the engine makes for one request into what its reader gets.

    Text is released in whole tokens: a token waits while any character of its text may yet turn
    out to begin a stop string, and all after it wait too. A character made by several tokens is
    the text of the last of them. The output ends at the first place where its text contains a stop
    string, wherever tokens begin and end; of several that end at the same place the longest
    counts. The match is cut off: a token it begins in the middle of is released with the text
    before, tokens that lie wholly in it are not released.

    How tokens are spread over calls makes no difference to what all calls release together.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        stop: Sequence[str] = (),
        min_tokens: int = 0,
        skip_special_tokens: bool = True,
        keep_special: Collection[int] = (),
        continuation: bool = False,
    ) -> None:
        """A stop string that is complete before token number `min_tokens` does not count, and is
        text. `keep_special` is `keep` of `IncrementalDetokenizer`, and `continuation` its own: true
        for `Generate`, whose output goes on from the prompt's text.

        Raises ValueError for an empty stop string.
        """
        self._detokenizer = IncrementalDetokenizer(
            tokenizer, skip_special_tokens, keep=keep_special, continuation=continuation
        )
        self._stop = StopStrings(stop)
        self._min_tokens = min_tokens
        self._pending: deque[_Pending] = deque()
        self._held_text = ""
        self._length = 0
        self._num_tokens = 0
        self._ended = False

    @property
    def num_tokens(self) -> int:
        """Tokens that count as generated: the end token included, those after a match not."""
        return self._num_tokens

    def take(self, output: RequestOutput) -> ReleasedText:
        """Adds the tokens of `output`; with its `finish`, releases everything that was held.

        An end or stop token is released last, without its text. After a stop string matched, or
        after a finish, further outputs release nothing.
        """
        if self._ended:
            return ReleasedText()
        tokens = output.tokens
        ends_with_token = output.finish is FinishReason.STOP and output.stop_token_id is not None
        for token in tokens[:-1] if ends_with_token else tokens:
            self._num_tokens += 1
            match = self._append(token, self._detokenizer.push(token.id))
            if match is not None:
                return self._cut(match)
        if output.finish is None:
            return self._release(self._length - self._stop.held)
        match = self._append(None, self._detokenizer.flush())
        if match is not None:
            return self._cut(match)
        if ends_with_token:
            self._num_tokens += 1
            self._append(tokens[-1], "")
        self._ended = True
        return self._release(self._length)

    def _append(self, token: OutputToken | None, text: str) -> tuple[str, int] | None:
        """Adds text, and the token it came from. Returns a match and where it begins.

        Text without a token belongs to the one before it.
        """
        start = self._length
        self._held_text += text
        self._length += len(text)
        if token is not None:
            self._pending.append(_Pending(token, start, self._length))
        elif self._pending:
            self._pending[-1].end = self._length
        for position, character in enumerate(text, start=start + 1):
            match = self._stop.advance(character)
            if match is not None and self._num_tokens >= self._min_tokens:
                return match, position - len(match)
        return None

    def _release(self, limit: int) -> ReleasedText:
        """Releases the tokens whose text ends within the first `limit` characters."""
        tokens, lengths = [], []
        released = self._length - len(self._held_text)
        end = released
        while self._pending and self._pending[0].end <= limit:
            pending = self._pending.popleft()
            end = pending.end
            tokens.append(pending.token)
            lengths.append(pending.end - pending.start)
        if not self._pending:
            end = max(end, limit)
        text = self._held_text[: end - released]
        self._held_text = self._held_text[end - released :]
        return ReleasedText(text, tokens, lengths)

    def _cut(self, match: tuple[str, int]) -> ReleasedText:
        stop_string, begin = match
        self._ended = True
        released = self._length - len(self._held_text)
        kept = [
            pending for pending in self._pending if pending.start < begin or pending.end <= begin
        ]
        return ReleasedText(
            self._held_text[: begin - released],
            [pending.token for pending in kept],
            [min(pending.end, begin) - pending.start for pending in kept],
            stop_string,
        )
