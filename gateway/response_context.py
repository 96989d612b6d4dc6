"""What a Responses request goes on from: the items of stored responses, and its own."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from rostra.gateway.errors import ApiError
from rostra.gateway.response_store import ResponseStore, StoredResponse, UnknownResponseError
from rostra.gateway.schemas.response_items import (
    FunctionCallItem,
    FunctionOutputItem,
    InputItem,
    ItemReference,
    MessageItem,
    SpokenItem,
)
from rostra.gateway.schemas.responses import ResponseRequest

_ITEM: TypeAdapter[Any] = TypeAdapter(InputItem)
MAX_RECALLED_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Context:
    items: list[SpokenItem]
    """The whole conversation in order, without the instructions."""
    own: list[dict[str, Any]]
    """The items that this request adds, each with its id, as the API lists them."""
    recalled_bytes: int
    """Of the stored responses that it refers to."""


def read_context(body: ResponseRequest, store: ResponseStore, owner: str) -> Context:
    """Raises ApiError (400): something that is referred to is not stored, a call has no output or
    an output no call, there is too much of what is referred to, or there is nothing to answer."""
    history: list[SpokenItem] = []
    recalled = 0
    if body.previous_response_id is not None:
        chain = _chain(store, body.previous_response_id, owner)
        recalled = sum(stored.size for stored in chain)
        _check_recalled(recalled, "previous_response_id")
        for stored in chain:
            listed = stored.input_items() + stored.output_items()
            history += [_ITEM.validate_python(item) for item in listed]
    given = (
        [MessageItem(role="user", content=body.input)]
        if isinstance(body.input, str)
        else body.input
    )
    added: list[SpokenItem] = []
    for number, item in enumerate(given or ()):
        if isinstance(item, ItemReference):
            source = _source(item, number, store, owner)
            recalled += source.size
            _check_recalled(recalled, f"input[{number}]")
            added.append(_ITEM.validate_python(source.output_item(item.id)))
        else:
            added.append(item)
    items = history + added
    if not items and body.instructions is None:
        raise ApiError(400, "input holds no items", param="input", code="invalid_value")
    _check_calls(items)
    stem = uuid.uuid4().hex
    own = [
        item.listed(item.id or f"{item.prefix}_{stem}{number}") for number, item in enumerate(added)
    ]
    return Context(items, own, recalled)


def _chain(store: ResponseStore, response_id: str, owner: str) -> list[StoredResponse]:
    try:
        return store.chain(response_id, owner)
    except UnknownResponseError as error:
        missing = error.response_id
        message = f"Previous response with id '{missing}' not found"
        if missing != response_id:
            message += f", which '{response_id}' goes on from; send the whole history as input"
        raise ApiError(
            400, message, param="previous_response_id", code="previous_response_not_found"
        ) from None


def _check_recalled(size: int, param: str) -> None:
    """No model reads as much, and reading it takes many times its size in memory."""
    if size > MAX_RECALLED_BYTES:
        raise ApiError(
            400,
            f"{param}: more than {MAX_RECALLED_BYTES} bytes of stored responses are referred to",
            param=param,
            code="context_length_exceeded",
        )


def _source(item: ItemReference, number: int, store: ResponseStore, owner: str) -> StoredResponse:
    try:
        return store.source_of(item.id, owner)
    except UnknownResponseError:
        raise ApiError(
            400,
            f"Item with id '{item.id}' not found in the output of stored responses; send the item "
            "itself",
            param=f"input[{number}]",
            code="item_not_found",
        ) from None


def _check_calls(items: list[SpokenItem]) -> None:
    called: set[str] = set()
    unanswered: set[str] = set()
    for item in items:
        if isinstance(item, FunctionCallItem):
            called.add(item.call_id)
            unanswered.add(item.call_id)
        elif isinstance(item, FunctionOutputItem):
            if item.call_id not in called:
                raise _bad_call(f"No tool call found for the output with call_id '{item.call_id}'")
            unanswered.discard(item.call_id)
    if unanswered:
        raise _bad_call(f"No tool output found for the call with call_id '{min(unanswered)}'")


def _bad_call(message: str) -> ApiError:
    return ApiError(400, message, param="input", code="invalid_value")
