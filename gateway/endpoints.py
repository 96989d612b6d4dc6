"""Every operation of the gateway."""

from __future__ import annotations

from rostra.gateway.endpoint import BODY_ERRORS, WORKER_ERRORS, Endpoint
from rostra.gateway.routes import (
    anthropic,
    chat,
    completions,
    documentation,
    embeddings,
    models,
    operations,
    similarity,
    tokens,
)
from rostra.gateway.schemas.answers.anthropic import (
    Message,
    MessageEvent,
    MessagesError,
    TokenCount,
)
from rostra.gateway.schemas.answers.chat import ChatCompletion, ChatCompletionChunk
from rostra.gateway.schemas.answers.completions import Completion, CompletionChunk
from rostra.gateway.schemas.answers.embeddings import Embeddings
from rostra.gateway.schemas.answers.models import Model, Models
from rostra.gateway.schemas.answers.operations import Health, Readiness
from rostra.gateway.schemas.answers.similarity import Ranking, Scores
from rostra.gateway.schemas.answers.tokens import Detokenized, Tokenized
from rostra.gateway.schemas.anthropic import CountTokensRequest, MessagesRequest
from rostra.gateway.schemas.chat import ChatCompletionRequest
from rostra.gateway.schemas.completions import CompletionRequest
from rostra.gateway.schemas.embeddings import EmbeddingsRequest
from rostra.gateway.schemas.similarity import RerankRequest, ScoreRequest
from rostra.gateway.schemas.tokens import DetokenizeRequest, TokenizeRequest

_MODEL = "smollm2-135m-instruct"
"""Of the examples: what `rostra up` serves when it is told nothing else."""

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
        example={
            "model": _MODEL,
            "messages": [{"role": "user", "content": "Why is the sky blue?"}],
            "max_tokens": 64,
        },
        client="openai.chat.completions.create",
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
        example={"model": _MODEL, "prompt": "Once upon a time", "max_tokens": 32},
        client="openai.completions.create",
    ),
    Endpoint(
        "POST",
        "/v1/messages",
        anthropic.create_message,
        summary="Answer a conversation, in the shape of Anthropic's API",
        group="Text",
        request=MessagesRequest,
        answer=Message,
        events=MessageEvent,
        errors=BODY_ERRORS + WORKER_ERRORS,
        error=MessagesError,
        example={
            "model": _MODEL,
            "messages": [{"role": "user", "content": "Why is the sky blue?"}],
            "max_tokens": 64,
        },
        client="anthropic.messages.create",
    ),
    Endpoint(
        "POST",
        "/v1/messages/count_tokens",
        anthropic.count_tokens,
        summary="Count the tokens of a conversation, in the shape of Anthropic's API",
        group="Text",
        request=CountTokensRequest,
        answer=TokenCount,
        errors=BODY_ERRORS + WORKER_ERRORS,
        error=MessagesError,
        example={
            "model": _MODEL,
            "messages": [{"role": "user", "content": "Why is the sky blue?"}],
        },
        client="anthropic.messages.count_tokens",
    ),
    Endpoint(
        "POST",
        "/v1/tokenize",
        tokens.tokenize,
        summary="Turn a text or a conversation into token ids",
        group="Tokens",
        request=TokenizeRequest,
        answer=Tokenized,
        errors=BODY_ERRORS + WORKER_ERRORS,
        description="Also at `/tokenize`.",
        example={"model": _MODEL, "prompt": "Once upon a time", "return_token_strs": True},
        aliases=("/tokenize",),
    ),
    Endpoint(
        "POST",
        "/v1/detokenize",
        tokens.detokenize,
        summary="Turn token ids into a text",
        group="Tokens",
        request=DetokenizeRequest,
        answer=Detokenized,
        errors=BODY_ERRORS + WORKER_ERRORS,
        description="Also at `/detokenize`.",
        example={"model": _MODEL, "tokens": [9690, 28]},
        aliases=("/detokenize",),
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
        example={"model": "all-minilm-l6-v2", "input": ["A cat on a mat", "A dog on a log"]},
        client="openai.embeddings.create",
    ),
    Endpoint(
        "POST",
        "/v1/score",
        similarity.score,
        summary="Compare texts by their vectors",
        group="Vectors",
        request=ScoreRequest,
        answer=Scores,
        errors=BODY_ERRORS + WORKER_ERRORS,
        description="Also at `/score`.",
        example={
            "model": "all-minilm-l6-v2",
            "text_1": "A cat on a mat",
            "text_2": ["A kitten on a rug", "A dog on a log"],
        },
        aliases=("/score",),
    ),
    Endpoint(
        "POST",
        "/v1/rerank",
        similarity.rerank,
        summary="Sort documents by how close their vectors are to a query's",
        group="Vectors",
        request=RerankRequest,
        answer=Ranking,
        errors=BODY_ERRORS + WORKER_ERRORS,
        description="Also at `/rerank` and `/v2/rerank`.",
        example={
            "model": "all-minilm-l6-v2",
            "query": "Who sleeps on the rug?",
            "documents": ["A dog on a log", "A kitten on a rug"],
            "top_n": 1,
        },
        aliases=("/rerank", "/v2/rerank"),
    ),
    Endpoint(
        "GET",
        "/v1/models",
        models.list_models,
        summary="List the models that are served now",
        group="Models",
        answer=Models,
        client="openai.models.list",
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
    Endpoint(
        "GET",
        "/openapi.json",
        documentation.openapi_document,
        summary="This API, as OpenAPI 3.1",
        group="Documentation",
        answer="application/json",
        public=True,
    ),
    Endpoint(
        "GET",
        "/docs",
        documentation.reference_page,
        summary="This API, as a page",
        group="Documentation",
        answer="text/html",
        public=True,
    ),
    Endpoint(
        "GET",
        "/",
        documentation.home,
        summary="The same page",
        group="Documentation",
        answer="text/html",
        public=True,
    ),
)
