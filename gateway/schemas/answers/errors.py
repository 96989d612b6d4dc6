"""The error object of the OpenAI API."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rostra.gateway.schemas.answers.base import Answer


class ErrorObject(Answer):
    message: Annotated[str, Field(description="What is wrong and what to do about it.")]
    type: Annotated[
        str,
        Field(
            description="The kind of error: `invalid_request_error`, `authentication_error`, "
            "`rate_limit_error`, `timeout_error`, `service_unavailable_error` or `server_error`."
        ),
    ]
    param: Annotated[
        str | None,
        Field(description="The field that is wrong, for instance `messages[0].content`."),
    ]
    code: Annotated[str | None, Field(description="The reason, for programs to read.")]


class ErrorAnswer(Answer):
    error: ErrorObject
