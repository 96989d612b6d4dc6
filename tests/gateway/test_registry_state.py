"""Random histories of a registry: who is in it is what was said to it, and a watcher sees that."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.gateway.membership.state import (
    JoinRefusedError,
    RegistryState,
    Seat,
    View,
    seat_of,
)
from rostra.v1 import control_pb2, registry_pb2

SILENCE = 3.0
KINDS = registry_pb2.MemberChange


def request(instance: str, address: str, *, tls: bool = False) -> registry_pb2.JoinRequest:
    return registry_pb2.JoinRequest(
        address=address,
        info=control_pb2.GetServerInfoResponse(instance_id=instance, contract_revision=1),
        models=[control_pb2.ModelInfo(name="tiny", revision="r")],
        tls=tls,
    )


def seat(instance: str, port: int) -> Seat:
    return seat_of(request(instance, f"10.0.0.1:{port}"), tls=False)


@dataclass
class History:
    """The state, beside the plainest account of the same, and two watchers."""

    now: float = 1000.0
    heard: dict[Seat, float] = field(default_factory=dict)
    seats: list[Seat] = field(default_factory=list)
    view: View = field(default_factory=View)
    seen: dict[str, registry_pb2.Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = RegistryState(SILENCE, max_workers=4, clock=lambda: self.now)
        self.said: list[str] = []
        self.state.listen(self.said.append)

    def join(self, instance: str, port: int, *, supersede: bool) -> None:
        new = seat(instance, port)
        at_address = [old for old in self.heard if old.address == new.address]
        elsewhere = [
            old for old in self.heard if old.instance_id == instance and old.address != new.address
        ]
        rivals = [old for old in at_address if old.instance_id != instance]
        full = len(self.heard) >= 4 and not at_address
        if (rivals and not supersede) or elsewhere or full:
            with pytest.raises(JoinRefusedError):
                self.state.join(new, supersede=supersede)
            return
        self.state.join(new, supersede=supersede)
        for old in at_address:
            assert old.ending is not None
            del self.heard[old]
        self.heard[new] = self.now
        self.seats.append(new)

    def check(self) -> None:
        assert set(self.state.seats()) == set(self.heard)
        assert self.state.addresses == {one.address for one in self.heard}
        assert len({one.instance_id for one in self.heard}) == len(self.heard)
        for one in self.heard:
            assert self.state.latest(one.address) is one.member

    def look(self) -> None:
        """The watcher reads: what it was told adds up to what there is."""
        for change in self.state.changes(self.view):
            address = change.member.address
            if change.kind == KINDS.KIND_LEFT:
                del self.seen[address]
            else:
                assert (address in self.seen) == (change.kind == KINDS.KIND_UPDATED)
                self.seen[address] = change.member
        assert self.seen == {one.address: one.member for one in self.heard}
        assert self.state.changes(self.view) == []


INSTANCES = st.sampled_from("abcde")
PORTS = st.integers(1, 6)
OPERATIONS = st.one_of(
    st.tuples(st.just("join"), INSTANCES, PORTS, st.booleans()),
    st.tuples(st.just("update"), st.integers(0, 20), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("leave"), st.integers(0, 20)),
    st.tuples(st.just("silence"), st.floats(0.1, 5.0)),
    st.tuples(st.just("held up"), st.floats(0.1, 5.0)),
    st.tuples(st.just("report"), PORTS, st.text(max_size=3)),
    st.tuples(st.just("look")),
)


@given(st.lists(OPERATIONS, max_size=60))
def test_random_histories(operations: list[tuple]) -> None:  # type: ignore[type-arg]
    history = History()
    for name, *arguments in operations:
        match name, arguments:
            case "join", [instance, port, supersede]:
                history.join(instance, port, supersede=supersede)
            case "update", [which, running, draining] if history.seats:
                one = history.seats[which % len(history.seats)]
                load = control_pb2.GetLoadResponse(running_requests=running)
                message = registry_pb2.JoinRequest(load=load, draining=draining)
                history.state.update(one, message)
                if one in history.heard:
                    history.heard[one] = history.now
                    assert (one.member.load.running_requests, one.member.draining) == (
                        running,
                        draining,
                    )
            case "leave", [which] if history.seats:
                one = history.seats[which % len(history.seats)]
                history.state.leave(one)
                history.heard.pop(one, None)
            case "silence", [seconds]:
                history.now += seconds
                silent = {one for one, at in history.heard.items() if at < history.now - SILENCE}
                assert set(history.state.expire()) == silent
                for one in silent:
                    assert one.ending is not None
                    del history.heard[one]
            case "held up", [seconds]:
                # The registry did not listen meanwhile: nobody is silent for it.
                history.now += seconds
                history.state.forgive(seconds)
                for one in history.heard:
                    history.heard[one] += seconds
            case "report", [port, problem]:
                history.state.report(f"10.0.0.1:{port}", problem, ())
            case "look", _:
                history.look()
        history.check()
    history.look()


def test_a_reader_of_every_change_sees_each() -> None:
    history = History()
    history.join("a", 1, supersede=False)
    history.look()
    history.state.report("10.0.0.1:1", "cannot be reached", ["odd"])
    assert [change.kind for change in history.state.changes(history.view)] == [KINDS.KIND_UPDATED]
    history.seen["10.0.0.1:1"] = history.seats[0].member
    # What a worker said, and only that, is a report of its load.
    assert history.said == ["10.0.0.1:1"]


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"address": "nowhere"}, "invalid_value", "no host:port"),
        ({"address": "h:0"}, "invalid_value", "no host:port"),
        ({"instance": ""}, "invalid_value", "instance_id"),
        ({"models": []}, "invalid_value", "models"),
        ({"revision": 7}, "contract_revision", "update the gateway"),
        ({"tls": True}, "tls_mismatch", "worker_tls"),
    ],
)
def test_first_messages_that_cannot_be(change: dict[str, object], reason: str, words: str) -> None:
    made = request(
        str(change.get("instance", "a")),
        str(change.get("address", "h:1")),
        tls=bool(change.get("tls")),
    )
    if "models" in change:
        del made.models[:]
    if "revision" in change:
        made.info.contract_revision = 7  # type: ignore[assignment]
    with pytest.raises(JoinRefusedError, match=words) as caught:
        seat_of(made, tls=False)
    assert caught.value.reason == reason


def test_a_worker_without_tls_where_it_is_wanted() -> None:
    with pytest.raises(JoinRefusedError, match="--tls-cert"):
        seat_of(request("a", "h:1"), tls=True)


def test_a_worker_of_an_older_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rostra.gateway.membership.contract.OLDEST", 2)
    monkeypatch.setattr("rostra.gateway.membership.contract.NEWEST", 3)
    with pytest.raises(JoinRefusedError, match=r"revision 1 .* 2 to 3: update the worker"):
        seat_of(request("a", "h:1"), tls=False)


def test_a_worker_that_tells_no_revision_has_the_first() -> None:
    made = request("a", "h:1")
    made.info.ClearField("contract_revision")
    assert seat_of(made, tls=False).address == "h:1"
