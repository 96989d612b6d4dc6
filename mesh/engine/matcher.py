"""Where a request stands in its grammar; without torch, which an engine process loads late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llguidance import LLMatcher

from rostra.mesh.grammar.errors import FAILED_HALF_WAY, one_line

if TYPE_CHECKING:
    from rostra.mesh.engine.sampler import SamplingRow


class Matcher:
    """Where the output of one request stands in its grammar.

    It follows from the output's tokens alone, so a request that was preempted starts a new one.
    """

    def __init__(self, compiled: LLMatcher) -> None:
        self.state = compiled.deep_copy()
        self._num_consumed = 0

    @property
    def error(self) -> str | None:
        """Why no token can follow; one line."""
        if not self.state.is_error():
            return None
        return FAILED_HALF_WAY + one_line(self.state.get_error())

    def catch_up(self, row: SamplingRow) -> None:
        """Consumes what the row's output has grown by since the last call."""
        new = row.token_ids[row.num_prompt_tokens + self._num_consumed :]
        if len(new):
            self.state.consume_tokens([int(token_id) for token_id in new])
            self._num_consumed += len(new)
