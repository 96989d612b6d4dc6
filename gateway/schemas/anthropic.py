"""POST /v1/messages and /v1/messages/count_tokens: the Messages API of Anthropic."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from rostra.gateway.schemas.anthropic_blocks import (
    AssistantTurn,
    SystemText,
    ToolUseBlock,
    Turn,
)
from rostra.gateway.schemas.fields import (
    HINT,
    Hint,
    JsonObject,
    PositiveUInt32,
    Refused,
    Schema,
    StopString,
    UInt32,
    broken_rule,
    only,
    unsupported,
)

ToolName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]


class MessagesTool(Schema):
    """A function of the client's own. Those of the service, such as its web search, are refused by
    their type."""

    type: Literal["custom"] | None = None
    name: ToolName
    description: str | None = None
    input_schema: JsonObject
    strict: bool | None = None
    cache_control: Hint = None
    eager_input_streaming: Hint = None
    input_examples: Refused = None
    defer_loading: Annotated[bool | None, AfterValidator(only(False))] = None
    allowed_callers: Annotated[Any, AfterValidator(only(["direct"], []))] = None

    @model_validator(mode="before")
    @classmethod
    def _name_other_kinds(cls, value: Any) -> Any:
        kind = value.get("type") if isinstance(value, dict) else None
        if isinstance(kind, str) and kind != "custom":
            raise unsupported(
                f"tools of type '{kind[:64]}' are not supported here; describe a tool of your own "
                "by its name and input_schema"
            )
        return value


class MessagesToolChoice(Schema):
    type: Literal["auto", "any", "tool", "none"]
    name: ToolName | None = None
    disable_parallel_tool_use: bool | None = None

    @model_validator(mode="after")
    def _name_fits(self) -> MessagesToolChoice:
        if (self.type == "tool") != (self.name is not None):
            raise broken_rule("name", "a tool_choice of type 'tool' has a name, and only that")
        return self


class Thinking(Schema):
    type: Literal["enabled", "disabled", "adaptive"]
    display: Literal["summarized", "omitted"] | None = None
    budget_tokens: Refused = None

    @model_validator(mode="before")
    @classmethod
    def _name_other_kinds(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("type") == "between_tools":
            raise unsupported("thinking of type 'between_tools' is not supported here")
        return value


class OutputFormat(Schema):
    type: Literal["json_schema"]
    document: Annotated[JsonObject, Field(alias="schema")]


class OutputConfig(Schema):
    format: OutputFormat | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None


class Metadata(Schema):
    user_id: str | None = None


class PromptFields(Schema):
    """What both operations have."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    messages: Annotated[list[Turn], Field(min_length=1, max_length=100_000)]
    system: SystemText | None = None
    tools: list[MessagesTool] | None = None
    tool_choice: MessagesToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    """The older name of `output_config.format`."""
    cache_control: Hint = None
    speed: Annotated[str | None, AfterValidator(only("standard"))] = None

    context_management: Refused = None
    mcp_servers: Refused = None

    @model_validator(mode="after")
    def _fields_agree(self) -> PromptFields:
        if self.output_format and self.output_config and self.output_config.format:
            raise broken_rule(
                "output_format", "output_format and output_config.format exclude each other"
            )
        choice = self.tool_choice
        names: set[str] = set()
        for position, tool in enumerate(self.tools or ()):
            if tool.name in names:
                raise broken_rule(f"tools[{position}]", f"two tools are called '{tool.name}'")
            names.add(tool.name)
        if choice and choice.type in ("any", "tool") and not names:
            raise broken_rule("tool_choice", f"tool_choice '{choice.type}' needs tools")
        if choice and choice.name is not None and choice.name not in names:
            raise broken_rule(
                "tool_choice", f"tool_choice names '{choice.name}', which is not among the tools"
            )
        if self.prefill and any(isinstance(block, ToolUseBlock) for block in self.prefill.blocks):
            raise broken_rule(
                "messages", "messages: the last one calls tools, whose results must follow it"
            )
        return self

    @property
    def prefill(self) -> AssistantTurn | None:
        """A last turn that is the assistant's: the answer goes on with it."""
        last = self.messages[-1]
        return last if isinstance(last, AssistantTurn) else None

    @property
    def may_call(self) -> bool:
        """Whether an answer may hold calls."""
        return bool(self.tools) and not (self.tool_choice and self.tool_choice.type == "none")

    @property
    def answer_format(self) -> OutputFormat | None:
        return self.output_format or (self.output_config.format if self.output_config else None)


class CountTokensRequest(PromptFields):
    """A prompt to count, as /v1/messages takes it."""

    queued: ClassVar[bool] = False


class MessagesRequest(PromptFields):
    max_tokens: PositiveUInt32
    stop_sequences: Annotated[list[StopString], Field(max_length=16)] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: UInt32 | None = None
    """0 keeps all tokens."""
    metadata: Annotated[Metadata | None, HINT] = None
    service_tier: Annotated[str | None, AfterValidator(only("auto", "standard_only"))] = None

    billing_policy: Refused = None
    compaction: Refused = None
    container: Refused = None
    diagnostics: Refused = None
    fallback_credit_token: Refused = None
    fallbacks: Refused = None
    inference_geo: Refused = None
    thread: Refused = None
