"""What a checkpoint's config.json says of the model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import UnionType
from typing import Any

from rostra.mesh.errors import RostraError

CONFIG_FILE = "config.json"


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a decoder. Names are those of config.json."""

    architecture: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    tie_word_embeddings: bool
    fields: Fields = field(compare=False, repr=False)
    """The rest of the file, for the family that knows what it means."""

    @classmethod
    def read(cls, folder: Path) -> ModelConfig:
        """Reads `folder/config.json`.

        Raises RostraError when the file is absent, no JSON, or asks for something not supported.
        """
        return cls.of(Fields.read(folder))

    @classmethod
    def of(cls, fields: Fields) -> ModelConfig:
        """Raises RostraError for what is missing, out of place or not supported."""
        hidden_size = fields.integer("hidden_size")
        heads = fields.integer("num_attention_heads")
        kv_heads = fields.integer("num_key_value_heads", heads)
        if heads % kv_heads:
            raise fields.error(
                "num_key_value_heads", f"{kv_heads} does not divide num_attention_heads, {heads}"
            )
        head_dim = fields.integer("head_dim", hidden_size // heads)
        if head_dim % 2:
            raise fields.error("head_dim", f"must be even, is {head_dim}")
        return cls(
            architecture=fields.architecture(),
            vocab_size=fields.integer("vocab_size"),
            hidden_size=hidden_size,
            intermediate_size=fields.integer("intermediate_size"),
            num_hidden_layers=fields.integer("num_hidden_layers"),
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            head_dim=head_dim,
            max_position_embeddings=fields.integer("max_position_embeddings", 2048),
            tie_word_embeddings=fields.flag("tie_word_embeddings"),
            fields=fields,
        )


@dataclass(frozen=True)
class Fields:
    """Typed access to a JSON object. `null` counts as absent, as it does in transformers."""

    raw: Mapping[str, Any]
    path: Path
    section: str = ""
    """Where in the file the object is: names in errors begin with it."""

    @classmethod
    def read(cls, folder: Path) -> Fields:
        """`folder/config.json`. Raises RostraError when the file is absent or no JSON object."""
        path = folder / CONFIG_FILE
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RostraError(f"{folder} holds no {CONFIG_FILE}: not a model folder") from None
        except (OSError, ValueError) as error:
            raise RostraError(f"{path} cannot be read: {error}") from None
        if not isinstance(raw, dict):
            raise RostraError(f"{path}: expected a JSON object")
        return cls(raw, path)

    def or_else(self, defaults: Mapping[str, Any]) -> Fields:
        """These, and `defaults` for names that the file does not mention: `null` mentions one."""
        return replace(self, raw={**defaults, **self.raw})

    def part(self, name: str) -> Fields:
        """The object of this name, empty where there is none."""
        value = self.raw.get(name) or {}
        if not isinstance(value, dict):
            raise self.error(name, f"expected an object, found {value!r}")
        return Fields(value, self.path, f"{self.section}{name}.")

    def error(self, name: str, problem: str) -> RostraError:
        return RostraError(f"{self.path}: {self.section}{name}: {problem}")

    def architecture(self) -> str:
        names = self.raw.get("architectures")
        if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
            raise self.error("architectures", f"expected a list of one name, found {names!r}")
        return names[0]

    def integer(self, name: str, default: int | None = None) -> int:
        value = self._get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise self.error(name, f"expected a positive integer, found {value!r}")
        return value

    def optional_integer(self, name: str) -> int | None:
        return None if self.raw.get(name) is None else self.integer(name)

    def number(self, name: str, default: float | None = None) -> float:
        value = self._get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(name, f"expected a number, found {value!r}")
        return float(value)

    def positive(self, name: str, default: float | None = None) -> float:
        value = self.number(name, default)
        if not 0.0 < value < math.inf:
            raise self.error(name, f"expected a positive number, found {value!r}")
        return value

    def optional_number(self, name: str) -> float | None:
        return None if self.raw.get(name) is None else self.number(name)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._get(name, default)
        if not isinstance(value, bool):
            raise self.error(name, f"expected true or false, found {value!r}")
        return value

    def each(self, name: str, count: int, kinds: type | UnionType, what: str) -> list[Any] | None:
        """A list of at least `count` values of these types, of which the first `count`; None where
        there is none. `what` says in plural what they are."""
        values = self.raw.get(name)
        if values is None:
            return None
        listed = isinstance(values, list) and all(
            isinstance(value, kinds) and not isinstance(value, bool) for value in values
        )
        if not listed or len(values) < count:
            raise self.error(name, f"expected a list of {count} {what}, found {values!r}")
        return values[:count]

    def refuse(self, name: str) -> None:
        """Raises RostraError for any value."""
        if self.raw.get(name) is not None:
            raise self.error(name, f"{self.raw[name]!r} is not supported")

    def refuse_unless(self, name: str, supported: Any) -> None:
        """Raises RostraError for any other value; an absent one passes."""
        value = self._get(name, supported)
        if value != supported:
            raise self.error(name, f"{value!r} is not supported, only {supported!r}")

    def _get(self, name: str, default: Any) -> Any:
        value = self.raw.get(name)
        if value is not None:
            return value
        if default is None:
            raise self.error(name, "is missing")
        return default
