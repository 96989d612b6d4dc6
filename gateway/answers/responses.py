"""The response object and the events of its stream."""

from __future__ import annotations

import time
from typing import Any

from rostra.gateway.answers.response_items import Event, new_id
from rostra.gateway.answers.response_output import ResponseOutput
from rostra.gateway.errors import ApiError
from rostra.gateway.schemas.responses import ResponseRequest
from rostra.v1 import chat_pb2, tokens_pb2


class ResponseAnswer:
    """One response, while it is made and when it is whole.

    The stream and the answer in one piece are made from the same items, so that the last event of
    the one holds the other.
    """

    def __init__(self, body: ResponseRequest, *, store: bool) -> None:
        self.id = new_id("resp")
        self.store = store
        self._body = body
        self._created = int(time.time())
        self._output = ResponseOutput(tools=bool(body.offered_tools), logprobs=body.wants_logprobs)
        self._model = body.model
        self._sequence = 0

    @property
    def begun(self) -> bool:
        """Whether there were events."""
        return self._sequence > 0

    def of(self, message: chat_pb2.ChatResponse, model: str) -> list[Event]:
        """The events of one message of the worker, by the model of this name."""
        events: list[Event] = []
        if not self.begun:
            self._model = model
            begun = self._object("in_progress", [])
            events = [
                {"type": "response.created", "response": begun},
                {"type": "response.in_progress", "response": begun},
            ]
        return self._numbered(events + self._output.of(message))

    def end(self) -> dict[str, Any]:
        """The whole response. Raises ApiError (502) where the worker's stream was not whole."""
        usage = self._output.end()
        if self._output.cut_off:
            return self._object(
                "incomplete",
                self._output.items,
                incomplete_details={"reason": self._output.cut_off},
                usage=_usage(usage),
            )
        return self._object(
            "completed",
            self._output.items,
            completed_at=int(time.time()),
            usage=_usage(usage),
        )

    def last_event(self, response: dict[str, Any]) -> Event:
        kind = f"response.{response['status']}"
        return self._numbered([{"type": kind, "response": response}])[0]

    def failed_event(self, error: ApiError) -> Event:
        code = "rate_limit_exceeded" if error.status == 429 else "server_error"
        failed = self._object(
            "failed",
            self._output.unfinished(),
            error={"code": code, "message": error.message},
        )
        return self.last_event(failed)

    def error_event(self, error: ApiError) -> Event:
        event = {
            "type": "error",
            "code": error.code,
            "message": error.message,
            "param": error.param,
        }
        return self._numbered([event])[0]

    def _numbered(self, events: list[Event]) -> list[Event]:
        for event in events:
            event["sequence_number"] = self._sequence
            self._sequence += 1
        return events

    def _object(self, status: str, output: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
        body = self._body
        choice = body.tool_choice
        return {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
            "completed_at": None,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "max_tool_calls": body.max_tool_calls,
            "metadata": body.metadata or {},
            "model": self._model,
            "output": output,
            "parallel_tool_calls": body.parallel_tool_calls is not False,
            "previous_response_id": body.previous_response_id,
            "prompt_cache_key": body.prompt_cache_key,
            "reasoning": body.reasoning.echo() if body.reasoning else _NO_REASONING,
            "safety_identifier": body.safety_identifier,
            "service_tier": "default",
            "store": self.store,
            # The worker's defaults, where nothing is asked for.
            "temperature": 1.0 if body.temperature is None else body.temperature,
            "text": body.text.echo() if body.text else _PLAIN_TEXT,
            "tool_choice": (choice if isinstance(choice, str) else choice.model_dump())
            if choice
            else "auto",
            "tools": [tool.echo() for tool in body.tools or ()],
            "top_logprobs": body.top_logprobs or 0,
            "top_p": 1.0 if body.top_p is None else body.top_p,
            "truncation": "disabled",
            "usage": None,
            "user": body.user,
            **changes,
        }


_NO_REASONING = {"effort": None, "summary": None}
_PLAIN_TEXT = {"format": {"type": "text"}, "verbosity": None}


def _usage(usage: tokens_pb2.Usage) -> dict[str, Any] | None:
    """None where who answered has not counted: every prompt has a token."""
    if not usage.prompt_tokens:
        return None
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_prompt_tokens,
            # Paid for nowhere, and so counted nowhere.
            "cache_write_tokens": 0,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
