"""`rostra keys`, and a gateway that is given the file."""

from __future__ import annotations

import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from rostra.gateway.api_keys import ApiKeys
from rostra.mesh.cli.config import default_text


def rostra(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rostra.mesh.cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_keys_are_added_to_a_file_and_shown_once(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    first = rostra("keys", "new", "laptop", "--file", str(file))
    assert first.returncode == 0, first.stderr
    secret = first.stdout.strip()
    assert secret.startswith("rk-")
    assert secret not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    second = rostra("keys", "new", "phone", "--model", "a", "--model", "b", "--file", str(file))
    keys = ApiKeys.read(file)
    assert len(keys) == 2
    assert keys.find(secret) == keys.named("laptop")
    phone = keys.find(second.stdout.strip())
    assert phone is not None
    assert (phone.name, phone.models) == ("phone", ("a", "b"))

    again = rostra("keys", "new", "laptop", "--file", str(file))
    assert again.returncode == 2
    assert "choose another name" in again.stderr
    assert len(ApiKeys.read(file)) == 2


def test_the_entry_without_a_file(tmp_path: Path) -> None:
    made = rostra("keys", "new", "laptop")
    start = made.stderr.index("[[key]]")
    file = tmp_path / "keys.toml"
    file.write_text(made.stderr[start : made.stderr.index("The key, which")])
    key = ApiKeys.read(file).find(made.stdout.strip())
    assert key is not None
    assert key.name == "laptop"


def test_a_gateway_refuses_a_file_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text('[[key]]\nname = "a"\nsha256 = "b"\n')
    for given in (file, tmp_path / "absent.toml"):
        gateway = rostra("gateway", "--port", "0", "-w", "127.0.0.1:1", "--api-keys", str(given))
        assert gateway.returncode == 2
        assert gateway.stderr.count("\n") == 1, gateway.stderr
        assert str(given) in gateway.stderr


def test_an_arena_without_a_key_is_told(tmp_path: Path) -> None:
    config = tmp_path / "rostra.toml"
    text = default_text().replace("\n[gateway]\n", '\n[gateway]\napi_keys = "keys.toml"\n')
    config.write_text(text.replace("port = 8000", "port = 0").replace("port = 8001", "port = 0"))
    up = rostra("up", "--config", str(config), "--home", str(tmp_path))
    assert up.returncode == 2
    assert "api_key in [arena]" in up.stderr


def test_a_key_is_managed_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    place = ("--file", str(file))
    made = rostra(
        *("keys", "new", "team", *place, "--scope", "inference", "--expires", "2031-02-03"),
        *("--requests-per-minute", "60", "--max-priority", "5", "--weight", "2"),
    )
    secret = made.stdout.strip()
    key = ApiKeys.read(file).find(secret)
    assert key is not None
    assert key.scopes == ("inference",)
    assert key.expires == datetime(2031, 2, 3, tzinfo=UTC)
    assert (key.requests_per_minute, key.max_priority, key.weight) == (60, 5, 2.0)

    limited = ("--tokens-per-minute", "1000", "--requests-per-minute", "0")
    assert rostra("keys", "limit", "team", *place, *limited).returncode == 0
    key = ApiKeys.read(file).find(secret)
    assert key is not None
    assert (key.requests_per_minute, key.tokens_per_minute, key.weight) == (None, 1000, 2.0)

    listed = rostra("keys", "list", *place).stdout
    for part in (
        "team",
        "until 2031-02-03 00:00 UTC",
        "inference",
        "1000 tokens/min",
        "priority 5",
    ):
        assert part in listed
    assert key.sha256 not in listed

    assert rostra("keys", "disable", "team", *place).returncode == 0
    assert "disabled" in rostra("keys", "list", *place).stdout
    assert rostra("keys", "enable", "team", *place).returncode == 0

    rotated = rostra("keys", "rotate", "team", *place).stdout.strip()
    keys = ApiKeys.read(file)
    assert keys.find(secret) is None
    after = keys.find(rotated)
    assert after is not None
    assert after.model_copy(update={"sha256": key.sha256}) == key

    assert rostra("keys", "revoke", "team", *place).returncode == 0
    assert len(ApiKeys.read(file)) == 0
    for command in (
        ("revoke", "team"),
        ("rotate", "team"),
        ("limit", "team", "--weight", "1"),
        ("limit", "team"),
        ("list",),
        ("new", "x", "--scope", "all"),
    ):
        missing = tmp_path / "absent.toml" if command == ("list",) else file
        refused = rostra("keys", *command, "--file", str(missing))
        assert refused.returncode == 2, command
        assert refused.stderr.count("\n") == 1, refused.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
