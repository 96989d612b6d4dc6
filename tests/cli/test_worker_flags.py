"""The flags of `rostra worker`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rostra.mesh.cli import worker
from rostra.mesh.cli.config import WorkerEntry
from rostra.mesh.cli.main import app

FLAGS = {
    "--task": ("embed", "task", "embed"),
    "--pooling": ("last", "pooling", "last"),
    "--tp": ("2", "tensor_parallel_size", 2),
    "--quantization": ("int4", "quantization", "int4"),
    "--kv-cache-dtype": ("fp8", "kv_cache_dtype", "fp8"),
    "--speculation": ("ngram", "speculation", "ngram"),
    "--num-draft-tokens": ("6", "num_draft_tokens", 6),
    "--adapter": ("it=/folder", "adapters", {"it": "/folder"}),
    "--max-adapters": ("3", "max_adapters", 3),
    "--max-adapter-rank": ("128", "max_adapter_rank", 128),
    "--no-graphs": (None, "graphs", False),
    "--no-overlap": (None, "overlap", False),
    "--stall-timeout": ("7.5", "stall_timeout", 7.5),
    "--metrics": ("127.0.0.1:0", "metrics", "127.0.0.1:0"),
}


@pytest.fixture
def entries(monkeypatch) -> list[WorkerEntry]:
    """What would have been served."""
    found: list[WorkerEntry] = []
    monkeypatch.setattr(worker, "run", lambda entry, *_: found.append(entry))
    return found


def test_flags_become_settings(entries):
    arguments = [part for flag, (value, *_) in FLAGS.items() for part in (flag, value) if part]
    result = CliRunner().invoke(app, ["worker", "--model", "x", *arguments])
    assert result.exit_code == 0, result.output
    expected = {name: value for _, name, value in FLAGS.values()}
    assert entries[0].model_dump(include=set(expected)) == expected


def test_a_flag_wins_over_the_file(entries, tmp_path):
    path = tmp_path / "rostra.toml"
    path.write_text('[[worker]]\nmodel = "x"\nquantization = "int4"\nspeculation = "ngram"\n')
    result = CliRunner().invoke(app, ["worker", "-c", str(path), "--quantization", "int8"])
    assert result.exit_code == 0, result.output
    assert (entries[0].quantization, entries[0].speculation) == ("int8", "ngram")


def test_adapters_are_names_and_folders(entries):
    def serve(*arguments):
        return CliRunner().invoke(app, ["worker", "--model", "x", *arguments])

    assert serve("--adapter", "a=/x", "--adapter", "b=/y=z").exit_code == 0
    assert entries[0].adapters == {"a": "/x", "b": "/y=z"}
    assert entries[0].engine_config(Path("m")).max_adapters == 2
    for wrong, problem in (
        (["--adapter", "a"], "write NAME=FOLDER"),
        (["--adapter", "a=/x", "--adapter", "a=/y"], "given twice"),
        (["--adapter", "a=/x", "--max-adapters", "0"], "max_adapters is 0, and 1 adapters"),
    ):
        assert problem in str(serve(*wrong).exception)
    assert len(entries) == 1


def test_a_choice_that_does_not_exist_lists_those_that_do(entries):
    result = CliRunner().invoke(app, ["worker", "--model", "x", "--quantization", "int3"])
    assert result.exit_code == 2
    for choice in ("none", "int8", "int4", "fp8"):
        assert choice in result.output
    assert not entries
