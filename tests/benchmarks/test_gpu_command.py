"""The command for machines with a GPU, on one without."""

from __future__ import annotations

import pytest

from benchmarks import gpu
from benchmarks.gpu import Part


def test_a_dry_run_lists_every_part(capsys):
    gpu.main(["--dry-run"])
    told = capsys.readouterr().out
    for name in ("tests", "kernels", "engine-llama-8b-fp8-both", "peers-llama-1b", "accuracy"):
        assert name in told


def test_quick_leaves_out_the_large_shape(capsys):
    gpu.main(["--dry-run", "--quick"])
    assert "llama-8b" not in capsys.readouterr().out


def test_without_a_gpu_it_ends_with_one_line(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"Nothing to measure: .* CUDA"):
        gpu.main([])


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--part", "x"])
    assert "engine-llama-1b" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("part", "outcome"),
    [
        (Part("a", ["-c", "print('fine')"], 60, json=""), "done"),
        (Part("b", ["-c", "raise SystemExit('no memory')"], 60, json=""), "failed with 1"),
        (Part("c", ["-c", "import time; time.sleep(60)"], 0.2, json=""), "ended after its limit"),
        (Part("d", [], 60, needs=("no_such_module",)), "not run: no_such_module is missing"),
    ],
)
def test_whatever_happens_to_a_part_is_told(tmp_path, part, outcome):
    row = gpu.run(part, tmp_path, "")
    assert row["outcome"].startswith(outcome)
    if part.name == "b":
        assert row["last line"] == "no memory"


def test_the_parts_are_commands_that_exist():
    modules = {part.command[1] for part in gpu.parts("cuda", quick=False)}
    assert modules == {
        "pytest",
        *(f"benchmarks.{n}" for n in ("kernels", "engine", "floors", "peers", "accuracy")),
    }
