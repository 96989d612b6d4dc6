"""What the fields of rostra.v1 requests are called in REST."""

from __future__ import annotations


class RestNames:
    """Of one request, for errors of the worker: they name the proto's fields.

    Endpoints whose names differ derive a class from this one, beside their way to the proto.
    """

    prompt = "messages"
    """What a request that is too long is blamed on."""

    def of(self, field: str) -> str:
        """For instance `temperature` for `sampling.temperature`."""
        return field.removeprefix("sampling.")

    def is_prompt(self, name: str) -> bool:
        """Whether `name`, as `of` gives it, is one prompt of several."""
        return name.startswith(f"{self.prompt}[")
