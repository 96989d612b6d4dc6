"""Chat templates: Jinja programs that come with a model and write a conversation as one text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import jinja2
import jinja2.meta
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rostra.mesh.errors import RostraError
from rostra.mesh.text.traits import TemplateTraits, find_traits

_RESERVED = frozenset({"messages", "tools", "add_generation_prompt"})
_REASONING_NAMES = ("reasoning_content", "reasoning", "thinking")
# What a template's own expressions raise when the conversation is not what it expects.
_RENDER_ERRORS = (
    jinja2.TemplateError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
# Private-use characters: no template knows them, and a message that holds them is refused.
_CONTINUE_MARK = "\U000f5a17\U000f5a18"


class ChatTemplateError(RostraError):
    """The conversation, or what was asked of it, does not fit the model's chat template."""


class _GenerationBlocks(Extension):
    """`{% generation %}` marks what the assistant wrote, for training; here it is only its body."""

    tags = {"generation"}  # noqa: RUF012 - as jinja declares it

    def parse(self, parser: Parser) -> list[Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own filter escapes for HTML, which is not what a prompt wants."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


class _Namespace(jinja2.utils.Namespace):
    """Templates may not store names with which Python objects describe themselves."""

    def __init__(self, /, *args: Any, **attributes: Any) -> None:
        stored = dict(*args, **attributes)
        for name in stored:
            _refuse_private(name)
        super().__init__(stored)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_private(name)
        super().__setitem__(name, value)


def _refuse_private(name: str) -> None:
    if name.startswith("_"):
        raise SecurityError(f"a namespace cannot hold {name!r}")


def _make_dict(*args: Any, **items: Any) -> dict[Any, Any]:
    return dict(*args, **items)


def _environment() -> ImmutableSandboxedEnvironment:
    """The names and settings that templates on the Hugging Face hub are written for."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationBlocks, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    environment.globals["namespace"] = _Namespace
    # The class itself would lend templates its methods.
    environment.globals["dict"] = _make_dict
    return environment


class ChatTemplate:
    """One compiled template and the special tokens it may name.

    Templates run in Jinja's sandbox: they come from a download and are not trusted.
    """

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        """Raises `jinja2.TemplateSyntaxError`."""
        self.source = source
        self._special_tokens = dict(special_tokens)
        environment = _environment()
        self._template = environment.from_string(source)
        read = jinja2.meta.find_undeclared_variables(environment.parse(source))
        self.variables = frozenset(read - _RESERVED - environment.globals.keys())
        """Names it reads that callers may give a value."""

    @cached_property
    def traits(self) -> TemplateTraits:
        """Costs a few renderings the first time."""
        return find_traits(self._probe)

    def _probe(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
    ) -> str | None:
        try:
            return self._render(messages, tools, True, {})
        except ChatTemplateError:
            return None

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
        variables: Mapping[str, Any] | None = None,
    ) -> str:
        """The prompt; arguments and errors are those of `Tokenizer.render_chat`."""
        if not messages:
            raise ChatTemplateError("A conversation needs at least one message.")
        taken = _RESERVED.intersection(variables or ())
        if taken:
            raise ChatTemplateError(f"Template variable {min(taken)!r} is reserved; rename it.")
        as_text = self.traits.arguments_as_text
        prepared = [_prepare(message, as_text) for message in messages]
        if continue_final_message:
            if add_generation_prompt:
                raise ChatTemplateError(
                    "continue_final_message excludes add_generation_prompt; ask for one of them."
                )
            _mark_end(prepared[-1])
        if self.traits.takes_parts:
            prepared = [_in_parts(message) for message in prepared]
        prompt = self._render(prepared, tools or (), add_generation_prompt, variables or {})
        return _cut_at_mark(prompt) if continue_final_message else prompt

    def _render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        add_generation_prompt: bool,
        variables: Mapping[str, Any],
    ) -> str:
        arguments = {**self._special_tokens, **variables}
        try:
            return self._template.render(
                **arguments,
                messages=messages,
                tools=list(tools) if tools else None,
                add_generation_prompt=add_generation_prompt,
            )
        except _RENDER_ERRORS as error:
            raise ChatTemplateError(
                f"The model's chat template refused the conversation: {_one_line(error)}"
            ) from error


def _in_parts(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {**message, "content": parts}


def _prepare(message: Mapping[str, Any], arguments_as_text: bool) -> dict[str, Any]:
    """A copy as templates expect it: calls have objects as arguments, or for some JSON text."""
    prepared = dict(message)
    reasoning = next((prepared[name] for name in _REASONING_NAMES if prepared.get(name)), None)
    if reasoning is not None:
        prepared |= {"reasoning_content": reasoning, "thinking": reasoning}
    if prepared.get("tool_calls"):
        prepared["tool_calls"] = [
            _prepare_call(call, arguments_as_text) for call in prepared["tool_calls"]
        ]
    return prepared


def _prepare_call(call: Mapping[str, Any], arguments_as_text: bool) -> dict[str, Any]:
    function = dict(call["function"])
    if arguments_as_text:
        if not isinstance(function.get("arguments"), str):
            function["arguments"] = _tojson(function.get("arguments"))
    elif isinstance(function.get("arguments"), str):
        try:
            function["arguments"] = json.loads(function["arguments"] or "{}")
        except (ValueError, RecursionError) as error:
            raise ChatTemplateError(
                f"The arguments of a call to {function.get('name')!r} are no JSON: {error}."
            ) from error
    return {**call, "function": function}


def _mark_end(message: dict[str, Any]) -> None:
    content = message.get("content")
    if not isinstance(content, str) or not content:
        raise ChatTemplateError("continue_final_message needs a last message with text in it.")
    if _CONTINUE_MARK in content:
        raise ChatTemplateError("The last message holds private-use characters; remove them.")
    message["content"] = content + _CONTINUE_MARK


def _cut_at_mark(prompt: str) -> str:
    end = prompt.rfind(_CONTINUE_MARK)
    if end < 0:
        raise ChatTemplateError(
            "The model's chat template drops the last message, so it cannot be continued."
        )
    return prompt[:end]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
