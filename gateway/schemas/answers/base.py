"""What every answer's model is."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """Says every field that an answer has; fields with a default may be left out."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Count = Annotated[int, Field(ge=0)]
UnixTime = Annotated[int, Field(ge=0, description="Seconds since 1970-01-01 UTC.")]
