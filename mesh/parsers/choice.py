"""Which formats a model writes, seen from its template and its vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, get_args

from rostra.mesh.parsers import deepseek, hermes, llama_json, mistral, pythonic, qwen_xml
from rostra.mesh.parsers.formats import ToolFormat
from rostra.mesh.parsers.plain_json import PlainJson
from rostra.mesh.parsers.reasoning import MISTRAL, THINK, ReasoningFormat

ToolParserName = Literal[
    "hermes",
    "qwen3_coder",
    "llama3_json",
    "pythonic",
    "mistral",
    "mistral_args",
    "deepseek_v3",
    "deepseek_v31",
    "json",
]
ReasoningParserName = Literal["think", "mistral"]
ToolParserChoice = Literal["auto", "off", ToolParserName]
ReasoningParserChoice = Literal["auto", "off", ReasoningParserName]

TOOL_FORMATS: Mapping[str, ToolFormat] = {
    tool_format.name: tool_format
    for tool_format in (
        hermes.Hermes(),
        qwen_xml.QwenXml(),
        llama_json.LlamaJson(),
        pythonic.Pythonic(),
        mistral.Mistral(),
        mistral.MistralArgs(),
        deepseek.DeepSeekV3(),
        deepseek.DeepSeek(),
        PlainJson(),
    )
}
REASONING_FORMATS: Mapping[str, ReasoningFormat] = {
    reasoning_format.name: reasoning_format for reasoning_format in (THINK, MISTRAL)
}

InVocabulary = Callable[[str], bool]
"""Whether a text is one token."""


def choose_tool_format(
    choice: ToolParserChoice, template: str, in_vocabulary: InVocabulary
) -> ToolFormat | None:
    """None for "off". "auto" is the format that the template writes, or that the vocabulary has
    tokens for; without either, plain JSON."""
    if choice == "off":
        return None
    name = _find_tool_format(template, in_vocabulary) if choice == "auto" else choice
    return TOOL_FORMATS[name]


def choose_reasoning_format(
    choice: ReasoningParserChoice, template: str, in_vocabulary: InVocabulary
) -> ReasoningFormat | None:
    """None for "off", and for "auto" where neither template nor vocabulary have the markers."""
    if choice == "off":
        return None
    if choice != "auto":
        return REASONING_FORMATS[choice]
    for reasoning_format in REASONING_FORMATS.values():
        if reasoning_format.end in template or in_vocabulary(reasoning_format.end):
            return reasoning_format
    return None


def _find_tool_format(template: str, in_vocabulary: InVocabulary) -> ToolParserName:
    by_template: tuple[tuple[str, ToolParserName], ...] = (
        (deepseek.KIND + deepseek.SEPARATOR, "deepseek_v3"),
        (deepseek.CALL_BEGIN, _deepseek(template)),
        (mistral.ARGUMENTS, "mistral_args"),
        (mistral.BEGIN, "mistral"),
        (qwen_xml.PARAMETER, "qwen3_coder"),
        (hermes.BEGIN, "hermes"),
        (pythonic.PYTHON_START, "pythonic"),
        ("func_name1(", "pythonic"),
        (llama_json.PYTHON_TAG, "llama3_json"),
        ('{"name": function name, "parameters"', "llama3_json"),
    )
    for text, name in by_template:
        if text in template:
            return name
    by_token: tuple[tuple[str, ToolParserName], ...] = (
        (mistral.ARGUMENTS, "mistral_args"),
        (mistral.BEGIN, "mistral"),
        (deepseek.CALL_BEGIN, "deepseek_v31"),
        (hermes.BEGIN, "hermes"),
        (pythonic.PYTHON_START, "pythonic"),
        (llama_json.PYTHON_TAG, "llama3_json"),
    )
    return next((name for text, name in by_token if in_vocabulary(text)), "json")


def _deepseek(template: str) -> ToolParserName:
    """V3 writes arguments in a fence of Markdown."""
    return "deepseek_v3" if deepseek.FENCE in template else "deepseek_v31"


assert set(get_args(ToolParserName)) == TOOL_FORMATS.keys()
