"""The kinds of requests and answers that calls are generic in."""

from __future__ import annotations

from typing import Any, TypeVar

import grpc

from rostra.gateway.members.inference import MemberEmbedding, MemberStream
from rostra.v1 import chat_pb2, inference_pb2

RequestT = TypeVar(
    "RequestT",
    bound=chat_pb2.ChatRequest
    | inference_pb2.GenerateRequest
    | inference_pb2.EmbedRequest
    | inference_pb2.TokenizeRequest
    | inference_pb2.DetokenizeRequest,
)
ResponseT = TypeVar(
    "ResponseT",
    bound=chat_pb2.ChatResponse
    | inference_pb2.GenerateResponse
    | inference_pb2.EmbedResponse
    | inference_pb2.TokenizeResponse
    | inference_pb2.DetokenizeResponse,
)
Rpc = grpc.aio.UnaryStreamCall | grpc.aio.UnaryUnaryCall | MemberStream[Any] | MemberEmbedding
