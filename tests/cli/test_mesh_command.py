"""`rostra mesh`, and what `rostra worker` and `rostra gateway` are told of a mesh."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from rostra.gateway.membership.tokens import JoinTokens, read_tokens
from rostra.mesh.cli.config import WorkerEntry
from rostra.mesh.cli.joining import join_config, server_credentials
from rostra.mesh.cli.mesh_status import Gateway, duration, share, table
from rostra.mesh.cli.mesh_tokens import parse_expiry
from rostra.mesh.errors import RostraError
from rostra.mesh.worker.join_target import JoinTarget

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def rostra(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "rostra.mesh.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def refused(*arguments):
    result = rostra(*arguments)
    assert result.returncode == 2, result
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    return result.stderr


def test_tokens_are_made_and_listed(tmp_path):
    file = tmp_path / "tokens.toml"
    made = rostra("mesh", "token", "new", "rack-7", "--file", file, "--expires", "30d", "-m", "a")
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    assert secret.startswith("rj-")
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    [token] = read_tokens(file)
    assert JoinTokens(file).find(secret) == token
    assert token.models == ("a",)
    assert rostra("mesh", "token", "new", "b", "--file", file).returncode == 0
    listed = rostra("mesh", "token", "list", "--file", file).stdout.splitlines()
    assert listed[0].startswith("rack-7: until ")
    assert listed[1] == "b: for ever; any model; any address"
    assert "a token named 'b' already" in refused("mesh", "token", "new", "b", "--file", file)
    assert "no name of a token" in refused("mesh", "token", "new", "a b", "--file", file)


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("90s", NOW + timedelta(seconds=90)),
        ("12h", NOW + timedelta(hours=12)),
        ("2w", NOW + timedelta(weeks=2)),
        ("2026-12-31", datetime(2026, 12, 31, tzinfo=UTC)),
        ("2026-12-31T10:00:00+02:00", datetime(2026, 12, 31, 8, tzinfo=UTC)),
    ],
)
def test_expiries(text, until):
    assert parse_expiry(text, NOW) == until


@pytest.mark.parametrize("text", ["", "30", "soon", "99999999999d", "2026-05-31", "0d"])
def test_expiries_that_are_none(text):
    with pytest.raises(RostraError, match="--expires"):
        parse_expiry(text, NOW)


@pytest.mark.parametrize(
    "url",
    [
        *("", "gateway:50050", "http://gateway:8000", "grpc://gateway", "grpc://:50050"),
        *("grpc://gateway:0", "grpc://gateway:99999", "grpc://u@gateway:1", "grpc://gateway:1/v1"),
    ],
)
def test_a_gateway_that_is_none(url):
    with pytest.raises(RostraError, match="no registry of a gateway: write grpc://host:port"):
        JoinTarget.parse(url)


def test_gateways():
    assert JoinTarget.parse("grpc://gateway:50050") == JoinTarget("gateway", 50050, False)
    target = JoinTarget.parse("grpcs://[::1]:50050/")
    assert (target.address, target.secure, str(target)) == (
        "[::1]:50050",
        True,
        "grpcs://[::1]:50050",
    )


def entry(**settings):
    return WorkerEntry(model="a", **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"join": ["grpc://192.0.2.1:50050"]},
            "which the gateway at grpc://192.0.2.1:50050 cannot",
        ),
        ({"join": ["grpc://nowhere.invalid:1"], "listen": "localhost:0"}, "--advertise"),
        ({"join": ["grpc://127.0.0.1:1", "grpc://127.0.0.1:1"]}, "twice"),
        ({"join": ["grpc://127.0.0.1:1"], "advertise": "a:b"}, "--advertise 'a:b' is no address"),
        ({"join": ["grpc://127.0.0.1:1"], "advertise": "0.0.0.0"}, "be reached"),
        (
            {"join": ["grpc://127.0.0.1:1"], "join_token_file": "/none"},
            "cannot read the join token",
        ),
        ({"join": ["grpc://127.0.0.1:1"], "join_ca": "ca.pem"}, "grpcs://"),
        ({"join": ["grpcs://127.0.0.1:1"], "join_ca": "/none"}, "cannot read ca /none"),
        ({"join": ["grpcs://127.0.0.1:1"], "join_cert": "a"}, "belong together"),
        ({"advertise": "a:1"}, "of no use without a gateway"),
    ],
    ids=str,
)
def test_what_cannot_be_joined_is_said_before_anything_is_loaded(settings, words):
    with pytest.raises(RostraError, match=words):
        join_config(entry(**settings))


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"tls_cert": "a"}, "belong together"), ({"tls_cert": "/a", "tls_key": "/b"}, "cannot read")],
    ids=str,
)
def test_listening_with_half_of_tls(settings, words):
    with pytest.raises(RostraError, match=words):
        server_credentials(entry(**settings))


@pytest.mark.parametrize("content", ["", "two words", "ümlaut", "a\nb"])
def test_files_that_hold_no_token(tmp_path, content):
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(RostraError, match="holds no join token"):
        join_config(entry(join=["grpc://127.0.0.1:1"], join_token_file=file))


def test_the_token_is_read_anew(tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text("rj-first\n")
    config = join_config(entry(join=["grpc://127.0.0.1:1"], join_token_file=file))
    assert config.token() == "rj-first"
    file.write_text("rj-second\n")
    assert config.token() == "rj-second"
    monkeypatch.setenv("ROSTRA_JOIN_TOKEN", "rj-third")
    assert join_config(entry(join=["grpc://127.0.0.1:1"])).token() == "rj-third"


@pytest.mark.parametrize(
    ("listening", "advertise", "address"),
    [
        ("127.0.0.1:5000", None, "127.0.0.1:5000"),
        ("127.0.0.1:5000", "worker.example", "worker.example:5000"),
        ("127.0.0.1:5000", "worker.example:80", "worker.example:80"),
        ("127.0.0.1:5000", "fd00::7", "[fd00::7]:5000"),
        ("127.0.0.1:5000", "[fd00::7]", "[fd00::7]:5000"),
        ("127.0.0.1:5000", "[fd00::7]:80", "[fd00::7]:80"),
        ("0.0.0.0:5000", None, "127.0.0.1:5000"),
        ("[::]:5000", None, "127.0.0.1:5000"),
    ],
)
async def test_the_address_that_gateways_are_told(listening, advertise, address):
    gateway = "grpc://127.0.0.1:1"
    config = join_config(entry(join=[gateway], advertise=advertise))
    assert await config.address_for(JoinTarget.parse(gateway), listening) == address


def test_no_public_registry_without_tokens():
    message = refused("gateway", "--registry", "0.0.0.0:50050")
    assert "whoever reaches 0.0.0.0:50050 could join: set tokens" in message


def test_status_of_what_is_no_gateway():
    assert "cannot reach a gateway" in refused("mesh", "status", "--gateway", "http://127.0.0.1:9")
    assert "write http://host:port" in refused("mesh", "status", "--gateway", "grpc://a:1")
    assert "--watch draws a table" in refused("mesh", "status", "--watch", "--json")
    with pytest.raises(RostraError):
        Gateway("127.0.0.1:8000").members()


def member(**fields):
    load = dict.fromkeys(
        "running_requests waiting_requests kv_blocks_used kv_blocks_total "
        "prefix_cache_hit_tokens prefix_cache_queried_tokens".split(),
        0,
    )
    return {
        "address": "10.0.0.1:50051",
        "source": "joined",
        "state": "serving",
        "reason": "",
        "state_seconds": 3700.0,
        "warnings": [],
        "models": [{"name": "tiny"}, {"name": "pirate"}],
        "version": "0.1.0",
        "device": "cuda:0",
        **fields,
        "load": load | fields.get("load", {}),
    }


def test_the_table():
    load = {
        "running_requests": 3,
        "waiting_requests": 4,
        "kv_blocks_used": 1,
        "kv_blocks_total": 4,
        "prefix_cache_hit_tokens": 2,
        "prefix_cache_queried_tokens": 3,
    }
    out = member(address="10.0.0.2:50051", state="out", reason="it [does] not answer")
    other = member(address="vendor", source="external", version="", device="", state_seconds=None)
    members = [member(load=load, warnings=["odd [weights]"]), out, other]
    console = Console(file=io.StringIO(), width=140)
    console.print(table({"gateway_version": "0.1.0", "members": members}))
    lines = console.file.getvalue().splitlines()
    assert lines[0].startswith("2 of 3 members serving")
    row = "10.0.0.1:50051 tiny, pirate serving 1h 1m 3 4 25% 67% 0.1.0 cuda:0"
    assert lines[2].split() == row.split()
    assert lines[4].split()[:2] == ["vendor", "(external)"]
    assert "10.0.0.2:50051 is out: it [does] not answer" in "\n".join(lines[5:])
    assert "10.0.0.1:50051: odd [weights]" in "\n".join(lines[5:])


def test_addresses_are_whole_on_a_narrow_terminal():
    addresses = ("worker-7.gpu.example.org:50051", "[fd00:1234:5678::17]:50051")
    busy = {"running_requests": 128, "waiting_requests": 1024}
    members = [
        member(address=address, load=busy, models=[{"name": "org/a-model-of-a-long-name-70b"}])
        for address in addresses
    ]
    console = Console(file=io.StringIO(), width=80)
    console.print(table({"gateway_version": "0.1.0", "members": members}))
    lines = console.file.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    for address in addresses:
        assert any(line.startswith(address) for line in lines)
    # Nothing is cut off elsewhere either: the models fold.
    assert "…" not in "".join(lines)
    assert [line.split()[-4:] for line in lines if line.startswith(addresses)] == [
        ["128", "1024", "-", "-"]
    ] * 2
    models = "".join(line[len(addresses[0]) :].split()[0] for line in lines[2:])
    assert models.count("org/a-model-of-a-long-name-70b") == 2


def test_units():
    assert [duration(seconds) for seconds in (None, 5, 65, 3700, 90_000)] == [
        *("-", "5s", "1m 5s", "1h 1m", "1d 1h")
    ]
    assert (share(1, 0), share(1, 3)) == ("-", "33%")
