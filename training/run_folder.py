"""The folder of a run: what it was told, its checkpoints, and whether it can go on.

run.json         settings, and a digest of the rows that are trained and evaluated on
rejected.jsonl   rows that are not, with the reason
metrics.jsonl    what was logged, a line each
checkpoints/     of the trainer; one that is whole has a file COMPLETE
adapter/         what was trained, as PEFT saves it (or model/, after full fine-tuning)
metrics.html     the same as figures
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rostra.training.errors import TrainingError

COMPLETE = "COMPLETE"
_FREE = {"out", "threads", "keep_checkpoints", "votes_url"}
"""Settings that may change between the parts of a run."""


class RunFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.metrics = path / "metrics.jsonl"
        self.rejected = path / "rejected.jsonl"
        self._record = path / "run.json"

    @property
    def begun(self) -> bool:
        return self._record.exists()

    def recorded(self) -> dict[str, Any]:
        """Raises TrainingError where there is no run to go on with."""
        try:
            found = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict):
            raise TrainingError(f"{self.path} has no run to resume; leave out --resume")
        return found

    def check_new(self) -> None:
        """Raises TrainingError where a run is in the way."""
        if self.begun:
            raise TrainingError(
                f"{self.path} has a run already: go on with it by --resume, or give another --out"
            )

    def check_settings(self, settings: Mapping[str, Any]) -> None:
        """Raises TrainingError where the run began with others."""
        before = self.recorded()["settings"]
        for name, value in settings.items():
            if name not in _FREE and before.get(name) != value:
                raise TrainingError(
                    f"{name} was {before.get(name)!r} when the run in {self.path} began and is "
                    f"{value!r} now: resume with the settings it began with"
                )

    def check_rows(self, digest: str) -> None:
        """Raises TrainingError where the run began with other rows."""
        if self.recorded()["rows_sha256"] != digest:
            raise TrainingError(
                f"the rows are not those that the run in {self.path} began with (edited, redacted "
                "or tagged anew since): begin a new run with another --out"
            )

    def begin(self, recipe: str, settings: Mapping[str, Any], rows: str, **more: Any) -> None:
        """Writes the record, last of what comes before the first step."""
        record = {"recipe": recipe, "settings": settings, "rows_sha256": rows, **more}
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        self.metrics.unlink(missing_ok=True)
        part = self._record.with_suffix(".part")
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        part.replace(self._record)

    def make(self) -> None:
        """Raises TrainingError where it cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / ".writable").touch()
            (self.path / ".writable").unlink()
        except OSError as error:
            raise TrainingError(f"cannot write to {self.path}: {error.strerror}") from None

    def newest_checkpoint(self) -> Path | None:
        """The newest that was written to its end, if there is any."""
        whole = (each.parent for each in self.checkpoints.glob(f"checkpoint-*/{COMPLETE}"))
        return max(whole, key=step_of, default=None)

    def drop_unfinished(self) -> None:
        """Those that a kill left half written, which the trainer would count among the newest."""
        for each in self.checkpoints.glob("checkpoint-*"):
            if not (each / COMPLETE).exists():
                shutil.rmtree(each)


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def digest(rows: Any) -> str:
    """SHA-256 of rows of plain JSON, hex."""
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()
