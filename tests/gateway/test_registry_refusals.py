"""Who may not join, and who joined with what is not so: told on both sides, once."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gateway_harness import ScriptedWorker, eventually
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import ValidationError
from registry_harness import JoiningWorker, fleet_of, gateway_to_join, members, serving, where

from rostra.gateway.errors import GatewayError
from rostra.gateway.membership.settings import RegistrySettings
from rostra.gateway.membership.tokens import JoinToken, JoinTokens, entry, new_token, read_tokens
from rostra.v1 import control_pb2

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def tokens_file(path: Path, *tokens: JoinToken) -> Path:
    # Another inode, so that it is another file whatever the resolution of its time.
    fresh = path.with_suffix(".new")
    fresh.write_text("\n".join(entry(token) for token in tokens))
    os.replace(fresh, path)
    return path


def lines(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


async def refused_with(
    caplog: pytest.LogCaptureFixture, words: str, *, gateway_side: bool = True
) -> None:
    """The worker's log has the reason, and the gateway's own log too; each once."""
    await eventually(lambda: bool(lines(caplog, "refuses this worker: ")))
    assert any(words in line for line in lines(caplog, "refuses this worker: "))
    if gateway_side:
        assert any(words in line for line in lines(caplog, "refused a worker from "))


@pytest.mark.parametrize("kind", ["none", "wrong", "expired"])
async def test_tokens_that_are_not_good(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    good, known = new_token("good")
    old, expired = new_token("old", expires=datetime.now(UTC) - timedelta(hours=1))
    file = tokens_file(tmp_path / "tokens.toml", known, expired)
    secret = {"none": "", "wrong": "rj-wrong", "expired": old}[kind]
    words = {
        "none": "send a token",
        "wrong": "this token is not known here",
        "expired": "the token 'old' expired at ",
    }[kind]
    async with (
        gateway_to_join(registry={"tokens": file}) as client,
        JoiningWorker() as bad,
        JoiningWorker() as other,
    ):
        bad.join(where(client), token=lambda: secret)
        other.join(where(client), token=lambda: good)
        await eventually(lambda: serving(client) == {other.address})
        await refused_with(caplog, words)
        # Some attempts later both logs still have one line of it.
        stream = bad.joining._streams[0]  # type: ignore[union-attr]
        await eventually(lambda: stream._failures > 3)
        assert len(lines(caplog, "refuses this worker")) == 1
        assert len(lines(caplog, "refused a worker from")) == 1
        # The mesh goes on.
        assert serving(client) == {other.address}
        for secret_of in (good, old, "rj-wrong"):
            assert secret_of not in caplog.text


async def test_tokens_are_taken_back_and_given_without_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, known = new_token("first")
    file = tokens_file(tmp_path / "tokens.toml", known)
    current = [first]
    async with (
        gateway_to_join(registry={"tokens": file}) as client,
        JoiningWorker() as worker,
    ):
        worker.join(where(client), token=lambda: current[0])
        await eventually(lambda: serving(client) == {worker.address})
        second, other = new_token("second")
        tokens_file(file, other)
        await eventually(lambda: fleet_of(client).workers == [])
        await eventually(lambda: bool(lines(caplog, "this token is not known here")))
        # A file that is wrong changes nothing.
        current[0] = second
        await eventually(lambda: serving(client) == {worker.address}, timeout=60)
        file.write_text("[[token]\n")
        await eventually(lambda: bool(lines(caplog, "the join tokens before stay in use")))
        assert serving(client) == {worker.address}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"models": ["large"]}, "the token 'narrow' is not for the model 'tiny'"),
        ({"addresses": ["10.0.0.0/8", "gpu-*"]}, "the token 'narrow' is not for the address"),
    ],
)
async def test_tokens_for_something_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, limits: dict[str, list[str]], words: str
) -> None:
    secret, token = new_token("narrow", **limits)  # type: ignore[arg-type]
    file = tokens_file(tmp_path / "tokens.toml", token)
    async with gateway_to_join(registry={"tokens": file}) as client, JoiningWorker() as worker:
        worker.join(where(client), token=lambda: secret)
        await refused_with(caplog, words)


async def test_an_adapter_may_come_by_the_token_of_its_model(tmp_path: Path) -> None:
    limits = {"models": ["tiny", "tiny-latest"], "addresses": ["127.0.0.0/8"]}
    secret, token = new_token("narrow", **limits)  # type: ignore[arg-type]
    file = tokens_file(tmp_path / "tokens.toml", token)
    async with gateway_to_join(registry={"tokens": file}) as client, JoiningWorker() as worker:
        joining = worker.join(where(client), token=lambda: secret)
        await eventually(lambda: serving(client) == {worker.address})
        worker.adapters = [control_pb2.ModelInfo(name="pirate", base_model="tiny")]
        worker.load = control_pb2.GetLoadResponse(models_version=1)
        joining.changed()
        await eventually(lambda: "pirate" in fleet_of(client).models())
        worker.model = control_pb2.ModelInfo(name="another")
        worker.load = control_pb2.GetLoadResponse(models_version=2)
        joining.changed()
        await eventually(lambda: fleet_of(client).workers == [])


def test_expiry_is_by_the_gateways_clock_alone(tmp_path: Path) -> None:
    secret, token = new_token("short", expires=NOW)
    file = tokens_file(tmp_path / "tokens.toml", token)
    clock = [NOW - timedelta(hours=1)]
    tokens = JoinTokens(file, now=lambda: clock[0])
    assert tokens.find(secret) == token
    clock[0] = NOW
    assert tokens.find(secret) == "the token 'short' expired at 2026-06-01 00:00:00 UTC"
    # Another gateway, whose clock is an hour behind, says so an hour later, and that is all.
    late = JoinTokens(file, now=lambda: clock[0] - timedelta(hours=1))
    assert late.find(secret) == token


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_worker_whose_clock_is_an_hour_off(hours: int) -> None:
    async with gateway_to_join() as client, JoiningWorker() as worker:
        started = Timestamp()
        started.FromDatetime(datetime.now(UTC) + timedelta(hours=hours))
        worker.info.started_at.CopyFrom(started)
        worker.join(where(client))
        await eventually(lambda: serving(client) == {worker.address})


async def test_two_workers_with_one_instance_id(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        gateway_to_join() as client,
        JoiningWorker() as first,
        JoiningWorker() as second,
    ):
        second.info = first.info
        first.join(where(client))
        await eventually(lambda: serving(client) == {first.address})
        second.join(where(client))
        await refused_with(caplog, f"the worker at {first.address} has the same instance id")
        assert serving(client) == {first.address}


async def test_two_workers_with_one_address(caplog: pytest.LogCaptureFixture) -> None:
    """Who answers there has it, whoever came first."""
    async with (
        gateway_to_join() as client,
        JoiningWorker() as first,
        JoiningWorker() as second,
    ):
        first.join(where(client))
        await eventually(lambda: serving(client) == {first.address})
        second.join(where(client), advertise=first.address)
        await refused_with(caplog, f"the address {first.address} is held by another worker")
        assert serving(client) == {first.address}
        # And the other way round: who is in, but not there, has to go.
        await second.vanish()
        third = await JoiningWorker().start()
        first.info, old = third.info, first.info
        third.join(where(client), advertise=first.address)
        await eventually(lambda: bool(lines(caplog, "another instance answers at its address")))
        found = (await members(client))[first.address]
        assert found["instance_id"] in (old.instance_id, third.info.instance_id)
        await third.stop()


async def test_another_worker_answers_than_the_one_that_joined(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        gateway_to_join() as client,
        JoiningWorker() as liar,
        JoiningWorker() as victim,
    ):
        liar.join(where(client), advertise=victim.address)
        await eventually(lambda: bool(lines(caplog, "does not use this worker: another worker")))
        assert serving(client) == set()
        reason = (await members(client))[victim.address]["reason"]
        assert reason.startswith("another worker answers at")


async def test_a_model_that_is_not_what_was_claimed(caplog: pytest.LogCaptureFixture) -> None:
    async with gateway_to_join() as client, JoiningWorker() as worker:
        worker.claimed = [control_pb2.ModelInfo(name="tiny", revision="another")]
        worker.join(where(client))
        words = "it joined with 'tiny' of revision another and serves 'tiny' of revision abcdef"
        await eventually(lambda: bool(lines(caplog, f"does not use this worker: {words}")))
        assert serving(client) == set()
        assert (await members(client))[worker.address]["reason"].startswith(words)


async def test_other_weights_by_the_same_name(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        gateway_to_join() as client,
        JoiningWorker() as first,
        JoiningWorker() as second,
    ):
        second.model = control_pb2.ModelInfo(name="tiny", revision="feed")
        first.join(where(client))
        second.join(where(client))
        # Both serve: it may be a rollout. Both are marked, in every place.
        await eventually(lambda: len(serving(client)) == 2)
        found = await members(client)
        assert found[first.address]["warnings"] == [
            f"'tiny' has the revision abcdef0123456789 here, and feed at {second.address}"
        ]
        assert len(found[second.address]["warnings"]) == 1
        words = f"'tiny' has the revision feed here, and abcdef0123456789 at {first.address}"
        # By the gateway's log, and by the worker's.
        await eventually(lambda: len(lines(caplog, words)) == 2)


async def test_a_contract_that_this_gateway_does_not_speak(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with gateway_to_join() as client, JoiningWorker() as worker:
        worker.info.contract_revision = 9  # type: ignore[assignment]
        worker.join(where(client))
        await refused_with(caplog, "speaks revision 9 of the contract and the gateway 1")


async def test_a_listed_worker_of_another_contract_is_out() -> None:
    async with JoiningWorker() as worker:
        worker.info.contract_revision = 9  # type: ignore[assignment]
        async with gateway_to_join([worker.address]) as client:
            links = fleet_of(client)
            await eventually(lambda: any("update the gateway" in one.reason for one in links))


async def test_one_worker_at_two_addresses_counts_once() -> None:
    async with JoiningWorker() as worker:
        other = worker.address.replace("127.0.0.1", "localhost")
        async with gateway_to_join([worker.address, other]) as client:
            links = fleet_of(client)
            await eventually(lambda: any("instance id" in link.reason for link in links))
            assert len(serving(client)) == 1


async def test_the_address_of_a_worker_is_no_registry(caplog: pytest.LogCaptureFixture) -> None:
    async with ScriptedWorker() as listed, JoiningWorker() as worker:
        worker.join(f"grpc://{listed.address}")
        await eventually(lambda: bool(lines(caplog, "is no registry of a gateway")))


@pytest.mark.parametrize("listen", ["0.0.0.0:50050", "[::]:50050"])
def test_nobody_listens_publicly_without_tokens_by_mistake(listen: str) -> None:
    with pytest.raises(ValidationError, match="could join: set tokens"):
        RegistrySettings(listen=listen)
    assert RegistrySettings(listen=listen, anyone_may_join=True)
    assert RegistrySettings(listen=listen, tokens="tokens.toml")
    assert RegistrySettings(listen="127.0.0.1:0")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[token]]\nname = 'a b'\nsha256 = '0'\n", "token.0.name"),
        ("[[token]\n", "not valid TOML"),
        ("[[token]]\nname = 'a'\nsha256 = '" + "0" * 64 + "'\nexpires = 2026-01-01\n", "expires"),
        (2 * ("[[token]]\nname = 'a'\nsha256 = '" + "0" * 64 + "'\n"), "two have the name 'a'"),
    ],
)
def test_files_of_tokens_that_are_wrong(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text(text)
    with pytest.raises(GatewayError, match=words):
        read_tokens(file)


def test_a_file_of_tokens_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="No such file"):
        JoinTokens(tmp_path / "none.toml")
