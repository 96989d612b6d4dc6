"""Tokens by which workers join: named, and stored as SHA-256 only, as API keys are.

The file is TOML, one table for each token:

    [[token]]
    name = "rack-7"
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    expires = 2027-01-01T00:00:00Z      # by the gateway's clock; left out: never
    models = ["smollm2-135m-instruct"]  # left out: every model
    addresses = ["10.0.7.0/24"]         # left out: every address
"""

from __future__ import annotations

import fnmatch
import hashlib
import hmac
import ipaddress
import logging
import secrets
import tomllib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from rostra.gateway.errors import GatewayError
from rostra.gateway.membership.settings import split_address
from rostra.v1 import control_pb2

logger = logging.getLogger(__name__)


def _pattern(value: str) -> str:
    if "/" in value:
        ipaddress.ip_network(value)
    return value


class JoinToken(BaseModel):
    """What is known of one token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._@-]{1,64}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    expires: AwareDatetime | None = None
    models: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Names that a worker may serve; adapters of these models may have any."""
    addresses: (
        Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], Field(min_length=1)] | None
    ) = None
    """Networks (`10.0.7.0/24`), or patterns of hosts (`gpu-*.example.org`)."""

    def refusal(self, address: str, models: Iterable[control_pb2.ModelInfo]) -> str:
        """Why it is not for this worker; empty when it is."""
        if self.addresses is not None and not any(_fits(address, one) for one in self.addresses):
            return f"the token '{self.name}' is not for the address {address}"
        for model in models if self.models is not None else ():
            names = [model.base_model] if model.base_model else [model.name, *model.aliases]
            for name in names:
                if name not in (self.models or ()):
                    return f"the token '{self.name}' is not for the model '{name}'"
        return ""


def _fits(address: str, pattern: str) -> bool:
    split = split_address(address)
    host = split[0] if split else address
    if "/" not in pattern:
        return fnmatch.fnmatchcase(host, pattern)
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(pattern)
    except ValueError:
        return False


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    token: tuple[JoinToken, ...] = ()


def read_tokens(path: Path) -> tuple[JoinToken, ...]:
    """Raises GatewayError: the file cannot be read, or what it says is wrong."""
    try:
        tokens = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).token
    except OSError as error:
        raise GatewayError(f"cannot read the join tokens in {path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GatewayError(f"the join tokens in {path} are not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise GatewayError(f"the join tokens in {path}: {where}: {first['msg']}") from None
    for field in ("name", "sha256"):
        values = [getattr(token, field) for token in tokens]
        if repeated := {value for value in values if values.count(value) > 1}:
            raise GatewayError(f"the join tokens in {path}: two have the {field} '{min(repeated)}'")
    return tokens


class JoinTokens:
    """The tokens of one file, as it is now: it is read again whenever it changes.

    A change that cannot be read is logged, and the tokens before it stay.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Raises GatewayError as `read_tokens` does."""
        self._path = path
        self._now = now
        self._state = _state(path)
        self._tokens = read_tokens(path)

    def find(self, secret: str) -> JoinToken | str:
        """The token with this secret, or why there is none that is good now. Takes a time that does
        not depend on how much of the secret is right."""
        self._refresh()
        if not secret:
            return "send a token, as --join-token-file or $ROSTRA_JOIN_TOKEN has it"
        wanted = digest(secret)
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.sha256, wanted):
                found = token
        if found is None:
            return "this token is not known here"
        if found.expires is not None and found.expires <= self._now():
            when = found.expires.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
            return f"the token '{found.name}' expired at {when} UTC"
        return found

    def _refresh(self) -> None:
        state = _state(self._path)
        if state == self._state:
            return
        self._state = state
        try:
            self._tokens = read_tokens(self._path)
        except GatewayError as error:
            logger.error("the join tokens before stay in use: %s", error)
        else:
            logger.info("read %d join tokens from %s", len(self._tokens), self._path)


def new_token(
    name: str,
    expires: datetime | None = None,
    models: Iterable[str] = (),
    addresses: Iterable[str] = (),
) -> tuple[str, JoinToken]:
    """A new secret, and what is to be stored of it. Raises GatewayError for a name or a pattern
    that is none."""
    secret = f"rj-{secrets.token_urlsafe(32)}"
    try:
        token = JoinToken(
            name=name,
            sha256=digest(secret),
            expires=expires,
            models=tuple(models) or None,
            addresses=tuple(addresses) or None,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["loc"][0] == "name":
            raise GatewayError(
                f"'{name}' is no name of a token: write 1 to 64 letters, digits or any of . _ @ -"
            ) from None
        raise GatewayError(first["msg"].removeprefix("Value error, ")) from None
    return secret, token


def entry(token: JoinToken) -> str:
    """A token's table in the file."""
    lines = ["[[token]]", f'name = "{token.name}"', f'sha256 = "{token.sha256}"']
    if token.expires is not None:
        lines.append(f"expires = {token.expires.isoformat()}")
    lists = {"models": token.models, "addresses": token.addresses}
    # JSON's strings and lists are TOML's, too.
    lines += [
        f"{name} = {orjson.dumps(values).decode()}"
        for name, values in lists.items()
        if values is not None
    ]
    return "\n".join(lines) + "\n"


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
