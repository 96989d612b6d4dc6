"""Reads an adapter's folder: adapter_config.json and adapter_model.safetensors."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from torch import Tensor

from rostra.mesh.adapters.config import CONFIG_FILE, AdapterConfig
from rostra.mesh.errors import RostraError

WEIGHTS_FILE = "adapter_model.safetensors"
PICKLE_FILE = "adapter_model.bin"
_NAME = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<half>[AB])\.weight")
_UNSUPPORTED = {
    "lora_magnitude_vector": "DoRA is not supported",
    "lora_embedding_": "adapters of embeddings are not supported",
    "modules_to_save": "modules_to_save is not supported",
    ".base_layer.": "weights of the base model in an adapter are not supported",
}
_DTYPES = ("F64", "F32", "F16", "BF16")


class LinearMap(NamedTuple):
    """A linear map of the base model, whole, whatever part of it a rank has."""

    in_features: int
    out_features: int


@dataclass(frozen=True)
class Module:
    """The adapter of one linear map. Tensors are read when they are asked for."""

    name: str
    rank: int
    _file: Any
    _path: Path
    _scale: float

    def read(self) -> tuple[Tensor, Tensor]:
        """(A [rank, in], B [out, rank] times its scaling), both float32.

        Raises RostraError for values that are not finite.
        """
        return self._half("A"), self._half("B") * self._scale

    def _half(self, half: str) -> Tensor:
        name = tensor_name(self.name, half)
        try:
            tensor: Tensor = self._file.get_tensor(name).float()
        except SafetensorError as error:
            raise RostraError(f"{self._path}: tensor {name} cannot be read ({error})") from None
        if not tensor.isfinite().all():
            raise RostraError(f"{self._path}: tensor {name} holds a value that is not finite")
        return tensor


class Adapter:
    """An adapter that fits a base model. Nothing of it is in memory but its description."""

    def __init__(self, folder: Path, maps: Mapping[str, LinearMap], max_rank: int) -> None:
        """`maps`: those of the base model that can be adapted, by the names of their checkpoint.

        Raises RostraError, which names file and tensor, for an adapter that cannot be served: of a
        kind or rank that is not supported, or of another base model.
        """
        self.folder = folder
        config = AdapterConfig.read(folder)
        self._path = folder / WEIGHTS_FILE
        file = _open(folder)
        names = frozenset(file.keys())
        found = self._modules(names, maps, config)
        self._check_targets(found, maps, config)
        for module in found:
            self._check_tensors(module, maps[module], config, file, max_rank)
        self.modules = [
            Module(name, config.rank_of(name), file, self._path, config.scale_of(name))
            for name in found
        ]
        self.rank = max(module.rank for module in self.modules)
        """The highest of its modules'."""
        self.revision = _digest(folder / CONFIG_FILE, self._path)
        """Content hash of both files."""

    def __iter__(self) -> Iterator[Module]:
        return iter(self.modules)

    def _modules(
        self, names: frozenset[str], maps: Mapping[str, LinearMap], config: AdapterConfig
    ) -> list[str]:
        found: dict[str, set[str]] = {}
        for name in sorted(names):
            match = _NAME.fullmatch(name)
            if match is None:
                raise self._error(name, _why_unknown(name))
            module = match["module"]
            if module not in maps:
                raise self._error(
                    name,
                    f"the base model has no linear map {module} that can be adapted (the adapter "
                    f"was made for {config.base_model})",
                )
            if not config.targets(module):
                raise self._error(name, f"target_modules in {CONFIG_FILE} does not name its module")
            found.setdefault(module, set()).add(match["half"])
        for module, halves in found.items():
            for missing in {"A", "B"} - halves:
                raise RostraError(f"{self._path} lacks tensor {tensor_name(module, missing)}")
        if not found:
            raise RostraError(f"{self._path} holds no tensors")
        return list(found)

    def _check_targets(
        self, found: list[str], maps: Mapping[str, LinearMap], config: AdapterConfig
    ) -> None:
        if config.selects_layers:
            return
        for module in maps.keys() - found:
            if config.targets(module):
                raise RostraError(
                    f"{self._path} lacks tensor {tensor_name(module, 'A')}, which target_modules "
                    f"in {CONFIG_FILE} asks for"
                )

    def _check_tensors(
        self, module: str, linear: LinearMap, config: AdapterConfig, file: Any, max_rank: int
    ) -> None:
        rank = config.rank_of(module)
        shapes = {"A": [rank, linear.in_features], "B": [linear.out_features, rank]}
        for half, shape in shapes.items():
            name = tensor_name(module, half)
            part = file.get_slice(name)
            if part.get_dtype() not in _DTYPES:
                raise self._error(
                    name,
                    f"has dtype {part.get_dtype()}; supported are {', '.join(_DTYPES)}",
                )
            if part.get_shape() != shape:
                raise self._error(
                    name,
                    f"has shape {part.get_shape()}, and with rank {rank} this base model asks for "
                    f"{shape} (the adapter was made for {config.base_model})",
                )
        if rank > max_rank:
            raise self._error(
                tensor_name(module, "A"),
                f"rank {rank} is above the limit of {max_rank}; start the worker with "
                f"--max-adapter-rank {rank}",
            )

    def _error(self, name: str, problem: str) -> RostraError:
        return RostraError(f"{self._path}: tensor {name}: {problem}")


def tensor_name(module: str, half: str) -> str:
    """In an adapter's file; `half` is A or B."""
    return f"base_model.model.{module}.lora_{half}.weight"


def _open(folder: Path) -> Any:
    path = folder / WEIGHTS_FILE
    if not path.is_file() and (folder / PICKLE_FILE).exists():
        raise RostraError(
            f"{folder / PICKLE_FILE} is a pickle, which is never read; save the adapter as "
            f"{WEIGHTS_FILE}"
        )
    try:
        return safe_open(path, framework="pt", device="cpu")
    except FileNotFoundError:
        raise RostraError(f"{path} is missing") from None
    except (SafetensorError, OSError) as error:
        raise RostraError(f"{path} is damaged or truncated ({error})") from None


def _why_unknown(name: str) -> str:
    for part, why in _UNSUPPORTED.items():
        if part in name:
            return why
    return "its name is none of a LoRA adapter's in PEFT's format"


def _digest(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
