"""Tokens, vectors, scores and ranks."""

from __future__ import annotations

from conformance_chat import template_rows, tool_rows
from conformance_row import Row, hint, honoured, refused

WHERE_REQUESTS_WAIT = "who goes first where requests wait at the gateway"
EMBEDDINGS_BASE = {"model": "tiny", "input": "hi"}
EMBEDDINGS: list[Row] = [
    honoured("model", "tiny-latest", lambda seen: seen.sent.model == "tiny-latest"),
    honoured(
        "input",
        ["a", "b"],
        lambda seen: len(seen.answer["data"]) == 2,
        "a text, token ids, or a list of either",
    ),
    honoured(
        "encoding_format",
        "base64",
        lambda seen: isinstance(seen.answer["data"][0]["embedding"], str),
    ),
    honoured("dimensions", 2, lambda seen: seen.sent.dimensions == 2),
    hint("priority", -1, WHERE_REQUESTS_WAIT),
    hint("user", "somebody"),
]

TOKENIZE_BASE = {"model": "tiny", "prompt": "hi"}
CHAT = {"prompt": None, "messages": [{"role": "user", "content": "hi"}]}


def _of_chats(row: Row) -> Row:
    """With messages instead of the prompt."""
    return Row(
        row.field, row.verdict, row.note, {**CHAT, **row.body}, {**CHAT, **row.without}, row.proof
    )


TOKENIZE: list[Row] = [
    honoured("model", "tiny-latest", lambda seen: seen.sent.model == "tiny-latest"),
    honoured("prompt", "else", lambda seen: seen.sent.text == "else"),
    Row(
        "messages",
        "honoured",
        body=CHAT,
        proof=lambda seen: seen.sent.chat.messages[0].content[0].text == "hi",
    ),
    honoured(
        "add_special_tokens",
        False,
        lambda seen: seen.sent.HasField("add_special_tokens") and not seen.sent.add_special_tokens,
    ),
    honoured("return_token_strs", True, lambda seen: seen.answer["token_strs"]),
    *(_of_chats(row) for row in tool_rows()),
    *(_of_chats(row) for row in template_rows()),
    refused("chat_template", "{{ x }}"),
    refused("media_io_kwargs", {"a": 1}),
    refused("mm_processor_kwargs", {"a": 1}),
]

DETOKENIZE_BASE = {"model": "tiny", "tokens": [1]}
DETOKENIZE: list[Row] = [
    honoured("model", "tiny-latest", lambda seen: seen.sent.model == "tiny-latest"),
    honoured("tokens", [1, 2], lambda seen: list(seen.sent.ids) == [1, 2]),
]

SIMILARITY: list[Row] = [
    honoured("model", "tiny-latest", lambda seen: seen.sent.model == "tiny-latest"),
    hint("user", "somebody"),
    hint("priority", -1, WHERE_REQUESTS_WAIT),
    refused("activation", True),
    refused("softmax", True),
    refused("use_activation", True),
    refused("mm_processor_kwargs", {"a": 1}),
    refused("truncate_prompt_tokens", 8),
]

SCORE_BASE = {"model": "tiny", "text_1": "a", "text_2": ["b", "c"]}
SCORE: list[Row] = [
    *SIMILARITY,
    honoured("text_1", "x", lambda seen: seen.sent.inputs[0].text == "x"),
    honoured("text_2", "x", lambda seen: len(seen.answer["data"]) == 1),
]

RERANK_BASE = {"model": "tiny", "query": "a", "documents": ["b", "c"]}
RERANK: list[Row] = [
    *SIMILARITY,
    honoured("query", "x", lambda seen: seen.sent.inputs[0].text == "x"),
    honoured("documents", ["b"], lambda seen: len(seen.answer["results"]) == 1),
    honoured("top_n", 1, lambda seen: len(seen.answer["results"]) == 1),
    honoured("return_documents", False, lambda seen: "document" not in seen.answer["results"][0]),
    refused("max_chunks_per_doc", 2),
    refused("max_tokens_per_doc", 2),
    refused("rank_fields", ["text"]),
    refused("truncation", True, takes=(False,)),
]
