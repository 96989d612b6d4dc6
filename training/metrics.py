"""What the trainers log, kept as JSON lines that a resumed run goes on with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rostra.training.run_folder import COMPLETE

_TIMES = ("runtime", "per_second", "total_flos", "num_tokens", "train_loss")
"""What depends on the machine, or begins anew when a run is resumed."""


class Recorder(TrainerCallback):
    """Writes each log with its step, and marks checkpoints that are whole.

    A run that was killed had logged steps after its last checkpoint; they are taken again, so
    their lines are taken out when it goes on.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self._path = path
        self._say = say

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            kept = [each for each in read(self._path) if each["step"] <= state.global_step]
            self._path.write_text("".join(map(_line, kept)), encoding="utf-8")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        found = {
            name: float(value)
            for name, value in (logs or {}).items()
            if not any(part in name for part in _TIMES)
        }
        if not state.is_world_process_zero or set(found) <= {"epoch"}:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line({"step": state.global_step, **found}))
        self._say(_shown(state, found))

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            folder = Path(args.output_dir or ".") / f"checkpoint-{state.global_step}"
            (folder / COMPLETE).touch()


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of the file, without one that a kill left half written."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def last(found: list[dict[str, Any]], name: str) -> float | None:
    return next((each[name] for each in reversed(found) if name in each), None)


def first(found: list[dict[str, Any]], name: str) -> float | None:
    return next((each[name] for each in found if name in each), None)


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry) + "\n"


def _shown(state: TrainerState, found: dict[str, Any]) -> str:
    wanted = ("loss", "rewards/accuracies", "rewards/margins", "learning_rate")
    told = [
        f"{name.replace('rewards/', 'reward ').replace('_', ' ')} {found[name]:.4g}"
        for prefix in ("", "eval_")
        for each in wanted
        if (name := f"{prefix}{each}") in found
    ]
    return f"step {state.global_step}/{state.max_steps}: {', '.join(told)}"
