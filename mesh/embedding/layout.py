"""What a model folder in the layout of sentence-transformers says of the model's vectors."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rostra.mesh.errors import RostraError

log = logging.getLogger(__name__)

Pooling = Literal["last", "mean", "cls"]

MODULES_FILE = "modules.json"
_POOLINGS: dict[str, Pooling] = {"lasttoken": "last", "mean": "mean", "cls": "cls"}
# Before sentence-transformers 5.3, a flag for each mode.
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True)
class SentenceLayout:
    """The settings of one folder; None for what it does not say."""

    pooling: Pooling | None = None
    max_seq_length: int | None = None
    """Tokens of a text at most."""

    @classmethod
    def read(cls, folder: Path) -> SentenceLayout:
        """Nothing is set for a folder without modules.json.

        Raises RostraError for modules that would make other vectors than hidden states that are
        pooled and brought to unit length.
        """
        file = folder / MODULES_FILE
        if not file.is_file():
            return cls()
        modules = _read(file, list)
        try:
            paths = {module["type"].rpartition(".")[2]: module["path"] for module in modules}
        except (TypeError, KeyError, AttributeError):
            raise RostraError(f"{file}: expected modules with a type and a path") from None
        for kind, path in paths.items():
            if kind not in ("Transformer", "Pooling", "Normalize"):
                raise RostraError(
                    f"{file}: the module {kind} is not supported, only Transformer, Pooling and "
                    "Normalize"
                )
            if kind == "Transformer" and path:
                raise RostraError(
                    f"{file}: the transformer lies in {path}; only one in the model's own folder "
                    "is supported"
                )
        settings = _sentence_settings(folder)
        _check_forward(folder, settings)
        if settings.get("do_lower_case"):
            raise RostraError(
                f"{folder} asks for texts in lower case before they reach the tokenizer, which is "
                "not supported: set do_lower_case to false if the tokenizer does it"
            )
        _warn_of_default_prompt(folder)
        pooling = _read_pooling(folder, paths["Pooling"]) if "Pooling" in paths else None
        return cls(pooling, _max_seq_length(folder, settings))


def _read_pooling(folder: Path, path: str) -> Pooling:
    if Path(path).name != path:
        raise RostraError(f"{folder / MODULES_FILE}: {path!r} is no folder of the model's")
    file = folder / path / "config.json"
    config = _read(file, dict)
    modes = config.get("pooling_mode") or [mode for key, mode in _FLAGS.items() if config.get(key)]
    if isinstance(modes, str):
        modes = [modes]
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise RostraError(
            f"{file}: pooling by {' and '.join(map(str, modes)) or 'nothing'} is not supported, "
            f"only one of {', '.join(_POOLINGS)}; --pooling takes another"
        )
    return _POOLINGS[modes[0]]


def _sentence_settings(folder: Path) -> dict[str, Any]:
    """Of the Transformer module; the file's name has that of the model's kind in it."""
    files = sorted(folder.glob("sentence_*_config.json"))
    return _read(files[0], dict) if files else {}


def _check_forward(folder: Path, settings: dict[str, Any]) -> None:
    """Refuses what newer folders can ask for beside the last hidden states of plain texts."""
    ways = settings.get("modality_config") or {}
    if "message" in ways:
        raise RostraError(
            f"{folder} puts texts through a chat template before they are embedded, which is not "
            "supported"
        )
    output = ways.get("text", {}).get("method_output_name", "last_hidden_state")
    if output != "last_hidden_state":
        raise RostraError(f"{folder} pools {output!r}; only last hidden states are supported")


def _max_seq_length(folder: Path, settings: dict[str, Any]) -> int | None:
    """Newer folders say it of the tokenizer, where a huge number stands for no limit."""
    value = settings.get("max_seq_length")
    file = folder / "tokenizer_config.json"
    if value is None and file.is_file():
        value = _read(file, dict).get("model_max_length")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 1:
        raise RostraError(f"{folder}: max_seq_length is {value!r}, expected a positive number")
    return int(value)


def _warn_of_default_prompt(folder: Path) -> None:
    file = folder / "config_sentence_transformers.json"
    name = _read(file, dict).get("default_prompt_name") if file.is_file() else None
    if name is not None:
        log.warning(
            "%s puts the prompt %r before every text; here that is for the caller to do",
            file.name,
            name,
        )


def _read(file: Path, kind: type) -> Any:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RostraError(f"{file} is missing; get the model's files again") from None
    except (OSError, ValueError) as error:
        raise RostraError(f"{file} cannot be read: {error}") from None
    if not isinstance(content, kind):
        what = "an object" if kind is dict else "a list"
        raise RostraError(f"{file}: expected {what}")
    return content
