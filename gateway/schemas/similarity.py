"""POST /v1/score, as vLLM has it, and /v1/rerank, as Jina, Cohere and vLLM have it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from rostra.gateway.schemas.fields import (
    HINT,
    Int32,
    PositiveUInt32,
    Refused,
    Schema,
    broken_rule,
    only,
)
from rostra.gateway.schemas.prompts import Text

MAX_TEXTS = 10_000


def _text_kind(value: Any) -> str | None:
    return "<text>" if isinstance(value, str) else "<texts>" if isinstance(value, list) else None


Texts = Annotated[
    Annotated[Text, Tag("<text>")]
    | Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS), Tag("<texts>")],
    Discriminator(
        _text_kind,
        custom_error_type="texts_type",
        custom_error_message="Input should be a string or a list of strings",
    ),
]


class SimilarityFields(Schema):
    model: Annotated[str, Field(min_length=1, max_length=256)]
    user: Annotated[str | None, HINT] = None
    priority: Int32 | None = None
    """Lower goes first where requests wait. Default 0."""

    activation: Refused = None
    softmax: Refused = None
    use_activation: Refused = None
    mm_processor_kwargs: Refused = None
    truncate_prompt_tokens: Refused = None


class ScoreRequest(SimilarityFields):
    text_1: Texts
    text_2: Texts

    @model_validator(mode="after")
    def _can_be_paired(self) -> ScoreRequest:
        first, second = len(_listed(self.text_1)), len(_listed(self.text_2))
        if first not in (1, second):
            raise broken_rule(
                "text_1",
                f"text_1 has {first} texts and text_2 {second}: write one text_1, or as many",
            )
        return self

    @property
    def firsts(self) -> list[tuple[str, str]]:
        """Each text with the field that holds it."""
        return _named("text_1", self.text_1)

    @property
    def seconds(self) -> list[tuple[str, str]]:
        return _named("text_2", self.text_2)


class Document(Schema):
    text: Text


def _document_kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "<text>"
    return "<document>" if isinstance(value, dict | Document) else None


class RerankRequest(SimilarityFields):
    query: Text
    documents: Annotated[
        list[
            Annotated[
                Annotated[Text, Tag("<text>")] | Annotated[Document, Tag("<document>")],
                Discriminator(
                    _document_kind,
                    custom_error_type="document_type",
                    custom_error_message="Input should be a string or an object with a text",
                ),
            ]
        ],
        Field(min_length=1, max_length=MAX_TEXTS),
    ]
    top_n: PositiveUInt32 | None = None
    """Default, and at most: as many as there are documents."""
    return_documents: bool | None = None
    """Default true."""

    max_chunks_per_doc: Refused = None
    max_tokens_per_doc: Refused = None
    rank_fields: Refused = None
    truncation: Annotated[bool | None, AfterValidator(only(False))] = None

    @property
    def texts(self) -> list[str]:
        return [each if isinstance(each, str) else each.text for each in self.documents]


def _listed(texts: str | list[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else texts


def _named(field: str, texts: str | list[str]) -> list[tuple[str, str]]:
    if isinstance(texts, str):
        return [(field, texts)]
    return [(f"{field}[{position}]", text) for position, text in enumerate(texts)]
