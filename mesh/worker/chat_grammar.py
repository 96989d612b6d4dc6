"""Grammars of whole answers: reasoning, then calls, an answer that follows a grammar, or text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from rostra.mesh.grammar import GrammarError, json_schema
from rostra.mesh.parsers import ParametersError, ReasoningFormat, ToolFormat
from rostra.mesh.parsers.formats import arguments_schema, quote
from rostra.mesh.text import Tokenizer
from rostra.mesh.worker.checks import Checks
from rostra.mesh.worker.structured import Grammar, check_sampling
from rostra.mesh.worker.tools import ToolUse
from rostra.v1 import chat_pb2

ANY_OBJECT = {"type": "object"}
TEXT = "/(?s:.*)/"


@dataclass(frozen=True)
class AnswerForm:
    """What a model may write in one turn."""

    tools: ToolUse
    tool_format: ToolFormat | None
    reasoning_format: ReasoningFormat | None
    reasoning_opened: bool
    answer: Grammar | None
    """Of what is no call; None: any text."""

    @property
    def followed(self) -> list[str]:
        """The tools whose schemas are followed: all, where one must be called or the answer follows
        a grammar too."""
        schemas = self.tools.schemas
        if self.tools.forced or self.answer:
            return list(schemas)
        return [name for name in schemas if name in self.tools.strict]

    @property
    def bound(self) -> bool:
        """Whether the model is not free to write what it likes."""
        return self.answer is not None or bool(self.followed)

    def grammar(
        self, request: chat_pb2.ChatRequest, tokenizer: Tokenizer, checks: Checks
    ) -> Grammar:
        """For a form that is bound; whether it compiles is not known yet.

        Raises RpcError where the model's format cannot follow a tool's schema, or what is asked of
        sampling contradicts a grammar.
        """
        followed = self.followed
        if self.answer is not None and not followed and self.reasoning_format is None:
            return self.answer
        if self.answer is None:
            field = "tool_choice" if self.tools.forced else "tools"
            check_sampling(request.sampling, field, checks)
        fields = self._check_schemas(followed, checks)
        checks.finish()
        text = self._compose(set(followed), lambda marker: term(tokenizer, marker))
        if self.answer is not None and not self.tools.forced:
            return Grammar(text, self.answer.field)
        return Grammar(text, fields[0] if len(fields) == 1 else "tools")

    def _check_schemas(self, followed: list[str], checks: Checks) -> list[str]:
        """The fields they come from."""
        fields = []
        for name in followed:
            schema = self.tools.schemas[name]
            fields.append(f"tools[{self.tools.positions[name]}].parameters_schema")
            try:
                json_schema(json.dumps(arguments_schema(schema)))
                if self.tool_format is not None:
                    self.tool_format.grammar({name: schema}, quote, several=False)
            except (GrammarError, ParametersError) as error:
                checks.unsupported(fields[-1], f"the schema cannot be followed: {error}")
            except RecursionError:
                checks.unsupported(fields[-1], "the schema is nested too deeply to be followed")
        return fields

    def _compose(self, followed: set[str], marker: Callable[[str], str]) -> str:
        rules = [*self._start(marker), *self._body(followed, marker)]
        grammars = [{"lark_grammar": "\n".join(rules) + "\n"}]
        if self.answer is not None and not self.tools.forced:
            answer = json.loads(self.answer.text)["grammars"][0]
            grammars.append({**answer, "name": "answer"})
        return json.dumps({"grammars": grammars})

    def _start(self, marker: Callable[[str], str]) -> list[str]:
        reasoning = self.reasoning_format
        if reasoning is None:
            return ["start: body"]
        begin, end = marker(reasoning.begin), marker(reasoning.end)
        if not self.reasoning_opened and self._is_free_with_trigger and is_text(begin):
            # Free text may be reasoning as well.
            return ["start: body"]
        rules = [
            f"reasoning[suffix={end}]: {TEXT}" if is_text(end) else f"reasoning: {TEXT} {end}",
            r"gap: /\n{0,2}/",
        ]
        if self.reasoning_opened:
            return ["start: reasoning gap body", *rules]
        return [f"start: ({begin} reasoning gap)? body", *rules]

    @property
    def _is_free(self) -> bool:
        return not (self.answer or self.tools.forced)

    @property
    def _is_free_with_trigger(self) -> bool:
        return self._is_free and self.tool_format is not None and self.tool_format.trigger != ""

    def _body(self, followed: set[str], marker: Callable[[str], str]) -> list[str]:
        tool_format, tools = self.tool_format, self.tools
        if tool_format is None or not tools.schemas:
            return ["body: @answer"]
        schemas = {
            name: schema if name in followed else ANY_OBJECT
            for name, schema in tools.schemas.items()
        }
        trigger = tool_format.trigger
        calls = tool_format.grammar(
            schemas,
            lambda text: "trigger" if text == trigger else marker(text),
            several=not tools.single,
        )
        rules = [calls.rstrip("\n")]
        if not self._is_free:
            rules.append("body: @answer | calls" if not tools.forced else "body: calls")
            return [*rules, f"trigger: {marker(trigger)}"] if trigger else rules
        if not trigger:
            reasoning, text = self.reasoning_format, tool_format.text
            if reasoning is not None and is_text(marker(reasoning.begin)):
                # What begins like reasoning is reasoning.
                text = text.replace("[^", f"[^{re.escape(reasoning.begin[0])}", 1)
            return [*rules, "body: text? | calls", f"text: /{text}/"]
        found = marker(trigger)
        lazy = "[lazy]" if is_text(found) else ""
        more = "?" if tools.single else "*"
        return [
            *rules,
            f"body: calls{more} tail",
            f"tail: {TEXT}",
            f"trigger{lazy}: {TEXT} {found}",
        ]


def term(tokenizer: Tokenizer, text: str) -> str:
    """A marker in a Lark grammar: as the special token it is, or as a string.

    The library takes an added token for special also where it only looks so, as `<this>`; what is
    special it allows nowhere in text.
    """
    token_id = tokenizer.token_id(text)
    if token_id is None or not tokenizer.is_added(token_id):
        return quote(text)
    looks_special = text.startswith("<") and text.endswith(">")
    special = looks_special or tokenizer.is_special(token_id)
    return f"<[{token_id}]>" if special else quote(text)


def is_text(marker: str) -> bool:
    """Whether a marker is a string in the grammar."""
    return marker.startswith('"')
