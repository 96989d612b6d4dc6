"""The Containerfiles: linted, and what they copy, install and start exists.

There is no container engine on the machines that run these tests, so no image is built here.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer.main

from rostra.mesh.cli.main import app

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "containers"
FILES = sorted(FOLDER.glob("*.Containerfile"))
sys.path.append(str(FOLDER))

from requirements import ENGINE, name_of, requirements  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions(path: Path) -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE))
    lines = (line.strip().partition(" ") for line in text.splitlines() if line.strip())
    return [(name, rest.strip()) for name, _, rest in lines]


def test_there_is_one_for_each():
    names = [path.name.removesuffix(".Containerfile") for path in FILES]
    assert names == ["arena", "gateway", "worker-cpu", "worker-cuda"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
class TestContainerfile:
    def test_the_linter_finds_nothing(self, path: Path):
        linter = Path(sys.executable).with_name("hadolint")
        done = subprocess.run([linter, path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    def test_everything_that_is_copied_is_there_and_not_ignored(self, path: Path):
        kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
        copies = [rest.split() for name, rest in instructions(path) if name == "COPY"]
        assert copies
        for words in copies:
            if words[0].startswith("--from="):
                continue
            for source in words[:-1]:
                assert (ROOT / source).exists()
                assert source in kept

    def test_it_runs_as_nobody_in_particular_and_says_how_it_is(self, path: Path):
        last = dict(instructions(path))
        assert last["USER"] == "10001:10001"
        assert last["STOPSIGNAL"] == "SIGTERM"
        assert "CMD [" in last["HEALTHCHECK"]
        assert not any(name == "FROM" and "latest" in rest for name, rest in instructions(path))

    def test_every_package_is_pinned(self, path: Path):
        for name, rest in instructions(path):
            for command in re.split(r"&&|;", rest) if name == "RUN" else ():
                if "pip install" in command and "--no-deps" not in command:
                    assert "-c constraints.txt" in command

    def test_its_command_is_one_of_rostra(self, path: Path):
        last = dict(instructions(path))
        assert json.loads(last["ENTRYPOINT"]) == ["rostra"]
        command, *flags = json.loads(last["CMD"])
        known = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
        options = {option for parameter in known.params for option in parameter.opts}
        assert {flag for flag in flags if flag.startswith("--")} <= options

    def test_its_extras_are_extras(self, path: Path):
        for extra in re.findall(r"'\.\[(.+?)\]'", path.read_text()):
            assert set(extra.split(",")) <= set(PROJECT["optional-dependencies"])
        for extras in re.findall(r"requirements\.py(.*) > ", path.read_text()):
            assert requirements(PROJECT, shlex.split(extras))


def test_what_an_image_installs_is_pinned():
    pinned = {
        name_of(line) for line in (ROOT / "constraints.txt").read_text().split() if "==" in line
    }
    for requirement in requirements(PROJECT, ["arena", "postgresql"]):
        assert name_of(requirement) in pinned, requirement
    assert {name_of(each) for each in PROJECT["dependencies"]} >= ENGINE


BLOCKED = """
import sys


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)


sys.meta_path.insert(0, Missing())
from rostra.mesh.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("command", "ready"),
    [
        (("gateway", "--port", "0", "--worker", "127.0.0.1:9"), "gateway ready on"),
        (("arena", "--port", "0"), "arena ready on"),
    ],
)
def test_without_the_engine_it_starts(command: tuple[str, ...], ready: str, tmp_path: Path):
    names = sorted(name.replace("-", "_") for name in ENGINE)
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", BLOCKED.format(names=names), *command],
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "log").open("w"),
        text=True,
        env={**os.environ, "ROSTRA_HOME": str(tmp_path)},
    )
    assert child.stdout is not None
    try:
        assert ready in child.stdout.readline(), (tmp_path / "log").read_text()
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=60)
    assert child.returncode == 0
