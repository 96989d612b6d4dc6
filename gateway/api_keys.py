"""Keys that callers prove themselves with: named, and stored as SHA-256 only.

A key has 256 random bits, so that a plain hash of it tells nothing and needs no salt. The file is
TOML, one table for each key:

    [[key]]
    name = "laptop"
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    models = ["smollm2-135m-instruct"]  # left out: every model
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import tomllib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rostra.gateway.errors import GatewayError


class ApiKey(BaseModel):
    """What is known of one key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._@-]{1,64}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    models: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Names or aliases of those it may use; None: all of them."""

    def allows(self, names: Collection[str]) -> bool:
        """Whether it may use the model that has these names."""
        return self.models is None or not set(names).isdisjoint(self.models)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    key: tuple[ApiKey, ...] = ()


class ApiKeys:
    """The keys of one file."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    @classmethod
    def read(cls, path: Path) -> ApiKeys:
        """Raises GatewayError: the file cannot be read, or what it says is wrong."""
        try:
            file = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise GatewayError(f"cannot read the API keys in {path}: {error.strerror}") from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise GatewayError(f"the API keys in {path} are not valid TOML: {error}") from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise GatewayError(f"the API keys in {path}: {where}: {first['msg']}") from None
        for field in ("name", "sha256"):
            values = [getattr(key, field) for key in file.key]
            if repeated := {value for value in values if values.count(value) > 1}:
                raise GatewayError(
                    f"the API keys in {path}: two have the {field} '{min(repeated)}'"
                )
        return cls(file.key)

    def named(self, name: str) -> ApiKey | None:
        return next((key for key in self._keys if key.name == name), None)

    def find(self, secret: str) -> ApiKey | None:
        """The key with this secret, in a time that does not depend on how much of it is right."""
        digest = _digest(secret)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found


def new_key(name: str, models: Iterable[str] = ()) -> tuple[str, ApiKey]:
    """A new secret, and what is to be stored of it. Raises GatewayError for a name that is none."""
    secret = f"rk-{secrets.token_urlsafe(32)}"
    try:
        key = ApiKey(name=name, sha256=_digest(secret), models=tuple(models) or None)
    except ValidationError:
        raise GatewayError(
            f"'{name}' is no name of a key: write 1 to 64 letters, digits or any of . _ @ -"
        ) from None
    return secret, key


def entry(key: ApiKey) -> str:
    """A key's table in the file."""
    lines = ["[[key]]", f'name = "{key.name}"', f'sha256 = "{key.sha256}"']
    if key.models is not None:
        # JSON's strings and lists are TOML's, too.
        lines.append(f"models = {orjson.dumps(key.models).decode()}")
    return "\n".join(lines) + "\n"


def _digest(secret: str) -> str:
    # A header may hold bytes that are no text; they are surrogates here.
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
