"""One line in the log for each request that generated, for machines to read."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, field

import msgspec

from rostra.mesh.worker.status import Context, status_name

log = logging.getLogger("rostra.requests")

# https://www.w3.org/TR/trace-context/#traceparent-header
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass
class RequestRecord:
    """What is known of a request by the time it ends. Leaving the context writes it, as JSON."""

    method: str
    traceparent: str | None
    request_id: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    finishes: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _first_tokens: float | None = None

    def __enter__(self) -> RequestRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self._write(status_name(error))

    def note_tokens(self) -> None:
        if self._first_tokens is None:
            self._first_tokens = time.monotonic()

    def _write(self, status: str) -> None:
        first = self._first_tokens
        line = {
            "method": self.method,
            "request_id": self.request_id,
            "traceparent": self.traceparent,
            "status": status,
            "finishes": self.finishes,
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "completion_tokens": self.completion_tokens,
            "first_token_seconds": None if first is None else round(first - self._began, 4),
            "seconds": round(time.monotonic() - self._began, 4),
        }
        log.info("%s", msgspec.json.encode(line).decode())


def read_traceparent(context: Context) -> str | None:
    """The caller's `traceparent`; None for one that is not well-formed, which says nothing."""
    for key, value in context.invocation_metadata() or ():
        if key == "traceparent" and isinstance(value, str) and TRACEPARENT.fullmatch(value):
            return value
    return None
