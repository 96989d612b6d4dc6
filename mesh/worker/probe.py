"""Whether a worker serves, as an exit code: for container engines, which know no gRPC."""

from __future__ import annotations

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rostra.mesh.worker.health import INFERENCE

TIMEOUT = 5.0
"""Seconds."""


def probe(address: str) -> str:
    """Its health, by the name in grpc.health.v1; or the status of a call that failed."""
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        request = health_pb2.HealthCheckRequest(service=INFERENCE)
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=TIMEOUT)
        except grpc.RpcError as error:
            return str(error.code().name)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)


if __name__ == "__main__":
    health = probe(sys.argv[1])
    print(health)
    sys.exit(health != "SERVING")
