"""Asks a moderation endpoint (POST, JSON, as OpenAI's `/v1/moderations`) for its verdict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import aiohttp
import msgspec

from rostra.arena.errors import ArenaError
from rostra.arena.moderation.settings import EndpointSettings
from rostra.arena.votes.texts import storable

LARGEST_ANSWER = 1 << 20
"""Bytes."""


class UnansweredError(ArenaError):
    """No verdict. One line for the operator's log: what came instead."""


class _Result(msgspec.Struct):
    flagged: bool
    categories: dict[str, bool | None]
    category_scores: dict[str, float | None] = {}


class _Answer(msgspec.Struct):
    results: list[_Result]


class Endpoint:
    """One HTTP session to the endpoint. `close` it when done."""

    def __init__(self, settings: EndpointSettings) -> None:
        """Raises `ArenaError` when the key is not in the environment."""
        self._settings = settings
        self._headers = {"Content-Type": "application/json"}
        if (name := settings.api_key_env) is not None:
            if not (key := os.environ.get(name)):
                raise ArenaError(
                    f"the environment has no {name}, which moderation.endpoint.api_key_env names: "
                    "set it to the endpoint's key"
                )
            self._headers["Authorization"] = f"Bearer {key}"
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def category(self, text: str, images: Sequence[str] = ()) -> str | None:
        """The worst category that `text` falls under, or else the first of `images` that falls
        under any; `None` for none. Images (URLs) are left out unless the settings say that the
        endpoint takes them. Raises `UnansweredError`."""
        for given in _inputs(text, images if self._settings.images else ()):
            category = self._judged(await self._ask(given))
            if category is not None:
                return category
        return None

    async def _ask(self, given: str | list[dict[str, Any]]) -> _Result:
        settings = self._settings
        body = {"input": given, **({"model": settings.model} if settings.model else {})}
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=settings.timeout),
            )
        try:
            async with self._session.post(
                settings.url,
                data=msgspec.json.encode(body),
                headers=self._headers,
                # A redirected POST would become a GET without the question.
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    raise UnansweredError(f"HTTP {response.status}")
                answer = await _read(response)
        except TimeoutError:
            raise UnansweredError(f"no answer within {settings.timeout:g} s") from None
        except aiohttp.ClientError as error:
            raise UnansweredError(str(error) or type(error).__name__) from None
        try:
            (result,) = msgspec.json.decode(answer, type=_Answer).results
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise UnansweredError(f"an answer that is no moderation: {error}") from None
        return result

    def _judged(self, result: _Result) -> str | None:
        settings, scores = self._settings, result.category_scores
        if unknown := [name for name in settings.thresholds if scores.get(name) is None]:
            raise UnansweredError(
                f"no score of {unknown[0]!r}, for which moderation.endpoint.thresholds has one; "
                f"there are {', '.join(scores) or 'none'}"
            )
        found = {name for name, flagged in result.categories.items() if flagged}
        found -= settings.thresholds.keys()
        found |= {
            name for name, least in settings.thresholds.items() if (scores[name] or 0.0) >= least
        }
        found -= set(settings.ignore)
        if not found and result.flagged and not any(result.categories.values()):
            # Flagged, and the server names no category that could be ignored.
            return "flagged"
        return max(sorted(found), key=lambda name: scores.get(name) or 0.0, default=None)


def _inputs(text: str, images: Sequence[str]) -> list[str | list[dict[str, Any]]]:
    """One for each request: servers of this kind take one image at a time."""
    if not images:
        return [storable(text)]
    parts = [[{"type": "image_url", "image_url": {"url": url}}] for url in images]
    return [[{"type": "text", "text": storable(text)}, *parts[0]], *parts[1:]]


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > LARGEST_ANSWER:
            raise UnansweredError(f"an answer of more than {LARGEST_ANSWER:,} bytes")
        parts.append(part)
    return b"".join(parts)
