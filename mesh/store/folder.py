"""A folder with one complete model, and the manifest that says so."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from rostra.mesh.errors import RostraError
from rostra.mesh.store.progress import Progress, ProgressTask

MANIFEST_FILE = "rostra.json"
FORMAT = 1
"""Raised when conversion changes what it writes, so that older folders are made again."""
_CHUNK = 2**20


@dataclass(frozen=True)
class ModelFolder:
    """A model that can be loaded: config.json, tokenizer.json and safetensors in one folder."""

    name: str
    path: Path
    revision: str
    """Names the weights: equal weights, equal revision."""
    source: str
    """Where the files came from, in words."""


class FileRecord(msgspec.Struct, frozen=True):
    size: int
    """In bytes."""
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Written into a folder last: a folder with a manifest was complete once."""

    format: int
    name: str
    source: str
    quantization: str | None
    """How the weights were quantised before they were written here, None if they were not."""
    revision: str
    files: dict[str, FileRecord]

    @property
    def size(self) -> int:
        return sum(record.size for record in self.files.values())

    @classmethod
    def describe(
        cls, folder: Path, progress: Progress, *, name: str, source: str, quantization: str | None
    ) -> Manifest:
        """Reads and hashes every file under `folder`."""
        names = [
            file.relative_to(folder).as_posix()
            for file in sorted(folder.rglob("*"))
            if file.is_file() and file.name != MANIFEST_FILE
        ]
        files = hash_files(folder, names, progress)
        return cls(
            format=FORMAT,
            name=name,
            source=source,
            quantization=quantization,
            revision=revision_of(files),
            files=files,
        )

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """None where there is no manifest that this version of Rostra understands."""
        try:
            manifest = msgspec.json.decode((folder / MANIFEST_FILE).read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError):
            return None
        return manifest if manifest.format == FORMAT else None

    def write(self, folder: Path) -> None:
        text = msgspec.json.format(msgspec.json.encode(self), indent=2)
        (folder / MANIFEST_FILE).write_bytes(text + b"\n")

    def check_sizes(self, folder: Path) -> None:
        """Takes microseconds a file. Raises RostraError for a damaged folder."""
        for name, record in self.files.items():
            try:
                size = (folder / name).stat().st_size
            except OSError:
                raise self._damaged(folder, f"{name} is missing") from None
            if size != record.size:
                raise self._damaged(folder, f"{name} has {size} bytes instead of {record.size}")

    def check_content(self, folder: Path, progress: Progress) -> None:
        """Reads every file. Raises RostraError for a damaged folder."""
        self.check_sizes(folder)
        for name, record in hash_files(folder, list(self.files), progress).items():
            if record != self.files[name]:
                raise self._damaged(folder, f"the content of {name} has changed")

    def _damaged(self, folder: Path, what: str) -> RostraError:
        return RostraError(
            f"Model {self.name!r} in {folder} is damaged: {what}. "
            f"Run `rostra models pull {self.name} --force`."
        )


def revision_of(files: Mapping[str, FileRecord]) -> str:
    """A short name for the weights among `files`, from their content: 16 hex digits.

    Only safetensors files count, so that a corrected template leaves the revision as it is.
    """
    lines = "".join(
        f"{name} {record.sha256}\n"
        for name, record in sorted(files.items())
        if name.endswith(".safetensors")
    )
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def hash_files(folder: Path, names: Sequence[str], progress: Progress) -> dict[str, FileRecord]:
    """What a manifest records of each file."""
    sizes = {name: (folder / name).stat().st_size for name in names}
    records = {}
    with progress.task(f"Checking {folder.name}", sum(sizes.values())) as task:
        for name, size in sizes.items():
            records[name] = FileRecord(size, hash_file(folder / name, task))
    return records


def hash_file(file: Path, task: ProgressTask) -> str:
    """SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            task.advance(len(chunk))
    return digest.hexdigest()
