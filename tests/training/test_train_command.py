"""`rostra train` at the command line: its file, its errors of one line, and an adapter served."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest
from certificates import Authority
from typer.testing import CliRunner

from rostra.mesh.cli.config import RostraConfig, checked, default_text
from rostra.mesh.cli.main import app
from rostra.mesh.errors import RostraError
from rostra.training.settings import DpoSettings, RunSettings, SftSettings

PAGE = Path(__file__).parents[2].joinpath("docs", "training.md").read_text()
FILES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SHELL = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).replace("\\\n", "")
COMMANDS = [line for line in SHELL.splitlines() if line]
SETTINGS = {"sft": SftSettings, "dpo": DpoSettings}


def invoke(*arguments):
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def refused(*arguments):
    """The one line."""
    done = invoke(*arguments)
    assert isinstance(done.exception, RostraError), done.output
    return str(done.exception)


def test_what_is_missing_is_named(tiny_base):
    assert "out: Field required" in refused("dpo", "--model", tiny_base.path)
    assert "data: Field required" in refused("sft", "--out", "run")


def test_no_such_file(tiny_base, tmp_path):
    line = refused("sft", tmp_path / "no.jsonl", "--out", tmp_path / "r", "--model", tiny_base.path)
    assert line.startswith(f"cannot read {tmp_path / 'no.jsonl'}")


def test_no_such_store(tiny_base, tmp_path):
    url = f"sqlite:///{tmp_path / 'no.sqlite3'}"
    given = ("--votes-url", url, "--out", tmp_path / "r", "--model", tiny_base.path)
    assert "there is no vote store" in refused("dpo", *given)


def test_a_category_is_a_tag_and_a_value(tmp_path):
    assert "is not TAG=VALUE" in refused("dpo", "--out", tmp_path, "--category", "english")


def test_a_value_that_is_none(tmp_path, foxes):
    assert "batch_size" in refused("sft", foxes, "--out", tmp_path / "r", "--batch-size", "0")


def test_options_go_over_the_file(tmp_path, foxes, tiny_base):
    config = tmp_path / "rostra.toml"
    config.write_text("[train.sft]\nepochs = 0\nbatch_size = 4\n")
    given = ("sft", foxes, "--model", tiny_base.path, "-c", config, "--out", tmp_path / "r")
    assert "epochs" in refused(*given)
    done = invoke(*given, "--epochs", "1", "--batch-size", "16")
    assert done.exit_code == 0, done.output
    assert "step 3/3: eval loss" in done.output
    assert (tmp_path / "r" / "adapter" / "README.md").exists()


def test_tables_and_targets_that_are_not_there(tmp_path, foxes, tiny_base):
    config = tmp_path / "rostra.toml"
    given = ("sft", foxes, "--model", tiny_base.path, "-c", config, "--out", tmp_path / "r")
    config.write_text("[train.stf]\nepochs = 1\n")
    assert refused(*given) == "[train.stf]: there are [train.sft] and [train.dpo]"
    config.write_text('[train.sft]\nlora_targets = ["nope"]\n')
    assert refused(*given).startswith("lora_targets: Target modules {'nope'} not found")


def test_a_full_model_is_no_adapter_to_load(tmp_path, foxes, tiny_base):
    given = ("--model", tiny_base.path, "--out", tmp_path / "r", "--serve", "127.0.0.1:9")
    assert "--serve loads an adapter" in refused("sft", foxes, *given, "--method", "full")
    assert "name the worker with --serve" in refused("sft", foxes, *given[:-2], "--serve-as", "fox")


def test_a_worker_that_is_not_there_is_told_before_the_training(tmp_path, foxes, tiny_base):
    given = ("--model", tiny_base.path, "--out", tmp_path / "r", "--serve", "127.0.0.1:9")
    assert refused("sft", foxes, *given).startswith("worker 127.0.0.1:9")
    assert not (tmp_path / "r").exists()


@contextmanager
def serving(tiny_base, log, *options):
    """The address of `rostra worker` with the tiny model and room for one adapter."""
    command = [sys.executable, "-m", "rostra.mesh.cli.main", "worker"]
    command += ["--model", str(tiny_base.path), "--name", "tiny", "--listen", "127.0.0.1:0"]
    command += ["--num-threads", "1", "--max-adapters", "1", "--kv-cache-bytes", str(32 * 2**20)]
    environment = {**os.environ, "COLUMNS": "200"}
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*command, *map(str, options)], stdout=subprocess.PIPE, stderr=errors, env=environment
        ) as process,
    ):
        try:
            for line in process.stdout:
                if found := re.match(rb"worker ready on (\S+)", line):
                    yield found[1].decode()
                    break
            else:
                raise AssertionError(f"the worker ended:\n{log.read_text()}")
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def worker(tiny_base, tmp_path_factory):
    with serving(tiny_base, tmp_path_factory.mktemp("worker") / "log") as address:
        yield address


@pytest.mark.e2e
def test_the_adapter_is_loaded_into_the_worker(worker, tmp_path, foxes, tiny_base):
    given = ("--model", tiny_base.path, "--epochs", "1", "--batch-size", "16")
    done = invoke("sft", foxes, *given, "--out", tmp_path / "fox", "--serve", worker)
    assert done.exit_code == 0, done.output
    _, _, told = done.output.partition("Serving fox on tiny, rank 16")
    contestant = tomllib.loads(told[told.index("[[contestant]]") :])["contestant"][0]
    assert contestant == {"name": "fox", "model": "tiny", "adapter": "fox"}
    listed = CliRunner().invoke(app, ["adapters", "list", "--worker", worker])
    assert listed.output.startswith("fox on tiny")
    line = refused("sft", foxes, *given, "--out", tmp_path / "fox", "--serve", worker)
    assert "serves a fox already" in line


@pytest.mark.e2e
def test_a_worker_that_wants_certificates(tmp_path, foxes, tiny_base):
    authority = Authority(tmp_path)
    own, mine = authority.issue("worker"), authority.issue("operator", "operator.mesh")
    listens = ("--tls-cert", own.cert, "--tls-key", own.key, "--tls-client-ca", authority.path)
    with serving(tiny_base, tmp_path / "log", *listens) as address:
        given = ("sft", foxes, "--model", tiny_base.path, "--max-steps", "1", "--serve", address)
        out = ("--out", tmp_path / "fox")
        assert "as a server does that wants TLS" in refused(*given, *out)
        assert address in refused(*given, *out, "--ca", authority.path)
        assert not (tmp_path / "fox").exists()
        known = ("--ca", authority.path, "--cert", mine.cert, "--key", mine.key)
        done = invoke(*given, *out, *known)
        assert done.exit_code == 0, done.output
        assert "Serving fox on tiny, rank 16" in done.output
        listed = CliRunner().invoke(
            app, ["adapters", "list", "--worker", address, *map(str, known)]
        )
        assert listed.output.startswith("fox on tiny")


def test_options_of_a_call_without_a_worker_to_call(tmp_path, foxes, tiny_base):
    given = ("sft", foxes, "--model", tiny_base.path, "--out", tmp_path / "r")
    assert "name the worker with --serve" in refused(*given, "--tls")
    assert "--cert and --key go together" in refused(*given, "--cert", tmp_path / "c.pem")


@pytest.mark.e2e
def test_an_adapter_for_another_base_is_refused_in_one_line(worker, tmp_path, foxes):
    from tiny_model import save_tiny_model
    from transformers import LlamaForCausalLM

    other = tmp_path / "other"
    other.mkdir()
    save_tiny_model(other)
    model = LlamaForCausalLM.from_pretrained(other)
    model.model.norm.weight.data.mul_(2)
    model.save_pretrained(other)
    line = refused("sft", foxes, "--model", other, "--out", tmp_path / "r", "--serve", worker)
    assert f"worker {worker} serves tiny, and the adapter is for other" in line
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("text", FILES)
def test_files_in_the_documentation(tmp_path, text):
    path = tmp_path / "rostra.toml"
    path.write_text(text)
    file = RostraConfig.read(path)
    assert file.train or file.contestant
    for recipe, table in file.train.items():
        checked(
            SETTINGS[recipe],
            {"out": "run", "data": ("x.jsonl",), **table}
            if recipe == "sft"
            else {"out": "run", **table},
            recipe,
        )


def test_there_are_as_many_as_were_looked_at():
    assert (len(FILES), len(COMMANDS)) == (2, 10)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_in_the_documentation_have_the_options_they_are_given(command):
    words = shlex.split(command)
    if "train" not in words:
        return
    words = words[words.index("train") :]
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*words[:2], "--help"])
    assert done.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert option in done.output


def test_every_setting_stands_in_the_default_file():
    text = default_text()
    for name, settings in SETTINGS.items():
        table = text.partition(f"# [train.{name}]")[2].partition("\n\n")[0]
        for setting in settings.model_fields:
            shared = name == "dpo" and setting in RunSettings.model_fields
            assert shared or re.search(rf"^# {setting} = ", table, re.MULTILINE), setting
