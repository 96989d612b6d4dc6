"""Grammars of whole answers: reasoning, then calls, an answer that follows a grammar, or text."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from rostra.mesh.grammar import GrammarError, check, json_schema
from rostra.mesh.parsers import ParametersError, ReasoningFormat, ToolFormat
from rostra.mesh.parsers.formats import arguments_schema, quote
from rostra.mesh.text import Tokenizer
from rostra.mesh.worker.checks import Checks
from rostra.mesh.worker.tools import ToolUse

ANY_OBJECT = {"type": "object"}
TEXT = "/(?s:.*)/"


@dataclass(frozen=True)
class AnswerForm:
    """What a model may write in one turn."""

    tools: ToolUse
    tool_format: ToolFormat | None
    reasoning_format: ReasoningFormat | None
    reasoning_opened: bool
    answer: str
    """Text of the grammar of what is no call; empty for any text."""

    @property
    def followed(self) -> list[str]:
        """The tools whose schemas are followed: all, where one must be called or the answer follows
        a grammar too."""
        schemas = self.tools.schemas
        if self.tools.forced or self.answer:
            return list(schemas)
        return [name for name in schemas if name in self.tools.strict]

    def grammar(self, tokenizer: Tokenizer, checks: Checks, prefix: str = "") -> str:
        """Text of an llguidance grammar; empty where the model is free.

        Reports schemas that cannot be followed. May take seconds.
        """
        followed = self.followed
        if not (self.answer or followed):
            return ""
        if self.answer and not followed and self.reasoning_format is None:
            return self.answer
        for name in followed:
            schema = json.dumps(arguments_schema(self.tools.schemas[name]))
            where = f"{prefix}tools[{self.tools.positions[name]}].parameters_schema"
            try:
                check(json_schema(schema))
                if self.tool_format is not None:
                    self.tool_format.grammar({name: self.tools.schemas[name]}, quote, several=False)
            except (GrammarError, ParametersError) as error:
                checks.unsupported(where, f"the schema cannot be followed: {error}")
        checks.finish()
        grammar = self._compose(set(followed), lambda text: term(tokenizer, text))
        try:
            check(grammar)
        except GrammarError as error:
            checks.unsupported(f"{prefix}tools", f"they cannot be followed together: {error}")
            checks.finish()
        return grammar

    def _compose(self, followed: set[str], marker: Callable[[str], str]) -> str:
        rules = [*self._start(marker), *self._body(followed, marker)]
        grammars = [{"lark_grammar": "\n".join(rules) + "\n"}]
        if self.answer:
            grammars.append({**json.loads(self.answer)["grammars"][0], "name": "answer"})
        return json.dumps({"grammars": grammars})

    def _start(self, marker: Callable[[str], str]) -> list[str]:
        reasoning = self.reasoning_format
        if reasoning is None or (not self.reasoning_opened and self._is_free_with_trigger):
            # Free text may be reasoning as well.
            return ["start: body"]
        end = marker(reasoning.end)
        rules = [
            f"reasoning[suffix={end}]: {TEXT}"
            if end.startswith('"')
            else f"reasoning: {TEXT} {end}",
            r"gap: /\n{0,2}/",
        ]
        if self.reasoning_opened:
            return ["start: reasoning gap body", *rules]
        return [f"start: ({marker(reasoning.begin)} reasoning gap)? body", *rules]

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
            first = "<" if self.reasoning_format is not None else ""
            text = tool_format.text.replace("[^", f"[^{first}", 1)
            return [*rules, "body: text? | calls", f"text: /{text}/"]
        found = marker(trigger)
        lazy = "[lazy]" if found.startswith('"') else ""
        more = "?" if tools.single else "*"
        return [
            *rules,
            f"body: calls{more} tail",
            f"tail: {TEXT}",
            f"trigger{lazy}: {TEXT} {found}",
        ]


def term(tokenizer: Tokenizer, text: str) -> str:
    """A marker in a Lark grammar: as the special token it is, or as a string."""
    token_id = tokenizer.token_id(text)
    if token_id is not None and tokenizer.is_special(token_id):
        return f"<[{token_id}]>"
    return quote(text)
