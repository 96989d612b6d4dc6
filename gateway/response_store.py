"""Responses that can be continued, read again and deleted: the memory behind /v1/responses."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import RLock
from typing import Any

import orjson

from rostra.gateway.context import Exchange


@dataclass(frozen=True)
class StoredResponse:
    """One response as JSON, so that its size is known and nobody can change it."""

    id: str
    previous_id: str | None
    body: bytes
    """The response object."""
    item_ids: tuple[str, ...]
    """Of its output items."""
    input: bytes
    """The list of its own input items; those of responses before it are theirs."""
    owner: str = ""
    """The name of the API key it was made with. Nobody else can tell that it is there."""

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.body) + len(self.input)

    def input_items(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = orjson.loads(self.input)
        return items

    def output_items(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = orjson.loads(self.body)["output"]
        return items

    def output_item(self, item_id: str) -> dict[str, Any]:
        return next(item for item in self.output_items() if item["id"] == item_id)


def owner_of(exchange: Exchange) -> str:
    """Without API keys, all callers are one."""
    return exchange.key.name if exchange.key else ""


class UnknownResponseError(KeyError):
    """No response of that id is stored (any more)."""

    def __init__(self, response_id: str) -> None:
        super().__init__(response_id)
        self.response_id = response_id


class ResponseStore:
    """Holds at most `max_bytes` of at most `max_count` responses; those not used for longest go
    first. It lives and dies with its gateway, and 0 bytes hold nothing. For any thread."""

    def __init__(self, max_bytes: int, max_count: int) -> None:
        self.max_bytes = max_bytes
        self._max_count = max_count
        self._stored: OrderedDict[str, StoredResponse] = OrderedDict()
        self._responses: dict[str, str] = {}
        """The id of the response that made an output item, by the item's id."""
        self._size = 0
        self._lock = RLock()
        """Conversations are read in threads."""

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def size(self) -> int:
        """In bytes."""
        return self._size

    @property
    def enabled(self) -> bool:
        return self.max_bytes > 0

    def put(self, response: StoredResponse) -> None:
        """One that is larger than the store is not kept; ask `fits` first."""
        if not self.fits(response.size):
            return
        with self._lock:
            self._stored[response.id] = response
            self._size += response.size
            self._responses.update(dict.fromkeys(response.item_ids, response.id))
            while self._size > self.max_bytes or len(self._stored) > self._max_count:
                self._remove(next(iter(self._stored)))

    def fits(self, size: int) -> bool:
        return size <= self.max_bytes

    def get(self, response_id: str, owner: str) -> StoredResponse:
        """Raises UnknownResponseError."""
        with self._lock:
            stored = self._stored.get(response_id)
            if stored is None or stored.owner != owner:
                raise UnknownResponseError(response_id)
            self._stored.move_to_end(response_id)
            return stored

    def delete(self, response_id: str, owner: str) -> None:
        """Raises UnknownResponseError."""
        with self._lock:
            self._remove(self.get(response_id, owner).id)

    def chain(self, response_id: str, owner: str) -> list[StoredResponse]:
        """The response and all that it continues, the first one first. Raises
        UnknownResponseError with the id of the one that is missing."""
        links: list[StoredResponse] = []
        wanted: str | None = response_id
        while wanted is not None:
            links.append(self.get(wanted, owner))
            wanted = links[-1].previous_id
        return links[::-1]

    def source_of(self, item_id: str, owner: str) -> StoredResponse:
        """The response whose output the item is in. Raises UnknownResponseError."""
        return self.get(self._responses.get(item_id, ""), owner)

    def _remove(self, response_id: str) -> None:
        stored = self._stored.pop(response_id)
        self._size -= stored.size
        for item_id in stored.item_ids:
            del self._responses[item_id]
