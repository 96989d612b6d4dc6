"""Keys that callers prove themselves with: named, and stored as SHA-256 only.

A key has 256 random bits, so that a plain hash of it tells nothing and needs no salt. The file is
TOML, one table for each key; docs/api-keys.md says what it may have:

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
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from rostra.gateway.errors import GatewayError

Scope = Literal["inference", "models", "operate"]
DEFAULT_SCOPES: tuple[Scope, ...] = ("inference", "models")
MOST_PER_MINUTE = 10_000_000
"""Of a limit. A bucket's time is in microseconds: one of these is 6 of them."""

PerMinute = Annotated[int, Field(ge=1, le=MOST_PER_MINUTE)]


class ApiKey(BaseModel):
    """What is known of one key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._@-]{1,64}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    models: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Names or aliases of those it may use; None: all of them."""
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = DEFAULT_SCOPES
    """What it may be used for."""
    expires: AwareDatetime | None = None
    """The moment from which it is none."""
    disabled: bool = False
    requests_per_minute: PerMinute | None = None
    tokens_per_minute: PerMinute | None = None
    """Of prompts and answers together."""
    max_concurrent: Annotated[int, Field(ge=1)] | None = None
    """Requests that run or wait at once."""
    max_priority: Annotated[int, Field(ge=-(2**31), le=2**31 - 1)] = 0
    """The lowest number, which runs first, that its requests may have as their priority. Above 0 it
    is also what those wait with that ask for none."""
    weight: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 1.0
    """Of its share, where keys wait for the same model."""

    def allows(self, names: Collection[str]) -> bool:
        """Whether it may use the model that has these names."""
        return self.models is None or not set(names).isdisjoint(self.models)

    def expired(self, now: datetime) -> bool:
        return self.expires is not None and self.expires <= now


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    key: tuple[ApiKey, ...] = ()


class ApiKeys:
    """The keys of one file."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def all(self) -> tuple[ApiKey, ...]:
        return self._keys

    @classmethod
    def read(cls, path: Path) -> ApiKeys:
        """Raises GatewayError: the file cannot be read, or what it says is wrong."""
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise GatewayError(f"cannot read the API keys in {path}: {error.strerror}") from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise GatewayError(f"the API keys in {path} are not valid TOML: {error}") from None
        return cls.of(document, str(path))

    @classmethod
    def of(cls, document: dict[str, Any], source: str) -> ApiKeys:
        """Those of a file's contents. Raises GatewayError with the first thing that is wrong."""
        try:
            file = _File.model_validate(document)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise GatewayError(f"the API keys in {source}: {where}: {first['msg']}") from None
        for field in ("name", "sha256"):
            values = [getattr(key, field) for key in file.key]
            if repeated := {value for value in values if values.count(value) > 1}:
                raise GatewayError(
                    f"the API keys in {source}: two have the {field} '{min(repeated)}'"
                )
        return cls(file.key)

    def named(self, name: str) -> ApiKey | None:
        return next((key for key in self._keys if key.name == name), None)

    def find(self, secret: str) -> ApiKey | None:
        """The key with this secret, in a time that does not depend on how much of it is right."""
        digest = digest_of(secret)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found


def new_secret() -> str:
    return f"rk-{secrets.token_urlsafe(32)}"


def new_key(name: str, models: Iterable[str] = (), **settings: Any) -> tuple[str, ApiKey]:
    """A new secret, and what is to be stored of it. Raises GatewayError for a setting that is
    wrong; `None` is one that was not given."""
    secret = new_secret()
    given = {field: value for field, value in settings.items() if value is not None}
    try:
        key = ApiKey(name=name, sha256=digest_of(secret), models=tuple(models) or None, **given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["loc"][0] == "name":
            raise GatewayError(
                f"'{name}' is no name of a key: write 1 to 64 letters, digits or any of . _ @ -"
            ) from None
        raise GatewayError(f"{first['loc'][0]}: {first['msg']}") from None
    return secret, key


def digest_of(secret: str) -> str:
    # A header may hold bytes that are no text; they are surrogates here.
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
