"""Tools that the model may call, and what it must call of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from rostra.gateway.schemas.fields import JsonObject, Name, Schema, broken_rule, unsupported

Choice = tuple[Literal["none", "auto", "required", "named"], str | None]
"""What must be called, with the name of the function where it is one."""


class FunctionDefinition(Schema):
    name: Name
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class ToolDefinition(Schema):
    type: Literal["function"]
    function: FunctionDefinition

    @model_validator(mode="before")
    @classmethod
    def _name_other_kinds(cls, value: Any) -> Any:
        return refuse_custom(value, "tools")


class FunctionName(Schema):
    name: Annotated[str, Field(min_length=1)]


class ToolName(Schema):
    type: Literal["function"]
    function: FunctionName


class AllowedTools(Schema):
    mode: Literal["auto", "required"]
    tools: Annotated[list[ToolName], Field(min_length=1)]


class ChosenTools(Schema):
    type: Literal["function", "allowed_tools"]
    function: FunctionName | None = None
    allowed_tools: AllowedTools | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_other_kinds(cls, value: Any) -> Any:
        return refuse_custom(value, "choices")

    @model_validator(mode="after")
    def _fits_its_type(self) -> ChosenTools:
        for field in ("function", "allowed_tools"):
            if (self.type == field) != (getattr(self, field) is not None):
                raise broken_rule(field, f"{field} goes with the type '{field}', and only with it")
        return self


def refuse_custom(value: Any, what: str) -> Any:
    if isinstance(value, dict) and value.get("type") == "custom":
        raise unsupported(f"{what} of type 'custom' are not supported here; use 'function'")
    return value


def _choice_kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "<mode>"
    return "<tools>" if isinstance(value, dict | Schema) else None


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("<mode>")]
    | Annotated[ChosenTools, Tag("<tools>")],
    Discriminator(
        _choice_kind,
        custom_error_type="tool_choice_type",
        custom_error_message="Input should be a string or an object",
    ),
]


FunctionCallChoice = Annotated[
    Annotated[Literal["none", "auto"], Tag("<mode>")] | Annotated[FunctionName, Tag("<tools>")],
    Discriminator(
        _choice_kind,
        custom_error_type="tool_choice_type",
        custom_error_message="Input should be a string or an object",
    ),
]


class ToolFields(Schema):
    tools: list[ToolDefinition] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: Annotated[
        bool | None, Field(description="Without tools it says nothing.")
    ] = None
    # What tools were called before they were called tools: one call at most.
    functions: list[FunctionDefinition] | None = None
    function_call: FunctionCallChoice | None = None

    @model_validator(mode="after")
    def _choice_fits_tools(self) -> ToolFields:
        for old, new in (("functions", "tools"), ("function_call", "tool_choice")):
            if getattr(self, old) and (self.tools or self.tool_choice is not None):
                raise broken_rule(old, f"{old} is the old form of {new}; write one of the two")
        field = "function_call" if self.function_call is not None else "tool_choice"
        names: set[str] = set()
        for path, function in self._defined().items():
            if function.name in names:
                raise broken_rule(path, f"two tools are called '{function.name}'")
            names.add(function.name)
        if not names and getattr(self, field) not in (None, "none", "auto"):
            needed = "functions" if field == "function_call" else "tools"
            raise broken_rule(field, f"{field} needs {needed}")
        for name in sorted(self._chosen_names() - names):
            raise broken_rule(field, f"{field} names '{name}', which is not offered")
        return self

    def _defined(self) -> dict[str, FunctionDefinition]:
        if self.functions:
            return {f"functions[{number}]": one for number, one in enumerate(self.functions)}
        return {
            f"tools[{number}].function": tool.function
            for number, tool in enumerate(self.tools or ())
        }

    def _chosen_names(self) -> set[str]:
        match self.tool_choice or self.function_call:
            case FunctionName(name=name) | ChosenTools(function=FunctionName(name=name)):
                return {name}
            case ChosenTools(allowed_tools=AllowedTools(tools=tools)):
                return {tool.function.name for tool in tools}
        return set()

    @property
    def offered(self) -> dict[str, FunctionDefinition]:
        """What the model is shown, by the field that it stands in."""
        defined = self._defined()
        if isinstance(self.tool_choice, ChosenTools) and self.tool_choice.allowed_tools:
            allowed = self._chosen_names()
            return {path: one for path, one in defined.items() if one.name in allowed}
        return defined

    @property
    def choice(self) -> Choice | None:
        """None where it is left to the worker."""
        match self.tool_choice or self.function_call:
            case FunctionName(name=name) | ChosenTools(function=FunctionName(name=name)):
                return "named", name
            case ChosenTools(allowed_tools=AllowedTools(mode=mode)):
                return mode, None
            case "none" | "auto" | "required" as mode if self._defined():
                return mode, None
        return None

    @property
    def may_call(self) -> bool:
        """Whether an answer may hold calls."""
        none = "none" in (self.tool_choice, self.function_call)
        return bool(self.tools or self.functions) and not none
