"""The engine's benchmark: its arithmetic, and small real runs of each experiment."""

from __future__ import annotations

import json
import time

import pytest
import torch

from benchmarks import engine, startup
from benchmarks.drive import Load, Run, drive
from benchmarks.floors import MatmulFloor, engines_own, kv_bytes_per_token, plain, weight_bytes
from benchmarks.models import SHAPES, projections, random_model
from benchmarks.stopwatch import Stopwatch
from rostra.mesh.engine.messages import FinishReason, OutputToken, RequestOutput
from rostra.mesh.errors import RostraError

CPU = torch.device("cpu")
SMALL = "--random tiny --num-threads 1 --prompt-tokens 24 --output-tokens 6 --repeats 1".split()


class Scripted:
    """An engine whose steps are written down: tokens for each request, or how it ends."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.has_work = True

    def add_request(self, request):
        pass

    def step(self):
        time.sleep(0.002)
        outputs = [
            RequestOutput(request_id=name, tokens=[OutputToken(1)] * count, finish=finish)
            for name, (count, finish) in self.steps.pop(0).items()
        ]
        self.has_work = bool(self.steps)
        return outputs


def test_decoding_begins_when_the_last_request_has_its_first_token():
    run = drive(
        Scripted(
            {"0-0": (1, None)},
            {"0-0": (1, None), "0-1": (1, None)},
            {"0-0": (1, None), "0-1": (2, None)},
            {"0-0": (1, FinishReason.LENGTH), "0-1": (1, FinishReason.STOP)},
        ),
        Load(2, prompt_tokens=10).requests(100, seed=0),
    )
    assert run.after_first == 5
    assert run.decode_steps == 2
    assert run.prefill_seconds == run.steps[1]
    assert run.prefill_rate == pytest.approx(20 / run.steps[1])
    assert run.decode_rate == pytest.approx(5 / (run.steps[3] - run.steps[1]))
    assert run.step_seconds == pytest.approx((run.steps[3] - run.steps[1]) / 2)
    assert {name: len(tokens) for name, tokens in run.tokens.items()} == {"0-0": 4, "0-1": 4}


def test_a_request_that_fails_ends_the_measurement():
    steps = ({"0-0": (1, None)}, {"0-0": (0, FinishReason.ERROR)})
    with pytest.raises(RuntimeError, match="0-0"):
        drive(Scripted(*steps), Load(1).requests(100, seed=0))


def test_prompts_differ_between_requests_and_seeds_and_never_by_chance():
    load = Load(3, prompt_tokens=20)
    prompts = [r.prompt_token_ids for seed in (0, 1) for r in load.requests(100, seed)]
    assert len({tuple(prompt) for prompt in prompts}) == 6
    assert [r.prompt_token_ids for r in load.requests(100, 0)] == prompts[:3]


def test_the_bytes_of_a_model_are_those_of_its_maps():
    config = random_model("smollm2-135m").config
    shapes = list(projections(config))
    assert len(shapes) == 4 * 30 + 1
    assert sum(o * i for o, i, _ in shapes) == 134_479_872  # 135 million without norms
    assert weight_bytes(config, "none") == 2 * 134_479_872
    head = config.vocab_size * config.hidden_size
    assert weight_bytes(config, "int4") == (134_479_872 - head) / 2 + head
    assert kv_bytes_per_token(config, 2) == 2 * 30 * 3 * 64 * 2


def test_floors_compute_every_map_of_the_model():
    config = random_model("tiny").config
    calls = []

    def counting(weight, sensitive):
        def linear(x):
            calls.append((*weight.shape, sensitive, len(x)))
            return x

        return linear

    MatmulFloor(config, CPU, torch.float32, counting).seconds(rows=8, head_rows=2, repeats=1)
    expected = [(*shape, 2 if shape[2] else 8) for shape in projections(config)]
    assert sorted(set(calls)) == sorted(set(expected))
    assert len(calls) == len(expected)


@pytest.mark.parametrize("make", ["plain", "engine"])
def test_linear_maps_of_floors_are_right(make):
    dtype = torch.float32
    made = plain(dtype, CPU) if make == "plain" else engines_own(dtype, "none", CPU)
    weight, x = torch.randn(48, 32), torch.randn(5, 32)
    torch.testing.assert_close(made(weight, False)(x), x @ weight.T)


def test_time_inside_an_inner_part_is_not_the_outer_ones():
    watch = Stopwatch()
    inner = watch.wrap("inner", lambda: time.sleep(0.02))

    def both():
        time.sleep(0.01)
        inner()

    start = time.perf_counter()
    watch.wrap("outer", both)()
    total = time.perf_counter() - start
    assert watch.seconds["inner"] >= 0.02
    assert watch.seconds["outer"] >= 0.01
    assert watch.seconds["inner"] + watch.seconds["outer"] <= total
    assert watch.calls == {"inner": 1, "outer": 1}


def rows_of(tmp_path, *arguments):
    out = tmp_path / "result.json"
    engine.main([*SMALL, "--json", str(out), *arguments])
    document = json.loads(out.read_text())
    assert document["machine"]["date"]
    assert document["arguments"]["random"] == "tiny"
    return document["benchmark"], document["rows"]


def test_throughput_of_a_small_model(tmp_path):
    benchmark, rows = rows_of(tmp_path, "--streams", "1", "--streams", "3")
    assert benchmark == "engine"
    assert [row["streams"] for row in rows] == [1, 3]
    for row in rows:
        assert row["decode_tok_per_s"] == pytest.approx(
            row["streams"] * 1000 / row["decode_step_ms"], rel=1e-6
        )
        assert row["decode_of_plain_matmuls"] > 0
        assert 0 < row["decode_of_bandwidth"] < 1


def test_parts_of_a_step_add_up_to_it(tmp_path):
    benchmark, (row,) = rows_of(tmp_path, "--streams", "2", "--experiment", "profile")
    assert benchmark == "profile"
    parts = {key: row[key] for key in row if key.endswith("_ms") and key != "step_ms"}
    assert sum(parts.values()) == pytest.approx(row["step_ms"], rel=1e-6)
    for part in ("schedule", "apply", "lay_out", "sampling", "model: matmul", "model: attention"):
        assert parts[f"{part}_ms"] > 0, part


def test_what_is_not_the_model_is_counted_at_16_streams(tmp_path):
    _, (row,) = rows_of(tmp_path, "--experiment", "overhead")
    assert row["streams"] == 16
    assert row["all_but_model_ms"] == pytest.approx(row["step_ms"] - row["model: other_ms"])


def test_a_shared_prefix_is_found_and_a_strange_one_is_not(tmp_path):
    _, rows = rows_of(tmp_path, "--experiment", "prefix")
    assert [row["tokens_found"] for row in rows] == [1024, 0]


def test_too_small_a_cache_fails_no_request(tmp_path):
    _, (large, small) = rows_of(tmp_path, "--experiment", "pressure", "--output-tokens", "40")
    assert (large["finished"], large["failed"], large["preemptions"]) == (16, 0, 0)
    assert (small["finished"], small["failed"]) == (16, 0)
    assert small["preemptions"] > 0
    assert small["kv_blocks"] < small["needed"] <= large["kv_blocks"]


def test_a_start_needs_a_model_with_files():
    with pytest.raises(RostraError, match="--model"):
        startup.measure(engine.parse(SMALL), random_model("tiny"))


def test_what_cannot_be_run_is_said_in_a_line(capsys):
    with pytest.raises(SystemExit, match="no such kind of device"):
        engine.main([*SMALL, "--device", "abacus"])


def test_shapes_are_those_of_the_models_they_are_named_after():
    for name, millions in (("smollm2-135m", 134.5), ("llama-1b", 1235.7), ("llama-8b", 8029.9)):
        config = random_model(name).config
        numbers = sum(o * i for o, i, _ in projections(config))
        numbers += 0 if config.tie_word_embeddings else config.vocab_size * config.hidden_size
        assert round(numbers / 1e6, 1) == millions or abs(numbers / 1e6 - millions) < 0.5
    assert set(SHAPES) >= {"tiny"}


def test_an_empty_run_has_no_decoding():
    run = Run(prompt_tokens=4, steps=[0.5], first={"a": 0.5})
    assert (run.decode_steps, run.step_seconds, run.decode_rate) == (0, 0.0, 0.0)
