"""Records that are kept one by one and survive the death of the process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from rostra.arena.judge.errors import JudgeError

Record = TypeVar("Record", bound=msgspec.Struct)


class Ledger(Generic[Record]):
    """JSON lines that only grow. Records are on disk when `add` returns; a line that a dying
    process left unfinished was never acknowledged and is dropped."""

    def __init__(self, path: Path, kind: type[Record], *, writable: bool = True) -> None:
        """`writable`: nobody else writes it. Raises JudgeError for a line that is not of `kind`."""
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self.records: list[Record] = []
        data = path.read_bytes() if path.exists() else b""
        whole = data.rfind(b"\n") + 1
        decoder = msgspec.json.Decoder(kind)
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                self.records.append(decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise JudgeError(
                    f"{path}:{number}: is not of this form ({error}); restore it or take another "
                    "run folder"
                ) from None
        self._file = path.open("ab") if writable else None
        if self._file is not None and whole < len(data):
            self._file.truncate(whole)

    def add(self, *records: Record) -> None:
        """Raises JudgeError where it cannot be written."""
        if self._file is None:
            raise RuntimeError(f"{self._path} is open for reading only")
        try:
            self._file.write(b"".join(self._encoder.encode(each) + b"\n" for each in records))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise JudgeError(f"cannot write {self._path}: {error.strerror or error}") from None
        self.records.extend(records)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
