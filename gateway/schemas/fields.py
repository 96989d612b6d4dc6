"""Kinds of fields that the request models are made of.

Every optional field takes null for unset, and unset means the worker's default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    Strict,
    Tag,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

SUPPORT = "x-rostra-support"
"""Keyword of the API's document: a field is `refused`, or a `hint` that changes no answer."""


def _stop_at_first_mistake(schema: Any) -> Any:
    """In lists, which may have millions."""
    if isinstance(schema, dict):
        changed = {key: _stop_at_first_mistake(value) for key, value in schema.items()}
        return changed | {"fail_fast": True} if schema.get("type") == "list" else changed
    return [*map(_stop_at_first_mistake, schema)] if isinstance(schema, list) else schema


class Schema(BaseModel):
    """JSON's types are taken as they are: "1" is no number and 1 no boolean."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
    queued: ClassVar[bool] = True
    """Whether what is asked runs in an engine, and so waits for its turn."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return _stop_at_first_mistake(handler(source))


def broken_rule(field: str, message: str) -> PydanticCustomError:
    """An error of a whole model that belongs to one of its fields."""
    return PydanticCustomError("broken_rule", "{message}", {"message": message, "field": field})


def unsupported(message: str) -> PydanticCustomError:
    return PydanticCustomError("unsupported_parameter", "{message}", {"message": message})


def _refuse(value: Any, info: ValidationInfo) -> None:
    if value not in (None, []):
        raise unsupported(f"{info.field_name} is not supported here; leave it out")


@dataclass(frozen=True, eq=False)
class Only:
    """Refuses every value but these, which ask for what happens anyway."""

    allowed: tuple[Any, ...]

    def __call__(self, value: Any, info: ValidationInfo) -> Any:
        # Also for those that Python takes for equal: 0 is not false.
        if value is not None and not any(
            type(value) is type(choice) and value == choice for choice in self.allowed
        ):
            choices = " or ".join(repr(choice) for choice in self.allowed)
            raise unsupported(f"{info.field_name} can only be {choices} here, or left out")
        return value

    def json_schema(self) -> dict[str, Any]:
        return {
            "enum": [None, *self.allowed],
            "description": "Asks for what happens anyway; other values are refused.",
        }


def only(*allowed: Any) -> Only:
    return Only(allowed)


Refused = Annotated[
    Any,
    AfterValidator(_refuse),
    WithJsonSchema(
        {
            "enum": [None, []],
            "description": "Not supported: refused, since it would change the answer.",
            SUPPORT: "refused",
        }
    ),
]
"""Would change the answer in a way that is not supported. An empty list asks for nothing."""

HINT = Field(
    description="Accepted: it does not change the answer.", json_schema_extra={SUPPORT: "hint"}
)
"""For hints of a type of their own."""
Hint = Annotated[Any, HINT]

Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
"""Of a function or a format, as the OpenAI API has them."""


def needs(field: str, **others: Any) -> dict[str, Any]:
    """JSON Schema of a rule between fields: where one is not null, others have these values."""
    return {
        "anyOf": [
            {"properties": {field: {"type": "null"}}},
            {
                "properties": {name: {"const": value} for name, value in others.items()},
                "required": list(others),
            },
        ]
    }


UInt32 = Annotated[int, Field(ge=0, le=2**32 - 1)]
Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
PositiveUInt32 = Annotated[int, Field(ge=1, le=2**32 - 1)]
# JSON's keys are strings, hence the one place where a string is read as a number.
TokenIdKey = Annotated[int, Strict(False), Field(ge=0, le=2**32 - 1)]


def _string_or_list(value: Any) -> str | None:
    return "<string>" if isinstance(value, str) else "<list>" if isinstance(value, list) else None


StopString = Annotated[str, Field(min_length=1)]
Stop = Annotated[
    Annotated[StopString, Tag("<string>")]
    | Annotated[list[StopString], Field(max_length=16), Tag("<list>")],
    Discriminator(
        _string_or_list,
        custom_error_type="stop_type",
        custom_error_message="Input should be a string or a list of strings",
    ),
]


def _encodable(value: dict[str, Any]) -> dict[str, Any]:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise PydanticCustomError("too_deep", "Input is nested too deeply") from None
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_encodable)]
"""One that can be written again: fewer levels are written than are read."""


class StreamOptions(Schema):
    include_usage: bool | None = None
    """A last chunk says how many tokens the prompt and the answer had."""
    include_obfuscation: Annotated[bool | None, AfterValidator(only(False))] = None


class SamplingFields(Schema):
    """What both endpoints say about sampling; the ranges are those of rostra.v1."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """0 takes the most likely token each time; higher is more varied. Default 1."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Draws from the most likely tokens that together reach this probability. Default 1."""
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    """Taken from the logit of a token that the answer has already. Default 0."""
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    """The same, for each time the answer has it. Default 0."""
    logit_bias: dict[TokenIdKey, Annotated[float, Field(ge=-100, le=100)]] | None = None
    """Added to the logits, by token id."""
    seed: Annotated[int, Field(ge=-(2**63), le=2**64 - 1)] | None = None
    """The same seed, prompt and settings give the same answer."""
    stop: Stop | None = None
    """The answer ends before the first of these texts."""
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    """How many answers to give. Default 1."""

    # Beyond the OpenAI API, under the names that other servers use.
    top_k: Annotated[int, Field(ge=-1, le=2**32 - 1)] | None = None
    """-1 and 0 keep all tokens."""
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    """Leaves out tokens less likely than this share of the most likely one. Default 0."""
    repetition_penalty: Annotated[float, Field(gt=0, le=2)] | None = None
    """Above 1: tokens that prompt or answer have are less likely. Default 1."""
    stop_token_ids: list[UInt32] | None = None
    """The answer ends before the first of these tokens."""
    ignore_eos: bool | None = None
    """Goes on where the model would end. Default false."""
    min_tokens: UInt32 | None = None
    """The answer does not end before it has this many tokens. Default 0."""

    @property
    def stop_strings(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else list(self.stop or ())

    @property
    def num_outputs(self) -> int:
        return self.n or 1


class RequestFields(SamplingFields):
    """What both endpoints have besides."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    """A name or an alias that GET /v1/models lists."""
    stream: bool | None = None
    """Sends the answer piece by piece, as server-sent events."""
    stream_options: StreamOptions | None = None
    user: Annotated[str | None, HINT] = None
    cache_salt: str | None = None
    """Shares cached prefixes only with requests that have the same salt."""
    priority: Int32 | None = None
    """Lower runs first. Default 0."""

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)
