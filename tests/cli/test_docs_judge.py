"""docs/judge.md and the tables of `[[judge]]`: files that work, commands that are commands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest
import typer

from rostra.arena.judge.questions import read_questions
from rostra.mesh.cli.config import RostraConfig, default_text
from rostra.mesh.cli.main import app
from rostra.mesh.errors import RostraError

PAGE = Path(__file__).parents[2].joinpath("docs", "judge.md").read_text()
FILES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SHELL = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [line.partition("#")[0] for line in SHELL.splitlines()]


def read(tmp_path: Path, text: str) -> RostraConfig:
    path = tmp_path / "rostra.toml"
    path.write_text(text)
    return RostraConfig.read(path)


def uncommented(text: str) -> str:
    """With the settings that stand there as comments."""
    return re.sub(r"^# (?=[a-z_]+ = |\[\[)", "", text, flags=re.MULTILINE)


def test_the_page_has_what_is_looked_at():
    assert (len(FILES), len(COMMANDS)) == (1, 8)


@pytest.mark.parametrize("change", [str, uncommented])
def test_files(tmp_path, change):
    judges = read(tmp_path, change(FILES[0])).judges()
    assert [each.name for each in judges] == ["smollm2", "gpt-4o"]
    assert judges[1].cost(1_000_000, 100_000) == pytest.approx(3.5)
    assert judges[1].structured == ("tool" if change is uncommented else "json_schema")


def test_the_default_file_names_every_setting(tmp_path):
    table = default_text()[default_text().index("# Models that judge answers") :]
    (judge,) = read(tmp_path, uncommented(table)).judges()
    assert judge.model_fields_set == set(type(judge).model_fields)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command):
    words = shlex.split(command)
    assert words.pop(0) == "rostra"
    found: click.Command = typer.main.get_command(app)
    while isinstance(found, click.Group):
        found = found.commands[words.pop(0)]
    assert found.make_context("rostra", words).params


def test_prompts(tmp_path):
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "prompts.jsonl"
    path.write_text(example)
    (question,), faults = read_questions(path)
    assert faults == []
    assert list(question.reference) == json.loads(example)["reference"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('name = "a"\nmodel = "m"\n[[judge]]\nname = "a"\nmodel = "n"', "two [[judge]] share"),
        ('name = "a"', "model: Field required"),
        ('name = "a"\nmodel = "m"\nextra = { stream = true }', "stream is set by the judge's run"),
        ('name = "a"\nmodel = "m"\nprice = 1', "price: there is no such setting"),
        ('name = ""\nmodel = "m"', "name: String should have at least 1"),
    ],
)
def test_bad_tables_are_one_line(tmp_path, table, said):
    with pytest.raises(RostraError, match=re.escape(said)) as caught:
        read(tmp_path, f"[[judge]]\n{table}\n").judges()
    assert "\n" not in str(caught.value)
