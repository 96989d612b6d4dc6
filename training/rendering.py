"""Conversations as tokens by the model's own chat template, and which of them are learned.

Learned is what the model writes when it serves: each answer with the token that ends its turn, and
neither what the template puts before an answer nor the white space it puts after its end. Where an
answer begins and ends is read off the template itself: what it renders up to the answer, as a
prompt, is the beginning of what it renders with the answer. Templates that render an earlier turn
anew once later ones follow, as those that take reasoning out, have no such beginning, and some do
not end the last answer; for them the markers of generation are used, the template's own or those of
TRL's edition of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from rostra.training.conversations import Message
from rostra.training.errors import TrainingError


@dataclass(frozen=True)
class Encoded:
    ids: list[int]
    learned: list[bool]
    """[ids]"""

    @property
    def labels(self) -> list[int]:
        """As the trainers take them: -100 for what is not learned."""
        return [each if own else -100 for each, own in zip(self.ids, self.learned, strict=True)]


class NotRenderedError(Exception):
    """The chat template cannot render a conversation. The message is the reason."""


class Renderer:
    def __init__(self, tokenizer: Any, model: str) -> None:
        """`model`: its name, for people. Raises TrainingError where it has no chat template."""
        if not tokenizer.chat_template:
            raise TrainingError(f"{model} has no chat template: train an instruction-tuned model")
        self._tokenizer = tokenizer

    def most_characters(self, tokens: int) -> int:
        """A text of more characters has more than `tokens` tokens, whatever it says."""
        return tokens * max(map(len, self._tokenizer.get_vocab()))

    def encode(self, messages: Sequence[Message], *, ended: bool = True) -> Encoded:
        """`ended`: whether the last answer came to its end; of one that was cut off the end of the
        turn is not learned, nor anything after. Raises NotRenderedError."""
        text = self._render(messages)
        spans = self._spans(messages, text)
        if spans is None or (ended and not self._all_end(text, spans) and self._knows_markers):
            return self._by_markers(messages, ended)
        if not ended:
            start, _ = spans[-1]
            content = messages[-1].content.strip()
            spans[-1] = (start, text.index(content, start) + len(content))
        return self._tokens(text[: spans[-1][1]] if not ended else text, spans)

    def _spans(self, messages: Sequence[Message], text: str) -> list[tuple[int, int]] | None:
        """From and to which character of the rendered text each answer goes; None where the
        template renders beginnings differently."""
        spans = []
        for at, message in enumerate(messages):
            if message.role != "assistant":
                continue
            before = self._render(messages[:at], prompt=True)
            upto = self._render(messages[: at + 1])
            content = message.content.strip()
            if not (text.startswith(upto) and upto.startswith(before) and content in upto):
                return None
            found = upto.find(content, len(before))
            if found < 0:
                return None
            spans.append((len(before), self._end(upto, found + len(content))))
        return spans

    def _end(self, text: str, at: int) -> int:
        """Of the turn whose content ends at `at`: after the special tokens that come next, if any;
        with some models there are two."""
        first = [place for token in self._special if (place := text.find(token, at)) >= 0]
        if not first:
            return len(text.rstrip()) if len(text.rstrip()) > at else at
        end = min(first)
        while found := [len(token) for token in self._special if text.startswith(token, end)]:
            end += max(found)
        return end

    def _all_end(self, text: str, spans: Sequence[tuple[int, int]]) -> bool:
        """Whether the template writes what ends each answer; with some models that is what the
        next turn begins with, so that the last answer has none."""
        return all(text[:end].endswith(tuple(self._special)) for _, end in spans)

    @cached_property
    def _special(self) -> list[str]:
        added = self._tokenizer.added_tokens_decoder.values()
        return [str(each) for each in added if each.special]

    def _tokens(self, text: str, spans: Sequence[tuple[int, int]]) -> Encoded:
        cuts = [0, *(place for span in spans for place in span), len(text)]
        ids: list[int] = []
        learned: list[bool] = []
        for number, (start, end) in enumerate(pairwise(cuts)):
            piece = self._ids(text[start:end]) if end > start else []
            ids += piece
            learned += [number % 2 == 1] * len(piece)
        whole = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        if list(whole["input_ids"]) == ids:
            return Encoded(ids, learned)
        # Tokenizers that put a space before each text, or letters that merge over a boundary.
        return Encoded(
            list(whole["input_ids"]),
            [
                any(
                    start <= first and last <= end and (last > first or first > start)
                    for start, end in spans
                )
                for first, last in whole["offset_mapping"]
            ],
        )

    def _by_markers(self, messages: Sequence[Message], ended: bool) -> Encoded:
        if not ended:
            raise NotRenderedError("an answer that was cut off, which its chat template hides")
        made = self._tokenizer.apply_chat_template(
            [each.as_dict() for each in messages],
            chat_template=self._marked,
            return_assistant_tokens_mask=True,
            return_dict=True,
        )
        learned = [bool(each) for each in made["assistant_masks"]]
        if not any(learned):
            raise NotRenderedError("its chat template marks no answer")
        return Encoded(list(made["input_ids"]), learned)

    @cached_property
    def _marked(self) -> str | None:
        """A template with markers of generation; None for the tokenizer's own."""
        from trl.chat_template_utils import get_training_chat_template

        try:
            found: str | None = get_training_chat_template(self._tokenizer)
        except ValueError:
            raise NotRenderedError(
                "its chat template renders earlier turns anew, and has no generation markers"
            ) from None
        return found

    @cached_property
    def _knows_markers(self) -> bool:
        try:
            _ = self._marked
        except NotRenderedError:
            return False
        return True

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _render(self, messages: Sequence[Message], *, prompt: bool = False) -> str:
        from jinja2 import TemplateError

        try:
            text = self._tokenizer.apply_chat_template(
                [each.as_dict() for each in messages], tokenize=False, add_generation_prompt=prompt
            )
        except TemplateError as error:
            raise NotRenderedError(f"its chat template refuses it: {error}") from None
        return str(text)
