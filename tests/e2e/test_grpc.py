"""A client that knows nothing but the worker's address finds everything by reflection."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture
def channel(up):
    with grpc.insecure_channel(up.worker) as made:
        yield made


def test_a_call_built_from_reflection_alone(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert {"rostra.v1.Inference", "rostra.v1.Control", "grpc.health.v1.Health"} <= set(
        database.get_services()
    )
    method = (
        DescriptorPool(database).FindServiceByName("rostra.v1.Inference").FindMethodByName("Chat")
    )
    request = message_factory.GetMessageClass(method.input_type)()
    request.messages.add(role=3).content.add(text="What is the capital of France?")
    request.sampling.temperature = 0
    call = channel.unary_stream(
        "/rostra.v1.Inference/Chat",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )
    responses = list(call(request, timeout=120))
    assert "Paris" in "".join(response.delta.content for response in responses)
    assert sum(response.HasField("finish") for response in responses) == 1
    assert responses[-1].usage.completion_tokens > 0


def test_health(channel):
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "rostra.v1.Inference"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
