"""Fields of sampling and grammars, which several endpoints have."""

from __future__ import annotations

from typing import Any

from conformance_row import Row, honoured, refused

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def sampling(*, n: bool) -> list[Row]:
    """Those of OpenAI and those beyond; `n` where several outputs can be asked for."""
    rows = [
        honoured("temperature", 0.5, lambda seen: seen.sent.sampling.temperature == 0.5),
        honoured("top_p", 0.5, lambda seen: seen.sent.sampling.top_p == 0.5),
        honoured("presence_penalty", 0.5, lambda seen: seen.sent.sampling.presence_penalty == 0.5),
        honoured(
            "frequency_penalty", 0.5, lambda seen: seen.sent.sampling.frequency_penalty == 0.5
        ),
        honoured(
            "logit_bias", {"7": -1.5}, lambda seen: dict(seen.sent.sampling.logit_bias) == {7: -1.5}
        ),
        honoured("seed", 7, lambda seen: seen.sent.sampling.seed == 7),
        honoured("stop", ["x", "y"], lambda seen: list(seen.sent.sampling.stop) == ["x", "y"]),
        *beyond_openai(),
    ]
    if n:
        rows.append(honoured("n", 2, lambda seen: len(seen.answer["choices"]) == 2))
    else:
        rows.append(refused("n", 2, takes=(1,)))
    return rows


def beyond_openai() -> list[Row]:
    return [
        honoured("top_k", 5, lambda seen: seen.sent.sampling.top_k == 5),
        honoured("min_p", 0.25, lambda seen: seen.sent.sampling.min_p == 0.25),
        honoured(
            "repetition_penalty", 1.5, lambda seen: seen.sent.sampling.repetition_penalty == 1.5
        ),
        honoured(
            "stop_token_ids", [3, 4], lambda seen: list(seen.sent.sampling.stop_token_ids) == [3, 4]
        ),
        honoured("ignore_eos", True, lambda seen: seen.sent.sampling.ignore_eos),
        honoured("min_tokens", 2, lambda seen: seen.sent.sampling.min_tokens == 2),
    ]


def scheduling() -> list[Row]:
    return [
        honoured("cache_salt", "s", lambda seen: seen.sent.cache_salt == "s"),
        honoured("priority", -1, lambda seen: seen.sent.priority == -1),
    ]


def _grammar(form: str) -> Any:
    return lambda seen: seen.sent.structured_output.WhichOneof("form") == form


def grammars() -> list[Row]:
    named = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    inside = [
        honoured(f"structured_outputs.{name}", value, _grammar(form))
        for name, value, form in (
            ("json", SCHEMA, "json_schema"),
            ("json_object", True, "json_object"),
            ("regex", "[ab]+", "regex"),
            ("choice", ["a", "b"], "choices"),
            ("grammar", 'start: "a"', "lark"),
        )
    ]
    return [
        honoured("response_format", named, _grammar("json_schema"), "`text` too"),
        honoured("response_format.type", "json_object", _grammar("json_object")),
        honoured("guided_json", SCHEMA, _grammar("json_schema")),
        honoured("guided_regex", "[ab]+", _grammar("regex")),
        honoured("guided_choice", ["a", "b"], _grammar("choices")),
        honoured("guided_grammar", 'start: "a"', _grammar("lark"), "Lark or GBNF"),
        honoured("structured_outputs", {"regex": "[ab]+"}, _grammar("regex")),
        *inside,
        refused("structured_outputs.whitespace_pattern", "x"),
        refused("structured_outputs.structural_tag", "x"),
    ]


def streams(marks_usage: bool = True) -> list[Row]:
    """Of the two endpoints that stream chunks."""
    rows = [
        honoured("stream", True, lambda seen: isinstance(seen.answer, list)),
        refused("stream_options.include_obfuscation", True, takes=(False,), stream=True),
    ]
    if marks_usage:
        rows += [
            honoured(
                "stream_options",
                {"include_usage": True},
                lambda seen: seen.answer[-1].get("usage"),
                stream=True,
            ),
            honoured(
                "stream_options.include_usage",
                True,
                lambda seen: seen.answer[-1].get("usage"),
                stream=True,
            ),
        ]
    return rows
