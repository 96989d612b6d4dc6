"""POST /v1/responses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict, model_validator

from rostra.gateway.schemas.fields import (
    HINT,
    Hint,
    Int32,
    JsonObject,
    PositiveUInt32,
    Refused,
    SamplingFields,
    Schema,
    broken_rule,
    needs,
    only,
    unsupported,
)
from rostra.gateway.schemas.response_items import Input
from rostra.gateway.schemas.response_settings import (
    AllowedFunctions,
    FunctionTool,
    NamedFunction,
    ReasoningSettings,
    TextSettings,
    Tool,
    ToolChoice,
)

MAX_TOOLS = 1024
LOGPROBS = "message.output_text.logprobs"


def _known_addition(value: Any) -> Any:
    if value == "reasoning.encrypted_content":
        raise unsupported(f"'{value}' is not supported here; reasoning is given as it is")
    return value


Includable = Annotated[
    Literal[
        "message.output_text.logprobs",
        # Fields of items that are never made here.
        "web_search_call.action.sources",
        "web_search_call.results",
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
    ],
    BeforeValidator(_known_addition),
]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]


class ResponseStreamOptions(Schema):
    include_obfuscation: Annotated[bool | None, AfterValidator(only(False))] = None


class PromptCacheOptions(Schema):
    mode: Hint = None
    ttl: Hint = None
    comparison_response_id: Refused = None
    prewarm: Annotated[bool | None, AfterValidator(only(False))] = None


class ResponseRequest(SamplingFields):
    """Sampling beyond `temperature` and `top_p` goes beyond the OpenAI API."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [needs("stream_options", stream=True)],
            "anyOf": [
                {"properties": {field: {"not": {"type": "null"}}}, "required": [field]}
                for field in ("input", "previous_response_id")
            ],
        }
    )

    model: Annotated[str, Field(min_length=1, max_length=256)]
    input: Input | None = None
    instructions: str | None = None
    previous_response_id: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    store: bool | None = None
    metadata: Metadata | None = None

    tools: Annotated[list[Tool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextSettings | None = None
    reasoning: ReasoningSettings | None = None

    max_output_tokens: PositiveUInt32 | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    include: list[Includable] | None = None
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    n: Annotated[int | None, AfterValidator(only(1))] = None

    # Beyond the OpenAI API.
    chat_template_kwargs: JsonObject | None = None
    cache_salt: str | None = None
    priority: Int32 | None = None

    background: Annotated[bool | None, AfterValidator(only(False))] = None
    truncation: Annotated[str | None, AfterValidator(only("disabled"))] = None
    service_tier: Annotated[str | None, AfterValidator(only("auto", "default"))] = None
    max_tool_calls: Annotated[Annotated[int, Field(ge=1)] | None, HINT] = None
    """Counts calls of tools that the server runs itself; there are none."""
    user: Annotated[str | None, HINT] = None
    safety_identifier: Annotated[str | None, HINT] = None
    prompt_cache_key: Annotated[str | None, HINT] = None
    prompt_cache_retention: Hint = None
    prompt_cache_options: PromptCacheOptions | None = None

    access_programs: Refused = None
    background_options: Refused = None
    context_management: Refused = None
    conversation: Refused = None
    image: Refused = None
    moderation: Refused = None
    prompt: Refused = None

    @property
    def wants_logprobs(self) -> bool:
        return LOGPROBS in (self.include or ())

    @property
    def offered_tools(self) -> list[FunctionTool]:
        """Those that the model may call."""
        tools = self.tools or []
        if isinstance(self.tool_choice, AllowedFunctions):
            allowed = {one.name for one in self.tool_choice.tools}
            return [tool for tool in tools if tool.name in allowed]
        return tools

    @model_validator(mode="after")
    def _fields_agree(self) -> ResponseRequest:
        if self.input is None and self.previous_response_id is None:
            raise broken_rule("input", "input is required where nothing is continued")
        if self.stream_options is not None and not self.stream:
            raise broken_rule("stream_options", "stream_options needs stream to be true")
        if self.top_logprobs and not self.wants_logprobs:
            raise broken_rule("top_logprobs", f"top_logprobs needs include to hold '{LOGPROBS}'")
        names = [tool.name for tool in self.tools or ()]
        if len(set(names)) != len(names):
            raise broken_rule("tools", "two tools have the same name")
        self._check_choice(self.tool_choice, set(names))
        return self

    def _check_choice(self, choice: Any, names: set[str]) -> None:
        wanted: set[str] = set()
        if isinstance(choice, NamedFunction):
            wanted = {choice.name}
        elif isinstance(choice, AllowedFunctions):
            wanted = {one.name for one in choice.tools}
        elif choice == "required" and not names:
            raise broken_rule("tool_choice", "tool_choice 'required' needs tools")
        if unknown := sorted(wanted - names):
            raise broken_rule("tool_choice", f"tool_choice: there is no tool '{unknown[0]}'")


class StoredResponseQuery(Schema):
    """Of GET /v1/responses/{response_id}."""

    include: list[Includable] | None = None
    """What was asked for when the response was made is in it, and nothing else."""
    stream: Annotated[bool | None, Strict(False), AfterValidator(only(False))] = None
    starting_after: Refused = None
    include_obfuscation: Annotated[bool | None, Strict(False), AfterValidator(only(False))] = None


class InputItemsQuery(Schema):
    """Of GET /v1/responses/{response_id}/input_items."""

    after: Annotated[
        str | None, Field(description="The id of the last item of the page before.")
    ] = None
    limit: Annotated[int, Strict(False), Field(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    include: list[Includable] | None = None
