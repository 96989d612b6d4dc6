"""Whether a folder holds a model that can be loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from rostra.mesh.errors import RostraError

INDEX_FILE = "model.safetensors.index.json"
WEIGHTS_FILE = "model.safetensors"
_TOKENIZER_SOURCES = ("tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")


def check_model_folder(folder: Path) -> None:
    """Reads headers only. Raises RostraError with what is missing or cut short."""
    _read_object(folder / "config.json")
    for name in weight_files(folder):
        _check_safetensors(folder / name)
    _check_tokenizer(folder)


def weight_files(folder: Path) -> list[str]:
    """Names of the safetensors files that make up the model.

    Raises RostraError where there are none.
    """
    index = folder / INDEX_FILE
    if index.is_file():
        weight_map = _read_object(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise RostraError(f"{index} has no weight_map; get the model's files again.")
        return sorted(set(weight_map.values()))
    if (folder / WEIGHTS_FILE).is_file():
        return [WEIGHTS_FILE]
    if any(folder.glob("*.bin")) or any(folder.glob("*.pth")):
        raise RostraError(
            f"{folder} has its weights as pickles, which can run code; save them as safetensors."
        )
    raise RostraError(f"{folder} has no {WEIGHTS_FILE}; it is not a complete model folder.")


def _check_safetensors(file: Path) -> None:
    if not file.is_file():
        raise RostraError(f"{file} is missing; get the model's files again.")
    try:
        with safe_open(file, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise RostraError(
            f"{file} is cut short or no safetensors file ({error}); get it again."
        ) from error


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
