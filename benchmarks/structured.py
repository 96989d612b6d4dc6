"""What following grammars costs: decode steps with masks against steps without, and compiling."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import msgspec

from benchmarks.drive import Load, describe_config, drive, engine_config, open_engine
from benchmarks.models import ChosenModel
from benchmarks.results import Row, median_row
from rostra.mesh import grammar as forms
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.grammar import TokenMasks
from rostra.mesh.engine.grammar_table import Grammars
from rostra.mesh.grammar.compiled import Vocabulary

_PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 4},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
GRAMMARS = {
    "none": "",
    # So many that no output comes to its end before the others.
    "schema": forms.json_schema(json.dumps({"type": "array", "items": _PERSON, "minItems": 1000})),
    "any objects": forms.json_schema(
        json.dumps({"type": "array", "items": {"type": "object"}, "minItems": 1000})
    ),
    "expression": forms.regex(r"([A-Z][a-z]{2,8} \d{4}-\d{2}-\d{2}, ){1000}"),
}


def structured(args: argparse.Namespace, model: ChosenModel) -> list[Row]:
    """For each grammar: time of a decode step, what of it went into masks, and the step against one
    without grammars; then the times to compile it and to find it compiled. All in turn."""
    load = Load(max(args.streams), args.prompt_tokens, args.output_tokens, temperature=1.0)
    config = engine_config(args, model, [load], prefix_caching=False)
    engine = open_engine(config, model)
    assert engine.grammars is not None
    for text in filter(None, GRAMMARS.values()):
        engine.grammars.compile(text)
    found: dict[str, list[Row]] = {name: [] for name in GRAMMARS}
    for repeat in range(args.repeats):
        # Forwards and backwards in turn, so that none always follows the same one.
        names = list(GRAMMARS) if repeat % 2 == 0 else list(GRAMMARS)[::-1]
        rows = {name: _decode(engine, load, model, repeat, GRAMMARS[name]) for name in names}
        for name, row in rows.items():
            row["step_to_none"] = row["decode_step_ms"] / rows["none"]["decode_step_ms"]
            common = {"model": model.name, **describe_config(config), "streams": load.streams}
            found[name].append({**common, "grammar": name, **row, **_compile(model, name)})
        print(f"run {repeat + 1} of {args.repeats}", file=sys.stderr, flush=True)
    return [median_row(rows) for rows in found.values()]


def _decode(engine: Engine, load: Load, model: ChosenModel, seed: int, grammar: str) -> Row:
    requests = [
        msgspec.structs.replace(request, grammar=grammar)
        for request in load.requests(model.config.vocab_size, seed)
    ]
    with _timed_masks() as masks:
        run = drive(engine, requests)
    ends = [end for end in run.steps if end >= run.prefill_seconds]
    steps = [after - before for before, after in pairwise(ends)]
    # Medians: what else the machine does in one step says nothing of the others.
    step, mask = statistics.median(steps), statistics.median(masks)
    return {
        "decode_step_ms": step * 1000,
        "mask_ms": mask * 1000 if grammar else 0.0,
        "mask_of_step": mask / step if grammar else 0.0,
    }


@contextmanager
def _timed_masks() -> Iterator[list[float]]:
    """Seconds that each step's masks take, consuming the tokens before them included."""
    times: list[float] = []
    computed = TokenMasks.of

    def timed(*args: object) -> object:
        start = time.perf_counter()
        result = computed(*args)  # type: ignore[arg-type]
        times.append(time.perf_counter() - start)
        return result

    TokenMasks.of = timed  # type: ignore[assignment, method-assign]
    try:
        yield times
    finally:
        TokenMasks.of = computed  # type: ignore[method-assign]


def _compile(model: ChosenModel, name: str) -> Row:
    text = GRAMMARS[name]
    if not text:
        return {}
    vocabulary = Vocabulary.load(model.folder, model.config.vocab_size)
    grammars = Grammars(lambda: vocabulary)
    times = []
    for _ in range(2):
        start = time.perf_counter()
        grammars.begin(text, "request")
        grammars.matcher(text)
        times.append(time.perf_counter() - start)
        grammars.end("request")
    return {"compile_ms": times[0] * 1000, "cached_ms": times[1] * 1000}
