"""The memory of adapters: how much, for which models, and whose it is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from peft_adapters import save_base

from rostra.mesh.adapters import AdapterSlots
from rostra.mesh.engine.adapters import (
    AdapterError,
    AdapterFault,
    AdapterTable,
    State,
    UnknownAdapterError,
)
from rostra.mesh.errors import RostraError
from rostra.mesh.models import load_model

CPU = torch.device("cpu")


def test_the_memory_is_what_is_said(tmp_path):
    save_base(tmp_path)
    model = load_model(tmp_path, CPU, torch.float32)
    slots = AdapterSlots(model, 3, 10, CPU, torch.float32)
    weights = [module.adapters for module in model.modules() if hasattr(module, "adapters")]
    taken = sum(tensor.nbytes for one in weights if one is not None for tensor in (one.a, one.b))
    assert taken == slots.num_bytes(model, 3, 10, torch.float32) > 0


@pytest.mark.parametrize("rank", [0, 257])
def test_a_rank_that_no_kernel_has(tmp_path, rank):
    save_base(tmp_path)
    model = load_model(tmp_path, CPU, torch.float32)
    with pytest.raises(RostraError, match=f"--max-adapter-rank {rank} is out of range"):
        AdapterSlots(model, 1, rank, CPU, torch.float32)


def test_a_model_of_other_makers_takes_none():
    with pytest.raises(RostraError, match="not supported for this model's architecture"):
        AdapterSlots(object(), 1, 8, CPU, torch.float32)


class Prepared:
    """As read from one of several folders."""

    def __init__(self, revision):
        self.revision, self.rank = revision, 1


class Recorder:
    """What is in each slot, in place of a runner."""

    def __init__(self):
        self.slots = {}

    def load_adapter(self, slot, adapter):
        self.slots[slot] = adapter.revision


NAMES = st.sampled_from("abcd")
NUM_SLOTS = 3


class Table(RuleBasedStateMachine):
    """Any history of loads, unloads and requests keeps each slot with one owner at a time."""

    def __init__(self):
        super().__init__()
        self.runner = Recorder()
        self.table = AdapterTable(NUM_SLOTS, self.runner)
        self.loading = {}
        self.revisions = {}
        self.requests = {}
        self.leaving = set()
        self.count = 0

    @rule(name=NAMES)
    def reserve(self, name):
        known = set(self.loading) | set(self.revisions) | self.leaving
        fault = None
        try:
            self.loading[name] = self.table.reserve(name)
        except AdapterError as error:
            fault = error.fault
        if name in known:
            assert fault is AdapterFault.EXISTS
        else:
            assert fault is (AdapterFault.FULL if len(known) == NUM_SLOTS else None)

    @precondition(lambda self: self.loading)
    @rule(data=st.data(), succeeds=st.booleans())
    def finish_loading(self, data, succeeds):
        name = data.draw(st.sampled_from(sorted(self.loading)))
        resident = self.loading.pop(name)
        if not succeeds:
            self.table.drop(resident)
            return
        self.count += 1
        self.table.fill(resident, Prepared(f"revision {self.count}"))
        self.revisions[name] = f"revision {self.count}"

    @rule(name=NAMES)
    def begin(self, name):
        self.count += 1
        request_id = f"request {self.count}"
        try:
            resident = self.table.begin(name, request_id)
        except UnknownAdapterError:
            assert name not in self.revisions
        else:
            assert resident.revision == self.revisions[name]
            self.requests[request_id] = name, resident.slot, resident.revision

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def end(self, data):
        request_id = data.draw(st.sampled_from(sorted(self.requests)))
        name, *_ = self.requests.pop(request_id)
        self.table.end(request_id)
        self.check_gone({name})

    @rule(name=NAMES)
    def dismiss(self, name):
        fault = None
        try:
            self.table.dismiss(name)
        except AdapterError as error:
            fault = error.fault
        assert fault is (None if name in self.revisions else AdapterFault.UNKNOWN)
        if fault is None:
            del self.revisions[name]
            self.leaving.add(name)
            self.check_gone({name})

    def check_gone(self, candidates):
        used = {name for name, *_ in self.requests.values()}
        expected = {name for name in candidates & self.leaving if name not in used}
        assert set(self.table.take_gone()) == expected
        self.leaving -= expected

    @invariant()
    def every_request_has_its_own_adapter(self):
        for _, slot, revision in self.requests.values():
            assert self.runner.slots[slot] == revision

    @invariant()
    def states_agree(self):
        for name in "abcd":
            resident = self.table.find(name)
            state = None if resident is None else resident.state
            assert (state is State.READY) == (name in self.revisions)
            assert (state is State.LEAVING) == (name in self.leaving)
            assert (state is State.LOADING) == (name in self.loading)


Table.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestTable = Table.TestCase
