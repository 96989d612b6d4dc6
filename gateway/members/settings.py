"""`[[gateway.member]]` of rostra.toml: another server as a member of the mesh."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from rostra.gateway.errors import GatewayError

Extra = Literal[
    "add_generation_prompt",
    "cache_salt",
    "chat_template_kwargs",
    "continue_final_message",
    "ignore_eos",
    "min_p",
    "min_tokens",
    "priority",
    "reasoning_content",
    "repetition_penalty",
    "stop_token_ids",
    "structured_outputs",
    "top_k",
]
"""Fields of requests that go beyond the OpenAI API, by the names that vLLM and Rostra use."""
_KEY = re.compile(r"[\x21-\x7e]+")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Prices(_Table):
    """Per million tokens, in whatever currency all of the gateway's prices are in."""

    input: NonNegativeFloat = 0.0
    output: NonNegativeFloat = 0.0
    cached_input: NonNegativeFloat | None = None
    """Of those input tokens that the member had in its cache. Default: as `input`."""

    def cost(self, prompt: int, cached: int, completion: int) -> float:
        """Of one answer; `cached` is a part of `prompt`."""
        cached_price = self.input if self.cached_input is None else self.cached_input
        fresh = max(0, prompt - cached)
        return (fresh * self.input + cached * cached_price + completion * self.output) / 1e6


class Abilities(_Table):
    """What a model takes. A request that asks for more is refused, with the field's name."""

    images: bool = False
    tools: bool = True
    response_formats: tuple[Literal["json_object", "json_schema"], ...] = (
        "json_object",
        "json_schema",
    )
    logprobs: bool = True
    max_outputs: PositiveInt = 128
    """The highest `n` of a request."""
    extra_fields: tuple[Extra, ...] = ()
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the member calls the limit of a chat's answer."""
    prices: Prices | None = None


def _by_name(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class _ModelTable(_Table):
    """What the file says of one model: what it leaves out is as the member's table has it."""

    name: Annotated[str, Field(min_length=1)]
    """There. Here it is called as its key."""
    aliases: tuple[Annotated[str, Field(min_length=1, max_length=256)], ...] = ()
    embedding_size: PositiveInt | None = None
    """Numbers in a vector, of a model that makes embeddings and generates no text."""
    max_model_len: PositiveInt | None = None
    """Tokens of prompt and output together. Default: what the member's list of models says."""

    images: bool | None = None
    tools: bool | None = None
    response_formats: tuple[Literal["json_object", "json_schema"], ...] | None = None
    logprobs: bool | None = None
    max_outputs: PositiveInt | None = None
    extra_fields: tuple[Extra, ...] | None = None
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    prices: Prices | None = None


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"'{value}' is no address of a server; write http://host:port/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the url holds a user or a password; name a key by key_env instead")
    if parts.query or parts.fragment:
        raise ValueError(f"'{value}' has a query or a fragment; write http://host:port/v1")
    return value.rstrip("/")


class MemberSettings(Abilities):
    """One server. Durations are in seconds."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    """In logs, metrics, /ready, and as the owner of its models."""
    url: Annotated[str, AfterValidator(_web_address)]
    """Of its API: what stands before /chat/completions."""
    key_env: Annotated[str, Field(min_length=1)] | None = None
    """The environment variable that holds its key. Default: none is sent."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    models: Annotated[
        dict[
            Annotated[str, Field(min_length=1, max_length=256)],
            Annotated[_ModelTable, BeforeValidator(_by_name)],
        ],
        Field(min_length=1),
    ]
    """By the name here: the name there, or a table."""

    weight: NonNegativeFloat = 0.0
    """Its share of the requests for a model that workers have too, where each worker's is 1. 0:
    only what no worker can take."""
    max_concurrent: PositiveInt | None = None
    """Requests that run at once."""
    requests_per_minute: PositiveInt | None = None
    timeout: PositiveFloat = 600.0
    """For a whole answer."""
    first_byte_timeout: PositiveFloat = 60.0
    """For the first piece of an answer that is streamed."""
    idle_timeout: PositiveFloat = 60.0
    """Between pieces of an answer that is streamed."""
    connect_timeout: PositiveFloat = 5.0
    pass_ids: bool = False
    """Whether a request's `x-request-id` and W3C trace headers go with it. There are servers that
    refuse ids of another form than their own."""
    probe: bool = True
    """Whether its list of models is read at intervals: to know whether it is there, and that it
    has the models that are claimed here."""
    probe_interval: PositiveFloat = 15.0

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        seen: set[str] = set()
        for name, model in self.models.items():
            for each in (name, *model.aliases):
                if each in seen:
                    raise ValueError(f"two models are called '{each}'")
                seen.add(each)
        return self

    @property
    def called(self) -> list[str]:
        """Names and aliases of its models."""
        return [each for name, model in self.models.items() for each in (name, *model.aliases)]

    def model(self, name: str) -> MemberModel:
        """With what the member's own table says of all its models."""
        table = self.models[name]
        own = {field: getattr(table, field) for field in Abilities.model_fields}
        general = {field: getattr(self, field) for field in Abilities.model_fields}
        return MemberModel(
            name=name,
            upstream=table.name,
            aliases=table.aliases,
            embedding_size=table.embedding_size,
            max_model_len=table.max_model_len,
            **general | {field: value for field, value in own.items() if value is not None},
        )

    def key(self, environment: Mapping[str, str] = os.environ) -> str | None:
        """Raises GatewayError where the environment has none, or one that no header can hold."""
        if self.key_env is None:
            return None
        value = environment.get(self.key_env, "").strip()
        if not value:
            raise GatewayError(
                f"[[gateway.member]] '{self.name}': the environment variable {self.key_env} is not "
                "set; it is to hold the member's key"
            )
        if not _KEY.fullmatch(value):
            raise GatewayError(
                f"[[gateway.member]] '{self.name}': what {self.key_env} holds is no key: it has "
                "blanks, or letters beyond ASCII"
            )
        return value

    def tls(self) -> ssl.SSLContext | bool:
        """Raises GatewayError where the file of certificates is not one."""
        if self.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self.ca_file))
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or "it holds no certificates in PEM"
            raise GatewayError(
                f"[[gateway.member]] '{self.name}': cannot read ca_file {self.ca_file}: {reason}"
            ) from None


class MemberModel(Abilities):
    """One model of a member, with all that is said of it."""

    name: str
    upstream: str
    """What the member calls it."""
    aliases: tuple[str, ...]
    embedding_size: int | None
    max_model_len: int | None
