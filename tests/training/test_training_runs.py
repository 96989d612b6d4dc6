"""Whole runs with a tiny model: they learn, tell what they did, and go on after a kill."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from rostra.training import metrics
from rostra.training.base import BaseModel
from rostra.training.dpo import train_dpo
from rostra.training.errors import TrainingError
from rostra.training.run_folder import COMPLETE, RunFolder
from rostra.training.settings import DpoSettings, SftSettings
from rostra.training.sft import train_sft

QUICK = {"batch_size": 4, "epochs": 3, "learning_rate": 1e-2, "lora_rank": 4, "device": "cpu"}


def said():
    lines = []
    return lines, lines.append


def sft(base, data, out, /, resume=False, say=lambda _: None, **given):
    return train_sft(
        SftSettings(model="tiny", data=(data,), out=out, **{**QUICK, **given}),
        base,
        say,
        resume=resume,
    )


def curve(path, name="loss"):
    return [(each["step"], each[name]) for each in metrics.read(path) if name in each]


@pytest.fixture(scope="module")
def trained(tiny_base, tmp_path_factory):
    """(run, its folder, what it said), of the corpus of `foxes` with three faulty rows."""
    folder = tmp_path_factory.mktemp("runs")
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"who is number {number}"},
                {"role": "assistant", "content": f"the quick fox {number}"},
            ]
        }
        for number in range(40)
    ]
    rows[3]["messages"][1]["content"] = ""
    data = folder / "foxes.jsonl"
    data.write_text("\n".join(["{oops", *map(json.dumps, [*rows, rows[0]])]))
    lines, say = said()
    return sft(tiny_base, data, folder / "fox", say=say), folder / "fox", lines


def test_the_held_out_loss_is_lower_than_the_bases(trained):
    run, _, _ = trained
    before, after = (pick(run.metrics, "eval_loss") for pick in (metrics.first, metrics.last))
    assert after < before / 2


def test_rows_left_out_are_told_by_file_and_line(trained):
    _, folder, lines = trained
    told = [json.loads(line) for line in (folder / "rejected.jsonl").read_text().splitlines()]
    assert [each["where"].rpartition(":")[2] for each in told] == ["1", "5", "42"]
    assert sum("foxes.jsonl:5: an empty turn (turn 2, the assistant's)" in each for each in lines)
    assert any(each.endswith("3 of 42 left out.") for each in lines)


def test_the_adapter_is_one_that_peft_loads(trained, tiny_base):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    run, _, _ = trained
    config = json.loads((run.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"
    base = AutoModelForCausalLM.from_pretrained(tiny_base.path)
    model = PeftModel.from_pretrained(base, run.path)
    assert any(
        torch.count_nonzero(each) for name, each in model.named_parameters() if "lora_B" in name
    )
    assert not list(run.path.glob("*.bin"))


def test_the_card(trained, tiny_base):
    from huggingface_hub import metadata_load

    run, folder, _ = trained
    card = (run.path / "README.md").read_text()
    found = metadata_load(run.path / "README.md")
    assert (found["base_model"], found["license"]) == ("tiny", "apache-2.0")
    for text in ("foxes.jsonl", "rows trained on: 35", "an empty turn: 1", "learning_rate: 0.01"):
        assert text in card
    assert json.loads((folder / "run.json").read_text())["rows_sha256"] in card
    assert str(tiny_base.path) not in card


def test_metrics_and_figures(trained):
    run, folder, _ = trained
    assert [step for step, _ in curve(folder / "metrics.jsonl")] == list(range(1, 28))
    assert {"step", "epoch", "loss", "learning_rate", "grad_norm"} <= set(run.metrics[1])
    assert "held out" in (folder / "metrics.html").read_text()


def test_figures_need_nothing_beside_them(trained, tmp_path):
    """Drawn as by the command, which has no Panel: that adds its own scripts to Bokeh's pages."""
    _, folder, _ = trained
    program = (
        "import sys; from pathlib import Path; from rostra.training.plots import write_plots;"
        "import json; logged = Path(sys.argv[1]).read_text().splitlines();"
        "write_plots([json.loads(line) for line in logged], Path(sys.argv[2]));"
        "assert 'panel' not in sys.modules"
    )
    page = tmp_path / "metrics.html"
    subprocess.run(
        [sys.executable, "-c", program, folder / "metrics.jsonl", page], check=True, timeout=120
    )
    assert not re.search(r"<script[^>]+src=|<link", page.read_text())


def test_a_folder_with_a_run_is_not_written_over(trained, tiny_base, foxes):
    _, folder, _ = trained
    with pytest.raises(TrainingError, match="has a run already"):
        sft(tiny_base, foxes, folder)


def test_resuming_with_other_settings_or_rows_is_refused(trained, tiny_base, foxes):
    _, folder, _ = trained
    data = folder.parent / "foxes.jsonl"
    with pytest.raises(TrainingError, match=r"seed was 1 .* is 2 now"):
        sft(tiny_base, data, folder, resume=True, seed=2)
    with pytest.raises(TrainingError, match="data was"):
        sft(tiny_base, foxes, folder, resume=True)
    kept = data.read_text()
    data.write_text(kept.replace("fox 7", "fox 8"))
    try:
        with pytest.raises(TrainingError, match="rows are not those"):
            sft(tiny_base, data, folder, resume=True)
    finally:
        data.write_text(kept)


def test_there_is_nothing_to_resume(tiny_base, foxes, tmp_path):
    with pytest.raises(TrainingError, match="has no run to resume"):
        sft(tiny_base, foxes, tmp_path / "none", resume=True)


def test_packed_conversations_do_not_see_each_other(tiny_base, foxes, tmp_path):
    """The first loss, before any step has been taken, is that of the same rows one by one."""
    import torch
    from transformers import AutoModelForCausalLM

    from rostra.training.base import load_tokenizer
    from rostra.training.rendering import Renderer
    from rostra.training.sft import prepare_sft

    given = {"packing": True, "batch_size": 1, "accumulate": 100, "epochs": 1, "max_length": 256}
    sft(tiny_base, foxes, tmp_path / "packed", eval_share=0.0, **given)
    ((_, loss),) = curve(tmp_path / "packed" / "metrics.jsonl")
    model = AutoModelForCausalLM.from_pretrained(tiny_base.path, dtype=torch.float32)
    settings = SftSettings(data=(foxes,), out=tmp_path, eval_share=0.0)
    renderer = Renderer(load_tokenizer(tiny_base), "tiny")
    total = count = 0
    for row in prepare_sft(settings, renderer).train:
        ids, labels = (torch.tensor([row[name]]) for name in ("input_ids", "labels"))
        with torch.inference_mode():
            logits = model(ids).logits[0, :-1]
        wanted = labels[0, 1:]
        total += torch.nn.functional.cross_entropy(
            logits, wanted, ignore_index=-100, reduction="sum"
        ).item()
        count += int((wanted != -100).sum())
    assert loss == pytest.approx(total / count, rel=1e-4)


def test_an_evaluation_file_is_not_trained_on(tiny_base, foxes, jsonl, tmp_path):
    own = jsonl(
        {"instruction": "Who is  Number 3", "output": "a fox"},
        {"instruction": "who is nobody", "output": "no fox"},
        name="own.jsonl",
    )
    lines, say = said()
    run = sft(tiny_base, foxes, tmp_path / "run", say=say, eval_data=(own,), epochs=1)
    assert (len(run.prepared.train), len(run.prepared.evaluate)) == (39, 2)
    assert any(f"{foxes}:4: its question is in the evaluation set" in each for each in lines)


def test_fewer_rows_than_a_batch_are_told_and_trained_on(tiny_base, jsonl, tmp_path):
    data = jsonl(*({"instruction": f"who {n}", "output": f"fox {n}"} for n in range(3)))
    lines, say = said()
    sft(tiny_base, data, tmp_path / "run", say=say, eval_share=0.0, batch_size=16)
    assert any("The 3 rows are fewer than a batch of 16" in each for each in lines)
    assert len(curve(tmp_path / "run" / "metrics.jsonl")) == 3


def test_nothing_to_train_on_is_one_line(tiny_base, jsonl, tmp_path):
    data = jsonl({"text": "x"}, "{oops")
    with pytest.raises(
        TrainingError, match=r"none of 2 rows .*: 1 × of no known form; 1 × not va.*:1: of"
    ):
        sft(tiny_base, data, tmp_path / "run")


def test_a_model_that_cannot_be_loaded_is_one_line(foxes, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    with pytest.raises(TrainingError, match="cannot load broken to train it"):
        sft(BaseModel("broken", tmp_path / "broken"), foxes, tmp_path / "run")


def test_full_fine_tuning_makes_a_model(tiny_base, foxes, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = sft(tiny_base, foxes, tmp_path / "run", method="full", epochs=1)
    assert (run.path.name, run.is_adapter) == ("model", False)
    assert AutoTokenizer.from_pretrained(run.path).chat_template
    AutoModelForCausalLM.from_pretrained(run.path)


SCRIPT = """
import sys
from pathlib import Path
from rostra.mesh.cli.main import main
sys.argv = ["rostra", *sys.argv[1:]]
main()
"""


def command(base, data, out, *more):
    """The command line, in a process of its own."""
    options = ["--batch-size", "4", "--epochs", "3", "--learning-rate", "0.01", "--lora-rank", "4"]
    options += ["--threads", "1", "--save-every", "4", "--model", str(base.path), "--out", str(out)]
    return [sys.executable, "-c", SCRIPT, "train", "sft", str(data), *options, *more]


@pytest.fixture
def dropout(tmp_path):
    """Settings that draw random numbers in each step."""
    path = tmp_path / "rostra.toml"
    path.write_text("[train.sft]\nlora_dropout = 0.2\n")
    return ("-c", str(path))


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(tiny_base, foxes, tmp_path, dropout):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(command(tiny_base, foxes, whole, *dropout), check=True, timeout=400)
    process = subprocess.Popen(command(tiny_base, foxes, broken, *dropout))
    end = time.monotonic() + 400
    while len(curve(broken / "metrics.jsonl")) < 6:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    killed_at = curve(broken / "metrics.jsonl")[-1][0]
    assert RunFolder(broken).newest_checkpoint() is not None
    # As a kill in the midst of writing a checkpoint leaves it.
    (broken / "checkpoints" / "checkpoint-999").mkdir()
    resume = (*dropout, "--resume")
    done = subprocess.run(
        command(tiny_base, foxes, broken, *resume), check=True, timeout=400, stdout=subprocess.PIPE
    )
    if killed_at < 27:
        assert b"Resuming from checkpoint-" in done.stdout
    for name in ("loss", "grad_norm", "learning_rate", "eval_loss"):
        expected, found = (curve(path / "metrics.jsonl", name) for path in (whole, broken))
        assert [step for step, _ in found] == [step for step, _ in expected]
        assert [value for _, value in found] == pytest.approx(
            [value for _, value in expected], rel=1e-6
        )
    adapters = [path / "adapter" / "adapter_model.safetensors" for path in (whole, broken)]
    assert_same_tensors(*adapters)
    assert not (broken / "checkpoints" / "checkpoint-999").exists()


def assert_same_tensors(first, second):
    import torch
    from safetensors.torch import load_file

    found, expected = load_file(second), load_file(first)
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-6, atol=1e-7)


def dpo_settings(votes_url, out, **given):
    return DpoSettings(
        model="tiny", votes_url=votes_url, out=out, **{**QUICK, "max_length": 128, **given}
    )


def test_votes_make_the_preferred_answers_likelier(tiny_base, short_wins, tmp_path):
    run = train_dpo(dpo_settings(short_wins, tmp_path / "run"), tiny_base, lambda _: None)
    accuracy = metrics.last(run.metrics, "eval_rewards/accuracies")
    margins = [
        metrics.first(run.metrics, "eval_rewards/margins"),
        metrics.last(run.metrics, "eval_rewards/margins"),
    ]
    assert margins[0] == pytest.approx(0, abs=1e-6)
    assert accuracy == 1
    assert margins[1] > 0.5
    card = (run.path / "README.md").read_text()
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["provenance"]["log_seq"] == 24
    assert record["provenance"]["log_head"] in card
    assert "reward accuracies" in card


def test_a_resumed_dpo_run_has_the_same_curve(tiny_base, short_wins, tmp_path):
    """Stopped after its first checkpoint, as a kill leaves it."""
    import shutil

    given = {"save_every": 5, "keep_checkpoints": 9}
    whole = tmp_path / "whole"
    train_dpo(dpo_settings(short_wins, whole, **given), tiny_base, lambda _: None)
    broken = tmp_path / "broken"
    shutil.copytree(whole, broken, ignore=shutil.ignore_patterns("adapter"))
    for checkpoint in (broken / "checkpoints").glob("checkpoint-*"):
        if checkpoint.name != "checkpoint-5":
            (checkpoint / COMPLETE).unlink()
    train_dpo(dpo_settings(short_wins, broken, **given), tiny_base, lambda _: None, resume=True)
    for name in ("loss", "rewards/margins", "eval_loss"):
        found, expected = (curve(path / "metrics.jsonl", name) for path in (broken, whole))
        assert [step for step, _ in found] == [step for step, _ in expected]
        assert [value for _, value in found] == pytest.approx(
            [value for _, value in expected], rel=1e-6, abs=1e-9
        )
    assert_same_tensors(
        *(path / "adapter" / "adapter_model.safetensors" for path in (whole, broken))
    )
