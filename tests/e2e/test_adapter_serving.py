"""Adapters through the real processes: from the file, by the command line, over REST."""

from __future__ import annotations

import subprocess
import sys
import time

import openai
import pytest
import torch

from benchmarks.local import READY, rostra_up
from rostra.mesh.store import DEMO_MODEL, resolve

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODEL = "smollm2-135m-instruct"
PROMPT = "The capital of France is"
NUM_TOKENS = 12
COMMAND = (sys.executable, "-m", "rostra.mesh.cli.main", "adapters")


@pytest.fixture(scope="module")
def adapters(demo_home, tmp_path_factory):
    """(folder, what PEFT's merged model says) of two adapters of the demo model, by rank."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = resolve(DEMO_MODEL, demo_home).path
    ids = AutoTokenizer.from_pretrained(path)(PROMPT, return_tensors="pt")
    made = {}
    for rank in (8, 64):
        torch.manual_seed(rank)
        model = get_peft_model(
            AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32),
            LoraConfig(r=rank, use_rslora=True, target_modules=["q_proj", "v_proj", "down_proj"]),
        )
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(parameter, std=0.04)
        folder = tmp_path_factory.mktemp(f"rank-{rank}")
        model.save_pretrained(folder)
        merged = model.merge_and_unload()
        with torch.inference_mode():
            tokens = merged.generate(
                **ids, max_new_tokens=NUM_TOKENS, do_sample=False, eos_token_id=None, pad_token_id=0
            )[0, ids["input_ids"].shape[1] :]
        text = AutoTokenizer.from_pretrained(path).decode(tokens)
        made[rank] = folder, text
    return made


@pytest.fixture(scope="module")
def served(home, adapters, tmp_path_factory):
    config = tmp_path_factory.mktemp("config") / "rostra.toml"
    config.write_text(
        f'[[worker]]\nmodel = "{MODEL}"\ndtype = "float32"\nmax_adapters = 2\n'
        f'adapters = {{ first = "{adapters[8][0]}" }}\n'
    )
    with rostra_up("--home", str(home), "--no-arena", "-c", str(config)) as up:
        up.wait_for(READY)
        yield up


def command(served, *arguments):
    """`rostra adapters`; (exit code, what it printed)."""
    done = subprocess.run(
        [*COMMAND, *arguments, "--worker", served.worker],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def complete(client, model):
    answer = client.completions.create(
        model=model,
        prompt=PROMPT,
        temperature=0,
        max_tokens=NUM_TOKENS,
        extra_body={"ignore_eos": True},
    )
    assert answer.model == model
    return answer.choices[0].text


def test_adapters_from_the_file_and_loaded_later(served, adapters):
    with openai.OpenAI(base_url=f"{served.api}/v1", api_key="none", max_retries=0) as client:

        def wait_for(*names):
            end = time.monotonic() + 30
            while [each.id for each in client.models.list()] != sorted([MODEL, *names]):
                assert time.monotonic() < end
                time.sleep(0.05)

        wait_for("first")
        assert client.models.retrieve("first").base_model == MODEL
        assert complete(client, "first") == adapters[8][1]
        plain = complete(client, MODEL)
        assert "Paris" in plain

        folder, expected = adapters[64]
        code, printed = command(served, "load", "second", str(folder))
        assert (code, printed.split(", revision")[0]) == (0, f"second on {MODEL}, rank 64")
        wait_for("first", "second")
        assert complete(client, "second") == expected
        assert len({plain, expected, adapters[8][1]}) == 3
        assert complete(client, MODEL) == plain

        code, printed = command(served, "load", "third", str(folder))
        assert code == 2
        assert "all 2 adapter slots are in use" in printed
        code, printed = command(served, "list")
        assert [line.split()[0] for line in printed.splitlines()] == ["first", "second"]
        assert command(served, "unload", "first") == (0, "unloaded first\n")
        wait_for("second")
        with pytest.raises(openai.NotFoundError):
            complete(client, "first")
        assert complete(client, "second") == expected
