"""What an adapter's adapter_config.json says: PEFT's format for LoRA (arXiv 2106.09685)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rostra.mesh.errors import RostraError

CONFIG_FILE = "adapter_config.json"

_READ = frozenset(
    "peft_type r lora_alpha use_rslora target_modules exclude_modules layers_to_transform "
    "rank_pattern alpha_pattern bias init_lora_weights".split()
)
_WITHOUT_EFFECT = frozenset(
    "auto_mapping base_model_name_or_path eva_config inference_mode layers_pattern loftq_config "
    "corda_config lora_dropout lora_ga_config megatron_core peft_version qalora_group_size "
    "revision runtime_config task_type ensure_weight_tying".split()
)
"""On the result of an adapter whose config passes the other checks."""
_INITIAL_WEIGHTS = (True, False, None, "gaussian", "eva", "orthogonal")
"""The other ways to begin (PiSSA, OLoRA, CorDA, LoftQ ...) change the base model's weights."""


@dataclass(frozen=True)
class AdapterConfig:
    path: Path
    rank: int
    alpha: float
    use_rslora: bool
    target_modules: Sequence[str] | str
    """Names, or the ends of names behind a dot; or a pattern for whole names."""
    exclude_modules: Sequence[str] | str
    rank_pattern: Mapping[str, float]
    """Pattern of a name's end: what it has in place of `rank`."""
    alpha_pattern: Mapping[str, float]
    selects_layers: bool
    """Whether only some layers have what `target_modules` names."""
    base_model: str
    """As the one who trained it calls it. For people."""

    @classmethod
    def read(cls, folder: Path) -> AdapterConfig:
        """Raises RostraError where the file is absent, or asks for something not supported."""
        path = folder / CONFIG_FILE
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise RostraError(f"{folder} holds no {CONFIG_FILE}: not an adapter's folder") from None
        except (OSError, ValueError) as error:
            raise RostraError(f"{path} cannot be read: {error}") from None
        if not isinstance(raw, dict):
            raise RostraError(f"{path}: expected a JSON object")
        _refuse(raw, path)
        return cls(
            path=path,
            rank=_integer(raw, "r", path),
            alpha=_number(raw, "lora_alpha", path),
            use_rslora=bool(raw.get("use_rslora")),
            target_modules=_modules(raw, "target_modules", path),
            exclude_modules=_modules(raw, "exclude_modules", path),
            rank_pattern=_pattern(raw, "rank_pattern", path),
            alpha_pattern=_pattern(raw, "alpha_pattern", path),
            selects_layers=raw.get("layers_to_transform") not in (None, []),
            base_model=str(raw.get("base_model_name_or_path") or "another base model"),
        )

    def targets(self, module: str) -> bool:
        """Whether `target_modules` and `exclude_modules` choose the module of that name."""
        return _chosen(self.target_modules, module) and not _chosen(self.exclude_modules, module)

    def rank_of(self, module: str) -> int:
        return int(_first_match(self.rank_pattern, module, self.rank))

    def scale_of(self, module: str) -> float:
        """alpha / r, or alpha / sqrt(r) where the rank is stabilised (arXiv 2312.03732)."""
        alpha = _first_match(self.alpha_pattern, module, self.alpha)
        rank = self.rank_of(module)
        return alpha / (math.sqrt(rank) if self.use_rslora else rank)


def _refuse(raw: Mapping[str, Any], path: Path) -> None:
    kind = raw.get("peft_type")
    if kind != "LORA":
        raise RostraError(f"{path}: peft_type {kind!r} is not supported, only 'LORA'")
    if raw.get("bias", "none") != "none":
        raise RostraError(f"{path}: bias {raw['bias']!r} is not supported, only 'none'")
    start = raw.get("init_lora_weights", True)
    if start not in _INITIAL_WEIGHTS:
        raise RostraError(
            f"{path}: init_lora_weights {start!r} changes the base model's own weights, which is "
            "not supported; convert the adapter to plain LoRA when saving it"
        )
    for name, value in raw.items():
        if name not in _READ and name not in _WITHOUT_EFFECT and value:
            raise RostraError(f"{path}: {name} is not supported (it is {_shortened(value)})")


def _integer(raw: Mapping[str, Any], name: str, path: Path) -> int:
    value = raw.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise RostraError(f"{path}: {name}: expected a positive integer, found {_shortened(value)}")
    return value


def _number(raw: Mapping[str, Any], name: str, path: Path) -> float:
    value = raw.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RostraError(f"{path}: {name}: expected a number, found {_shortened(value)}")
    return float(value)


def _modules(raw: Mapping[str, Any], name: str, path: Path) -> Sequence[str] | str:
    value = raw.get(name)
    if isinstance(value, str):
        _compiled(value, name, path)
        return value
    if value is None and name != "target_modules":
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RostraError(f"{path}: {name}: expected names or a pattern, found {_shortened(value)}")
    return tuple(value)


def _pattern(raw: Mapping[str, Any], name: str, path: Path) -> Mapping[str, float]:
    value = raw.get(name) or {}
    if not isinstance(value, dict):
        raise RostraError(f"{path}: {name}: expected an object, found {_shortened(value)}")
    for key in value:
        _compiled(key, name, path)
    read = _integer if name == "rank_pattern" else _number
    return {key: read(value, key, path) for key in value}


def _compiled(pattern: str, name: str, path: Path) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise RostraError(f"{path}: {name}: {pattern!r} is no pattern: {error}") from None


def _chosen(modules: Sequence[str] | str, module: str) -> bool:
    if isinstance(modules, str):
        return re.fullmatch(modules, module) is not None
    return any(module == name or module.endswith(f".{name}") for name in modules)


def _first_match(patterns: Mapping[str, float], module: str, default: float) -> float:
    for pattern, value in patterns.items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return default


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
