"""Which safetensors files make up a model, and what their headers say.

Read here rather than by the library where its own reading would let something pass: a name given
twice, or a file outside of the model's folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rostra.mesh.errors import RostraError

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
REPAIR = "get the model's files again"
_LONGEST_HEADER = 100_000_000
"""Bytes, as in the library."""
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True)
class TensorEntry:
    """A tensor's line in a header."""

    dtype: str
    shape: tuple[int, ...]
    num_bytes: int


def files_of(folder: Path) -> dict[Path, frozenset[str] | None]:
    """The files, and which tensors the index puts into each; None: all that it has.

    Raises RostraError where there are none, or where the index is damaged, names a file that is not
    there, or one outside of the folder.
    """
    index = folder / INDEX_FILE
    if index.is_file():
        return _indexed_files(index)
    if (folder / WEIGHTS_FILE).is_file():
        return {folder / WEIGHTS_FILE: None}
    for path in sorted(folder.glob("*")):
        if path.suffix in _PICKLES:
            raise _pickle(path)
    raise RostraError(
        f"{folder} holds neither {WEIGHTS_FILE} nor {INDEX_FILE}: it is not a complete model folder"
    )


def read_header(path: Path) -> dict[str, TensorEntry]:
    """By name. Raises RostraError for a file that is absent, empty, truncated or damaged."""
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            if not size:
                raise RostraError(f"{path} is empty; {REPAIR}")
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or length > min(size - 8, _LONGEST_HEADER):
                raise _damaged(path, "its header is longer than the file")
            content = stream.read(length)
    except FileNotFoundError:
        raise RostraError(f"{path} is missing; {REPAIR}") from None
    except OSError as error:
        raise RostraError(f"{path} cannot be read ({error}); {REPAIR}") from None
    try:
        header = json.loads(content, object_pairs_hook=_without_repeats)
        entries = {name: _entry(line) for name, line in header.items() if name != "__metadata__"}
    except _RepeatError as error:
        raise _damaged(path, f"its header names {error} twice") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _damaged(path, "its header is not that of a safetensors file") from None
    _check_offsets(path, header, size - 8 - length)
    return entries


def _indexed_files(index: Path) -> dict[Path, frozenset[str] | None]:
    try:
        content = json.loads(index.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
        places = content["weight_map"]
        named = {name: places[name] for name in places}
    except _RepeatError as error:
        raise RostraError(f"{index} names {error} twice; {REPAIR}") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise RostraError(f"{index} is no index of safetensors files; {REPAIR}") from None
    if not named:
        raise RostraError(f"{index} names no tensors; {REPAIR}")
    tensors_of: dict[Path, set[str]] = {}
    for name, file in named.items():
        tensors_of.setdefault(_inside(index, name, file), set()).add(name)
    for path in tensors_of:
        if not path.is_file():
            raise RostraError(f"{path} is missing, and {INDEX_FILE} names it; {REPAIR}")
    return {path: frozenset(tensors_of[path]) for path in sorted(tensors_of)}


def _inside(index: Path, tensor: str, file: Any) -> Path:
    """The path of a file that the index names. A symbolic link may lead out of the folder, as in
    the hub's cache; a name may not."""
    plain = isinstance(file, str) and Path(file).name == file and "\0" not in file
    if not plain or file in ("", ".."):
        raise RostraError(
            f"{index} puts tensor {tensor} into {file!r}, which is no file name inside the model's "
            "folder"
        )
    path = index.parent / file
    if path.suffix in _PICKLES:
        raise _pickle(path)
    return path


def _pickle(path: Path) -> RostraError:
    return RostraError(
        f"{path} is a pickle, which can run any code when it is read; save the model as "
        "safetensors, as save_pretrained of transformers does"
    )


def _damaged(path: Path, problem: str) -> RostraError:
    return RostraError(f"{path} is damaged or truncated: {problem}; {REPAIR}")


def _entry(line: Any) -> TensorEntry:
    start, end = line["data_offsets"]
    dtype, shape = line["dtype"], tuple(line["shape"])
    if not isinstance(dtype, str) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError
    return TensorEntry(dtype, shape, end - start)


def _check_offsets(path: Path, header: dict[str, Any], room: int) -> None:
    """Names a tensor that the file ends before; all else the library checks."""
    for name, line in header.items():
        if name != "__metadata__" and line["data_offsets"][1] > room:
            raise _damaged(path, f"it ends before tensor {name}")


class _RepeatError(Exception):
    """A name that an object has twice."""


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _RepeatError(repr(name))
            seen.add(name)
    return made
