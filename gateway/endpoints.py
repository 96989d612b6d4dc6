"""Every operation of the gateway."""

from __future__ import annotations

from rostra.gateway.endpoint import BODY_ERRORS, WORKER_ERRORS, Endpoint
from rostra.gateway.routes import chat, completions, embeddings, models, operations
from rostra.gateway.schemas.answers.chat import ChatCompletion, ChatCompletionChunk
from rostra.gateway.schemas.answers.completions import Completion, CompletionChunk
from rostra.gateway.schemas.answers.embeddings import Embeddings
from rostra.gateway.schemas.answers.models import Model, Models
from rostra.gateway.schemas.answers.operations import Health, Readiness
from rostra.gateway.schemas.chat import ChatCompletionRequest
from rostra.gateway.schemas.completions import CompletionRequest
from rostra.gateway.schemas.embeddings import EmbeddingsRequest

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/chat/completions",
        chat.chat_completions,
        summary="Answer a conversation",
        group="Text",
        request=ChatCompletionRequest,
        answer=ChatCompletion,
        events=ChatCompletionChunk,
        errors=BODY_ERRORS + WORKER_ERRORS,
    ),
    Endpoint(
        "POST",
        "/v1/completions",
        completions.completions,
        summary="Continue a text",
        group="Text",
        request=CompletionRequest,
        answer=Completion,
        events=CompletionChunk,
        errors=BODY_ERRORS + WORKER_ERRORS,
    ),
    Endpoint(
        "POST",
        "/v1/embeddings",
        embeddings.embeddings,
        summary="Turn texts into vectors",
        group="Vectors",
        request=EmbeddingsRequest,
        answer=Embeddings,
        errors=BODY_ERRORS + WORKER_ERRORS,
    ),
    Endpoint(
        "GET",
        "/v1/models",
        models.list_models,
        summary="List the models that are served now",
        group="Models",
        answer=Models,
    ),
    # A model's name may contain slashes.
    Endpoint(
        "GET",
        "/v1/models/{model:.+}",
        models.retrieve_model,
        summary="Describe a model",
        group="Models",
        answer=Model,
        errors=(404, 503),
    ),
    Endpoint(
        "GET",
        "/health",
        operations.health,
        summary="Say that the process is alive",
        group="Operations",
        answer=Health,
        public=True,
    ),
    Endpoint(
        "GET",
        "/ready",
        operations.ready,
        summary="Say whether a worker is serving",
        group="Operations",
        answer=Readiness,
        also=(503,),
        public=True,
    ),
    Endpoint(
        "GET",
        "/metrics",
        operations.metrics,
        summary="Measurements, in Prometheus' text format",
        group="Operations",
        answer="text/plain",
        public=True,
    ),
)
