"""`rostra.v1.Control` over one engine."""

from __future__ import annotations

import importlib.metadata
import uuid
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from rostra.mesh.worker.adapters import name_problem, name_taken
from rostra.mesh.worker.checks import Checks
from rostra.mesh.worker.engine_client import EngineClient
from rostra.mesh.worker.model import ServedModel
from rostra.mesh.worker.running import RunningRequests
from rostra.mesh.worker.status import (
    Context,
    Violation,
    invalid_argument,
    unimplemented,
    with_status,
)
from rostra.v1 import control_pb2, control_pb2_grpc


class ControlServicer(control_pb2_grpc.ControlServicer):
    def __init__(
        self,
        model: ServedModel,
        engine: EngineClient,
        running: RunningRequests,
        drain: Callable[[float | None], Awaitable[int]],
    ) -> None:
        """`drain` takes the grace period in seconds and returns how many requests it had to end."""
        self._model = model
        self._engine = engine
        self._running = running
        self._drain = drain
        self._instance_id = uuid.uuid4().hex
        self._started_at = Timestamp()
        self._started_at.GetCurrentTime()

    def server_info(self) -> control_pb2.GetServerInfoResponse:
        """Raises EngineUnavailableError before the engine was ready."""
        info = self._engine.require_info()
        return control_pb2.GetServerInfoResponse(
            instance_id=self._instance_id,
            version=importlib.metadata.version("rostra"),
            device=info.device,
            device_name=info.device_name,
            dtype=info.dtype,
            started_at=self._started_at,
            tensor_parallel_size=info.tensor_parallel_size,
            contract_revision=control_pb2.CONTRACT_REVISION_1,
        )

    def models(self, model: str = "") -> list[control_pb2.ModelInfo]:
        """All, or the one called so. Raises as `server_info` does, and RpcError for a model that is
        not here."""
        resident, info = self._engine.adapters.resident, self._engine.require_info()
        wanted = self._model.adapter_of(model, resident)
        models = [] if wanted else [self._model.describe(info)]
        if not model or wanted:
            chosen = [resident[wanted]] if wanted else resident.values()
            models += [self._model.describe_adapter(adapter, info) for adapter in chosen]
        return models

    def load(self) -> control_pb2.GetLoadResponse:
        reading = msgspec.structs.asdict(self._engine.load)
        known = control_pb2.GetLoadResponse.DESCRIPTOR.fields_by_name
        return control_pb2.GetLoadResponse(
            **{name: value for name, value in reading.items() if name in known},
            draining=self._running.draining,
            models_version=self._engine.adapters.version,
            max_running_requests=self._engine.max_running_requests,
        )

    @with_status
    async def GetServerInfo(
        self, request: control_pb2.GetServerInfoRequest, context: Context
    ) -> control_pb2.GetServerInfoResponse:
        return self.server_info()

    @with_status
    async def GetModelInfo(
        self, request: control_pb2.GetModelInfoRequest, context: Context
    ) -> control_pb2.GetModelInfoResponse:
        return control_pb2.GetModelInfoResponse(models=self.models(request.model))

    @with_status
    async def GetLoad(
        self, request: control_pb2.GetLoadRequest, context: Context
    ) -> control_pb2.GetLoadResponse:
        return self.load()

    @with_status
    async def Abort(
        self, request: control_pb2.AbortRequest, context: Context
    ) -> control_pb2.AbortResponse:
        return control_pb2.AbortResponse(aborted=self._running.abort(request.request_id))

    @with_status
    async def Drain(
        self, request: control_pb2.DrainRequest, context: Context
    ) -> control_pb2.DrainResponse:
        grace = None
        if request.HasField("grace_period"):
            grace = request.grace_period.seconds + request.grace_period.nanos / 1e9
            if grace < 0:
                raise invalid_argument([Violation("grace_period", "must not be negative")])
        return control_pb2.DrainResponse(aborted_requests=await self._drain(grace))

    @with_status
    async def LoadAdapter(
        self, request: control_pb2.LoadAdapterRequest, context: Context
    ) -> control_pb2.LoadAdapterResponse:
        self._engine.require_info()
        checks = Checks()
        problem = name_problem(request.name)
        if problem is not None:
            checks.invalid("name", problem)
        if not request.source:
            checks.invalid("source", "must not be empty")
        checks.finish()
        if request.name in self._model.names:
            raise name_taken(request.name)
        state = await self._engine.adapters.load(request.name, request.source)
        return control_pb2.LoadAdapterResponse(adapter=self._model.adapter_info(state))

    @with_status
    async def UnloadAdapter(
        self, request: control_pb2.UnloadAdapterRequest, context: Context
    ) -> control_pb2.UnloadAdapterResponse:
        self._engine.require_info()
        await self._engine.adapters.unload(request.name)
        return control_pb2.UnloadAdapterResponse()

    @with_status
    async def ListAdapters(
        self, request: control_pb2.ListAdaptersRequest, context: Context
    ) -> control_pb2.ListAdaptersResponse:
        self._engine.require_info()
        resident = self._engine.adapters.resident.values()
        return control_pb2.ListAdaptersResponse(
            adapters=[self._model.adapter_info(state) for state in resident]
        )

    @with_status
    async def SubscribeKvEvents(  # type: ignore[override] # the stubs know no generators
        self, request: control_pb2.SubscribeKvEventsRequest, context: Context
    ) -> None:
        info = self._engine.require_info()
        if info.embedding_size is not None:
            raise unimplemented("a model that makes embeddings has no prefix cache")
        async with aclosing(self._engine.cache.follow(keys_only=request.prefixes_only)) as messages:
            async for message in messages:
                await context.write(message)
