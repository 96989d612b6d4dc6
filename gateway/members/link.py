"""The gateway's view of one member that is another server."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
from grpc.aio import AioRpcError
from pydantic import ValidationError

from rostra.gateway.backoff import Backoff
from rostra.gateway.bundle import Kind, Seat
from rostra.gateway.failover.breaker import Breaker
from rostra.gateway.failover.settings import FailoverSettings
from rostra.gateway.members.errors import Failure
from rostra.gateway.members.http import MemberError, Upstream, failure_of
from rostra.gateway.members.inference import MemberInference
from rostra.gateway.members.limits import Limits
from rostra.gateway.members.payloads import ListedModel, ModelList
from rostra.gateway.members.refusals import ability_refusal
from rostra.gateway.members.settings import MemberModel, MemberSettings
from rostra.gateway.members.spending import Spending
from rostra.v1 import control_pb2, tokens_pb2

logger = logging.getLogger(__name__)

_PROBE_TIMEOUT = 10.0
_FIRST_PAUSE = 1.0
"""Seconds until a member that is out is probed again; doubles up to its interval."""


class MemberLink:
    """As the link to a worker is: what it serves, whether it can be asked, and how to.

    Made where an event loop runs.
    """

    external = True

    def __init__(
        self,
        settings: MemberSettings,
        key: str | None,
        tls: ssl.SSLContext | bool,
        failover: FailoverSettings,
        on_change: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.address = settings.name
        self.owner = settings.name
        self.share = settings.weight
        self.reason = "not reached yet"
        self.upstream = Upstream(settings, key, tls)
        self.spending = Spending()
        self._models = {name: settings.model(name) for name in settings.models}
        self._called = {
            each: model for model in self._models.values() for each in (model.name, *model.aliases)
        }
        self.models = self._infos({})
        self.first_seen: dict[str, int] = {}
        self._on_change = on_change
        self._limits = Limits(settings)
        self.breaker = Breaker(failover, on_change)
        self._streaming = MemberInference(self, stream=True)
        self._whole = MemberInference(self, stream=False)

    @property
    def serving(self) -> bool:
        return not self.reason

    @property
    def wait(self) -> float:
        return max(self._limits.wait, self.breaker.wait)

    @property
    def room(self) -> float:
        return self._limits.room

    @property
    def load(self) -> control_pb2.GetLoadResponse:
        return control_pb2.GetLoadResponse(running_requests=self._limits.running)

    @property
    def pending_requests(self) -> int:
        return self._limits.running

    @property
    def queued_tokens(self) -> int:
        return 0

    def model(self, name: str) -> MemberModel:
        return self._called[name]

    def refusal(self, request: Any) -> AioRpcError | None:
        model = self._called.get(request.model)
        if model is None:
            return None
        return ability_refusal(request, model)

    def inference_for(self, *, whole: bool) -> MemberInference:
        return self._whole if whole else self._streaming

    def seat(self, kind: Kind) -> Seat | None:
        return None

    def dispatched(self) -> None:
        self._limits.begin()

    def finished(self) -> None:
        self._limits.end()
        if self.settings.max_concurrent is not None:
            self._on_change()

    def answered(self, model: MemberModel, usage: tokens_pb2.Usage | None) -> None:
        """An answer was complete; None where the member did not say what it used."""
        self.spending.add(model, usage)

    def failed(self, failure: Failure) -> None:
        """A request was not answered, for this reason."""
        if failure.hold:
            self._limits.hold(failure.hold)
        if failure.fault is not None:
            logger.warning("member %s did not answer: %s", self.address, failure.fault.text)

    async def run(self) -> None:
        interval = self.settings.probe_interval
        backoff = Backoff(_FIRST_PAUSE, interval)
        while True:
            fault = await self._probe()
            self._set_reason(fault)
            if fault:
                await asyncio.sleep(backoff.next())
            else:
                backoff.reset()
                await asyncio.sleep(interval * random.uniform(0.75, 1.25))

    async def close(self, grace: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._limits.idle.wait(), grace)
        await self.upstream.close()

    def _set_reason(self, reason: str) -> None:
        if reason == self.reason:
            return
        was_serving, self.reason = self.serving, reason
        if not reason:
            self.breaker.reset()
            for model in self._models.values():
                self.first_seen.setdefault(model.name, int(time.time()))
            logger.info("member %s serves %s", self.address, ", ".join(self.models))
        elif was_serving:
            logger.warning("member %s is out: %s", self.address, reason)
        else:
            logger.warning("member %s is still out: %s", self.address, reason)
        self._on_change()

    async def _probe(self) -> str:
        """Why it cannot be asked; empty where it can."""
        if not self.settings.probe:
            return ""
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT):
                data = await self.upstream.get("/models")
            listed = {model.id: model for model in ModelList.model_validate_json(data).data}
        except MemberError as error:
            fault = _text(error.failure) or "it does not list its models"
        except aiohttp.ClientError as error:
            fault = _text(failure_of(error))
        except TimeoutError:
            fault = "it does not list its models in time"
        except ValidationError:
            fault = "its list of models is none"
        else:
            fault = self._compare(listed)
        return fault

    def _compare(self, listed: dict[str, ListedModel]) -> str:
        """What the member's list lacks of what is claimed here."""
        for model in self._models.values():
            if model.upstream not in listed:
                names = ", ".join(sorted(listed)) or "no model"
                logger.warning("member %s lists %s", self.address, names)
                return f"it does not list the model '{model.upstream}'"
        self.models = self._infos(listed)
        return ""

    def _infos(self, listed: dict[str, ListedModel]) -> dict[str, control_pb2.ModelInfo]:
        """By name and by alias."""
        infos: dict[str, control_pb2.ModelInfo] = {}
        for model in self._models.values():
            there = listed.get(model.upstream)
            info = control_pb2.ModelInfo(
                name=model.name,
                revision=(there and there.revision) or "",
                max_model_len=model.max_model_len or (there and there.max_model_len) or 0,
                has_chat_template=model.embedding_size is None,
                aliases=model.aliases,
                embedding_size=model.embedding_size,
                takes_images=model.images,
            )
            infos |= dict.fromkeys((model.name, *model.aliases), info)
        return infos


def _text(failure: Failure) -> str:
    return "" if failure.fault is None else failure.fault.text
