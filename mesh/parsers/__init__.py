"""From the text a model writes to content, reasoning and tool calls."""

from __future__ import annotations

from rostra.mesh.parsers.choice import (
    REASONING_FORMATS,
    TOOL_FORMATS,
    ReasoningParserChoice,
    ToolParserChoice,
    choose_reasoning_format,
    choose_tool_format,
)
from rostra.mesh.parsers.events import Event, Kind
from rostra.mesh.parsers.formats import ParametersError, ToolFormat, Tools
from rostra.mesh.parsers.json_text import Call
from rostra.mesh.parsers.parser import OutputParser
from rostra.mesh.parsers.reasoning import ReasoningFormat

__all__ = [
    "REASONING_FORMATS",
    "TOOL_FORMATS",
    "Call",
    "Event",
    "Kind",
    "OutputParser",
    "ParametersError",
    "ReasoningFormat",
    "ReasoningParserChoice",
    "ToolFormat",
    "ToolParserChoice",
    "Tools",
    "choose_reasoning_format",
    "choose_tool_format",
]
