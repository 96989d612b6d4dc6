"""Whether a folder holds a model that can be loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from rostra.mesh.errors import RostraError
from rostra.mesh.store.safetensors_files import REPAIR, files_of, read_header

_TOKENIZER_SOURCES = ("tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")


def check_model_folder(folder: Path) -> None:
    """Reads headers only. Raises RostraError with what is missing or cut short."""
    _read_object(folder / "config.json")
    for path in files_of(folder):
        _check_safetensors(path)
    _check_tokenizer(folder)


def weight_files(folder: Path) -> list[str]:
    """Names of the safetensors files that make up the model. Raises RostraError as `files_of`."""
    return sorted(path.name for path in files_of(folder))


def _check_safetensors(file: Path) -> None:
    read_header(file)
    try:
        with safe_open(file, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise RostraError(f"{file} is damaged or truncated ({error}); {REPAIR}") from error


def _check_tokenizer(folder: Path) -> None:
    if (folder / "tokenizer.json").is_file():
        return
    if any((folder / name).is_file() for name in _TOKENIZER_SOURCES):
        raise RostraError(
            f"{folder} has no tokenizer.json, only an older form of it; "
            "write one with transformers' AutoTokenizer and save_pretrained."
        )
    raise RostraError(f"{folder} has no tokenizer.json; it is not a complete model folder.")


def _read_object(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RostraError(f"{file.parent} has no {file.name}; it is not a model folder.") from None
    except (OSError, ValueError) as error:
        raise RostraError(f"{file} cannot be read: {error}; get it again.") from error
    if not isinstance(content, dict):
        raise RostraError(f"{file} is no JSON object; get it again.")
    return content
