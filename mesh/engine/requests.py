"""The runner's own state of the requests in flight, and the layout of a step made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rostra.mesh.engine.matcher import Matcher
from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.engine.plan import NewRequest, ScheduledRequest
from rostra.mesh.ops import StepLayout

PENDING = -1
"""Stands for a token that a step in flight samples: the device has it, the host not yet."""
_NO_ROW = -1


@dataclass(frozen=True)
class RunnerLimits:
    """The largest step that can come."""

    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    num_draft_tokens: int = 0
    """The most behind one token; 0 where nothing is guessed."""
    num_adapter_slots: int = 0


@dataclass(slots=True)
class RequestState:
    """Where a request stands in the tables, and how much of its row is filled."""

    request_id: str
    row: int
    """Negative once the request was removed: the row may have another owner by then."""
    num_tokens: int
    num_known_tokens: int
    """Without what steps in flight sample: that counts as a token, but the device alone has it."""
    num_prompt_tokens: int
    num_blocks: int
    sampling: SamplingParams
    matcher: Matcher | None = None
    """Of the grammar that the output follows, where tokens are chosen here."""


@dataclass(frozen=True, slots=True)
class StepInput:
    """The tokens of a step: S requests, T tokens in all, drafts included."""

    states: list[RequestState]
    """[S]"""
    rows: npt.NDArray[np.int64]
    """[S], the requests' rows in the tables."""
    ends: list[int]
    """[S], behind the last token of each among those of the step."""
    token_ids: npt.NDArray[np.int64]
    """[T], PENDING where only the device knows."""
    layout: StepLayout
    is_decode: bool
    """Whether each request computes its last token, and drafts, and nothing else."""


class RequestTable:
    """Token ids, block ids and adapters of the requests in flight, one row each.

    The rows are allocated once, so that a step is laid out by a few array operations, whatever the
    number of its tokens.
    """

    def __init__(self, limits: RunnerLimits, block_size: int) -> None:
        self._block_size = block_size
        num_rows, max_blocks = limits.max_num_seqs, -(-limits.max_model_len // block_size)
        self._token_ids = np.zeros((num_rows, limits.max_model_len), dtype=np.int64)
        self._block_ids = np.zeros((num_rows, max_blocks), dtype=np.int32)
        self._adapter_slots = np.zeros(num_rows, dtype=np.int32)
        self._takes_adapters = limits.num_adapter_slots > 0
        self._free_rows = list(reversed(range(num_rows)))
        self._states: dict[str, RequestState] = {}

    def add(self, request: NewRequest, matcher: Matcher | None = None) -> None:
        state = RequestState(
            request.request_id,
            row=self._free_rows.pop(),
            num_tokens=len(request.token_ids),
            num_known_tokens=len(request.token_ids),
            num_prompt_tokens=request.num_prompt_tokens,
            num_blocks=0,
            sampling=request.sampling,
            matcher=matcher,
        )
        self._token_ids[state.row, : state.num_tokens] = request.token_ids
        self._adapter_slots[state.row] = request.adapter_slot
        self._states[request.request_id] = state

    def remove(self, request_id: str) -> None:
        """A request that ended while it waited has no state here, which is no error."""
        state = self._states.pop(request_id, None)
        if state is not None:
            self._free_rows.append(state.row)
            state.row = _NO_ROW

    def expect(self, states: Sequence[RequestState]) -> None:
        """Counts a token of each that the step being launched samples; `settle` tells which."""
        rows = [state.row for state in states]
        self._token_ids[rows, [state.num_tokens for state in states]] = PENDING
        for state in states:
            state.num_tokens += 1

    def settle(self, state: RequestState, position: int, token_ids: Sequence[int]) -> None:
        """Enters what was sampled for `position` and those behind it.

        Nothing, where no token could be chosen: the request then ends before `position`. Comes too
        late, and changes nothing, where the request was removed or had ended before `position`.
        """
        if state.row == _NO_ROW or position > state.num_tokens:
            return
        end = position
        for token_id in token_ids:
            self._token_ids[state.row, end] = token_id
            end += 1
        state.num_known_tokens = end
        if not token_ids or end > state.num_tokens:
            state.num_tokens = end

    def known_token_ids(self, state: RequestState, num_drafts: int = 0) -> npt.NDArray[np.int64]:
        """A view of the tokens on the host, and of the first of the drafts laid out behind them."""
        return self._token_ids[state.row, : state.num_known_tokens + num_drafts]

    def lay_out(self, scheduled: Sequence[ScheduledRequest]) -> StepInput:
        """Takes in the new blocks and the drafts.

        Raises ValueError where a request has fewer tokens than are to be computed, and for drafts
        that do not follow its last token, or follow one that is not on the host yet.
        """
        states: list[RequestState] = []
        table_rows: list[int] = []
        starts: list[int] = []
        lengths: list[int] = []
        is_decode = True
        for part in scheduled:
            state = self._states[part.request_id]
            start, drafts = part.num_computed_tokens, part.draft_token_ids
            known = start + part.num_new_tokens
            if known > state.num_tokens or (
                drafts and not known == state.num_tokens == state.num_known_tokens
            ):
                raise ValueError(
                    f"{known} tokens and {len(drafts)} drafts of request {part.request_id} are "
                    f"scheduled, which has {state.num_tokens} tokens, "
                    f"{state.num_known_tokens} of them on the host"
                )
            if known < state.num_tokens or part.num_new_tokens > 1:
                is_decode = False
            if part.new_block_ids:
                end = state.num_blocks + len(part.new_block_ids)
                self._block_ids[state.row, state.num_blocks : end] = part.new_block_ids
                state.num_blocks = end
            if drafts:
                self._token_ids[state.row, known : known + len(drafts)] = drafts
            states.append(state)
            table_rows.append(state.row)
            starts.append(start)
            lengths.append(part.num_new_tokens + len(drafts))
        rows = np.array(table_rows, dtype=np.int64)
        computed = np.array(starts, dtype=np.int64)
        query_lens = np.array(lengths, dtype=np.int32)
        query_start = np.zeros(len(rows) + 1, dtype=np.int32)
        query_lens.cumsum(out=query_start[1:])
        seq_lens = (computed + query_lens).astype(np.int32)
        if query_start[-1] == len(rows):
            token_rows, positions = rows, computed
        else:
            token_rows = rows.repeat(query_lens)
            first_positions = (computed - query_start[:-1]).repeat(query_lens)
            positions = np.arange(query_start[-1], dtype=np.int64) + first_positions
        blocks, offsets = np.divmod(positions, self._block_size)
        num_blocks = -(-int(seq_lens.max()) // self._block_size)
        adapter_slots = self._adapter_slots[rows] if self._takes_adapters else None
        if adapter_slots is not None and (adapter_slots < 0).all():
            adapter_slots = None
        layout = StepLayout(
            positions=positions,
            slot_mapping=self._block_ids[token_rows, blocks].astype(np.int64) * self._block_size
            + offsets,
            query_start=query_start,
            seq_lens=seq_lens,
            block_table=self._block_ids[rows, :num_blocks],
            block_size=self._block_size,
            adapter_slots=adapter_slots,
        )
        token_ids = self._token_ids[token_rows, positions]
        return StepInput(states, rows, query_start[1:].tolist(), token_ids, layout, is_decode)
