"""Answers of the routes for operators."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rostra.gateway.schemas.answers.base import Answer


class Health(Answer):
    status: Literal["alive"]


class Readiness(Answer):
    status: Literal["ready", "not ready"]
    workers: Annotated[
        dict[str, str],
        Field(
            description="By address: `serving`, or the reason why not. Where there are API keys, "
            "only for one of the scope `operate`.",
            default_factory=dict,
        ),
    ]
