"""Tools, formats and reasoning, as /v1/responses writes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from rostra.gateway.schemas.fields import Hint, JsonObject, Name, Refused, Schema, only, unsupported


def _can_be_told_again(value: dict[str, Any]) -> dict[str, Any]:
    try:
        orjson.dumps([[[[value]]]])
    except orjson.JSONEncodeError:
        raise PydanticCustomError("too_deep", "Input is nested too deeply") from None
    return value


SchemaDocument = Annotated[JsonObject, AfterValidator(_can_be_told_again)]
"""A JSON Schema, which the events of the stream hold four levels down."""


class FunctionTool(Schema):
    model_config = ConfigDict(populate_by_name=True)

    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: SchemaDocument | None = None
    strict: bool | None = None
    """Default true, unlike that of /v1/chat/completions."""
    allowed_callers: Annotated[Any, AfterValidator(only(["direct"], []))] = None
    defer_loading: Annotated[bool | None, AfterValidator(only(False))] = None
    output_schema: Refused = None
    async_: Annotated[bool | None, AfterValidator(only(False)), Field(alias="async")] = None

    @property
    def is_strict(self) -> bool:
        return self.strict is not False

    def echo(self) -> dict[str, Any]:
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
            "strict": self.is_strict,
        }


def _function_only(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind != "function":
        raise unsupported(f"tools of type '{kind}' are not supported here; only functions are")
    return value


Tool = Annotated[FunctionTool, BeforeValidator(_function_only)]


class FunctionReference(Schema):
    type: Literal["function"]
    name: Name


class NamedFunction(FunctionReference):
    """The model must call this one."""


class AllowedFunctions(Schema):
    """The model may call these only, and with `required` it must call one."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[
        list[Annotated[FunctionReference, BeforeValidator(_function_only)]], Field(min_length=1)
    ]


ToolMode = Literal["none", "auto", "required"]


def _tag_of_type(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return f"<{kind}>" if isinstance(kind, str) else None


def _choice_kind(value: Any) -> str | None:
    return "<mode>" if isinstance(value, str) else _tag_of_type(value)


def _known_choice(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind not in ("function", "allowed_tools"):
        raise unsupported(f"a tool_choice of type '{kind}' is not supported here")
    return value


ToolChoice = Annotated[
    Annotated[ToolMode, Tag("<mode>")]
    | Annotated[NamedFunction, Tag("<function>")]
    | Annotated[AllowedFunctions, Tag("<allowed_tools>")],
    Discriminator(
        _choice_kind,
        custom_error_type="tool_choice_type",
        custom_error_message="Input should be 'none', 'auto', 'required' or an object with a type",
    ),
    BeforeValidator(_known_choice),
]


class TextFormat(Schema):
    type: Literal["text"]


class JsonObjectFormat(Schema):
    type: Literal["json_object"]


class JsonSchemaFormat(Schema):
    type: Literal["json_schema"]
    name: Name
    schema_: Annotated[SchemaDocument, Field(alias="schema")]
    description: Hint = None
    strict: bool | None = None
    """The output follows the schema whatever this says."""


Format = Annotated[
    Annotated[TextFormat, Tag("<text>")]
    | Annotated[JsonObjectFormat, Tag("<json_object>")]
    | Annotated[JsonSchemaFormat, Tag("<json_schema>")],
    Discriminator(
        _tag_of_type,
        custom_error_type="format_type",
        custom_error_message="Input should be an object with the type 'text', 'json_object' or "
        "'json_schema'",
    ),
]


class TextSettings(Schema):
    format: Format | None = None
    verbosity: Refused = None

    def echo(self) -> dict[str, Any]:
        if self.format is None:
            return {"format": {"type": "text"}, "verbosity": None}
        form = self.format.model_dump(by_alias=True)
        if isinstance(self.format, JsonSchemaFormat):
            form["strict"] = True
        return {"format": form, "verbosity": None}


class ReasoningSettings(Schema):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Annotated[str | None, AfterValidator(only("auto"))] = None
    """`auto` takes what there is: the reasoning itself and no summary of it."""
    generate_summary: Annotated[str | None, AfterValidator(only("auto"))] = None
    context: Annotated[str | None, AfterValidator(only("auto"))] = None
    mode: Annotated[str | None, AfterValidator(only("standard"))] = None

    def echo(self) -> dict[str, Any]:
        return {"effort": self.effort, "summary": self.summary}
