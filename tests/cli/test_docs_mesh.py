"""docs/mesh.md: its files are files that work, and its commands are commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rostra.mesh.cli.config import RostraConfig
from rostra.mesh.cli.main import app
from rostra.mesh.worker.join_target import JoinTarget

PAGE = Path(__file__).parents[2].joinpath("docs", "mesh.md").read_text()
FILES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SHELL = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).replace("\\\n", "")
COMMANDS = [line.split(" > ")[0] for line in SHELL.splitlines()]


@pytest.mark.parametrize("text", FILES)
def test_files(tmp_path, text):
    path = tmp_path / "rostra.toml"
    path.write_text(text)
    file = RostraConfig.read(path)
    assert file.worker or file.gateway_settings().registry
    for entry in file.worker:
        assert all(JoinTarget.parse(url).secure for url in entry.join)


def test_there_are_as_many_as_were_looked_at():
    assert (len(FILES), len(COMMANDS)) == (3, 7)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_have_the_options_they_are_given(command):
    words = shlex.split(command)
    assert words[0] == "rostra"
    name = []
    for word in words[1:]:
        if word.startswith("-") or (name and name[-1] in ("new", "status", "worker", "gateway")):
            break
        name.append(word)
    help_text = CliRunner().invoke(app, [*name, "--help"], env={"COLUMNS": "200"}).output
    for option in re.findall(r"--[a-z-]+", command):
        assert option in help_text, option
