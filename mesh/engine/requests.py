"""The runner's own state of the requests in flight, and the layout of a step made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.engine.plan import NewRequest, ScheduledRequest
from rostra.mesh.ops import StepLayout


@dataclass(slots=True)
class RequestState:
    """Where a request stands in the tables, and how much of its row is filled."""

    request_id: str
    row: int
    num_tokens: int
    num_prompt_tokens: int
    num_blocks: int
    sampling: SamplingParams


class RequestTable:
    """Token ids and block ids of the requests in flight, one row each.

    The rows are allocated once, so that a step is laid out by a few array operations, whatever the
    number of its tokens.
    """

    def __init__(self, max_num_seqs: int, max_model_len: int, block_size: int) -> None:
        self._block_size = block_size
        max_blocks = -(-max_model_len // block_size)
        self._token_ids = np.zeros((max_num_seqs, max_model_len), dtype=np.int64)
        self._block_ids = np.zeros((max_num_seqs, max_blocks), dtype=np.int32)
        self._free_rows = list(reversed(range(max_num_seqs)))
        self._states: dict[str, RequestState] = {}

    def __getitem__(self, request_id: str) -> RequestState:
        return self._states[request_id]

    def add(self, request: NewRequest) -> None:
        state = RequestState(
            request.request_id,
            self._free_rows.pop(),
            len(request.token_ids),
            request.num_prompt_tokens,
            0,
            request.sampling,
        )
        self._token_ids[state.row, : state.num_tokens] = request.token_ids
        self._states[request.request_id] = state

    def remove(self, request_id: str) -> None:
        """A request that ended while it waited has no state here, which is no error."""
        state = self._states.pop(request_id, None)
        if state is not None:
            self._free_rows.append(state.row)

    def append(self, state: RequestState, token_id: int) -> None:
        self._token_ids[state.row, state.num_tokens] = token_id
        state.num_tokens += 1

    def token_ids(self, state: RequestState) -> npt.NDArray[np.int64]:
        """A view of all tokens known."""
        return self._token_ids[state.row, : state.num_tokens]

    def lay_out(
        self, scheduled: Sequence[ScheduledRequest]
    ) -> tuple[npt.NDArray[np.int64], StepLayout]:
        """Takes in the new blocks; token ids [T] of the step, and where they belong."""
        for part in scheduled:
            if part.new_block_ids:
                state = self._states[part.request_id]
                end = state.num_blocks + len(part.new_block_ids)
                self._block_ids[state.row, state.num_blocks : end] = part.new_block_ids
                state.num_blocks = end
        rows = np.array([self._states[part.request_id].row for part in scheduled])
        computed = np.array([part.num_computed_tokens for part in scheduled], dtype=np.int64)
        query_lens = np.array([part.num_new_tokens for part in scheduled], dtype=np.int32)
        query_start = np.zeros(len(scheduled) + 1, dtype=np.int32)
        query_start[1:] = query_lens.cumsum()
        seq_lens = (computed + query_lens).astype(np.int32)
        token_rows = rows.repeat(query_lens)
        first_positions = (computed - query_start[:-1]).repeat(query_lens)
        positions = np.arange(query_start[-1], dtype=np.int64) + first_positions
        blocks, offsets = np.divmod(positions, self._block_size)
        num_blocks = -(-int(seq_lens.max()) // self._block_size)
        layout = StepLayout(
            positions=positions,
            slot_mapping=self._block_ids[token_rows, blocks].astype(np.int64) * self._block_size
            + offsets,
            query_start=query_start,
            seq_lens=seq_lens,
            block_table=self._block_ids[rows, :num_blocks],
            block_size=self._block_size,
        )
        return self._token_ids[token_rows, positions], layout
