"""Collects what is wrong with a request, so that one answer names all of it."""

from __future__ import annotations

from rostra.mesh.worker.status import Violation, invalid_argument


class Checks:
    """The violations found so far."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def invalid(self, field: str, description: str) -> None:
        self.violations.append(Violation(field, description))

    def unsupported(self, field: str, description: str) -> None:
        """The request makes sense, and this worker cannot do it."""
        self.violations.append(Violation(field, description, "unsupported_value"))

    def finish(self) -> None:
        """Raises RpcError INVALID_ARGUMENT if anything was found."""
        if self.violations:
            raise invalid_argument(self.violations)
