"""Grammars that the output must follow: OpenAI's field, and those that vLLM has for the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from rostra.gateway.schemas.fields import (
    Hint,
    JsonObject,
    Name,
    Refused,
    Schema,
    broken_rule,
)


@dataclass(frozen=True)
class Grammar:
    """What the output must follow, and the field that says so."""

    field: str
    kind: Literal["json_schema", "json_object", "regex", "choice", "grammar"]
    value: Any = None


class NamedSchema(Schema):
    name: Name
    document: Annotated[JsonObject, Field(alias="schema")]
    strict: Annotated[
        bool | None, Field(description="The schema is followed exactly, whatever this says.")
    ] = None
    description: Hint = None


class ResponseFormat(Schema):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> ResponseFormat:
        if self.type == "json_schema" and self.json_schema is None:
            raise broken_rule("json_schema", "the type 'json_schema' needs a json_schema")
        if self.type != "json_schema" and self.json_schema is not None:
            raise broken_rule("json_schema", "only the type 'json_schema' has a json_schema")
        return self


def _read_text(value: Any) -> Any:
    """A schema may be written as the text of its JSON."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        message = f"Input is not valid JSON: {error}"
        raise PydanticCustomError("json_invalid", "{message}", {"message": message}) from None


SchemaOrText = Annotated[
    JsonObject, BeforeValidator(_read_text, json_schema_input_type=JsonObject | str)
]
NonEmpty = Annotated[str, Field(min_length=1)]
Alternatives = Annotated[list[str], Field(min_length=1)]


class StructuredOutputs(Schema):
    document: Annotated[SchemaOrText | None, Field(alias="json")] = None
    json_object: bool | None = None
    regex: NonEmpty | None = None
    choice: Alternatives | None = None
    grammar: NonEmpty | None = None
    whitespace_pattern: Refused = None
    structural_tag: Refused = None


class StructuredFields(Schema):
    response_format: ResponseFormat | None = None
    """The answer is text, any JSON object, or JSON that follows a schema."""

    # Beyond the OpenAI API, under vLLM's names.
    guided_json: SchemaOrText | None = None
    """The answer follows this JSON Schema."""
    guided_regex: NonEmpty | None = None
    """The whole answer matches this."""
    guided_choice: Alternatives | None = None
    """The answer is one of these."""
    guided_grammar: NonEmpty | None = None
    """The answer follows this grammar, in Lark's notation or GBNF."""
    structured_outputs: StructuredOutputs | None = None
    """The same four under one name."""

    @model_validator(mode="after")
    def _follows_one_grammar(self) -> StructuredFields:
        match self._grammars():
            case [first, second, *_]:
                raise broken_rule(
                    second.field, f"{first.field} and {second.field} exclude each other"
                )
        return self

    @property
    def output_grammar(self) -> Grammar | None:
        """None where any text will do."""
        grammars = self._grammars()
        return grammars[0] if grammars else None

    def _grammars(self) -> list[Grammar]:
        form, vllm = self.response_format, self.structured_outputs or StructuredOutputs()
        found = [
            Grammar("guided_json", "json_schema", self.guided_json),
            Grammar("guided_regex", "regex", self.guided_regex),
            Grammar("guided_choice", "choice", self.guided_choice),
            Grammar("guided_grammar", "grammar", self.guided_grammar),
            Grammar("structured_outputs.json", "json_schema", vllm.document),
            Grammar("structured_outputs.json_object", "json_object", vllm.json_object or None),
            Grammar("structured_outputs.regex", "regex", vllm.regex),
            Grammar("structured_outputs.choice", "choice", vllm.choice),
            Grammar("structured_outputs.grammar", "grammar", vllm.grammar),
        ]
        if form and form.json_schema:
            document = form.json_schema.document
            found.insert(0, Grammar("response_format.json_schema.schema", "json_schema", document))
        elif form and form.type == "json_object":
            found.insert(0, Grammar("response_format", "json_object", True))
        return [one for one in found if one.value is not None]
