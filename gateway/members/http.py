"""Calls to a member's API over HTTP."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping

import aiohttp
import orjson
from yarl import URL

from rostra.gateway.large_work import beside_the_loop
from rostra.gateway.members.errors import Failure, of_answer, unavailable
from rostra.gateway.members.requests import Body
from rostra.gateway.members.settings import MemberSettings

_MOST = 256 * 2**20
"""Bytes of a whole answer."""
_MOST_OF_ERROR = 64 * 2**10
_READ_AHEAD = 256 * 2**10
_IDS = ("x-request-id", "traceparent", "tracestate")


class MemberError(Exception):
    """A call that failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__()
        self.failure = failure


class Upstream:
    """One member's API. Redirections are not followed: the key is for this server alone."""

    def __init__(
        self, settings: MemberSettings, key: str | None, tls: ssl.SSLContext | bool
    ) -> None:
        self._url = settings.url
        self._passed_on = _IDS if settings.pass_ids else ()
        host = URL(settings.url)
        self.secrets = tuple(
            secret
            for secret in (key, settings.url, host.authority, host.host)
            if secret is not None
        )
        """What no client may read; the longer before what is a part of them."""
        headers = {"Accept-Encoding": "gzip, deflate", "User-Agent": "rostra-gateway"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=settings.connect_timeout, connect=None
            ),
            read_bufsize=_READ_AHEAD,
        )

    async def get(self, path: str) -> bytes:
        """The body. Raises MemberError and aiohttp's errors."""
        async with self._session.get(self._url + path, allow_redirects=False) as response:
            await self._check(response)
            return await whole_body(response)

    async def post(
        self, path: str, body: Callable[[], Body], size: int, metadata: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        """An answer whose status is 200, to be closed. `size` is about that of the body, in bytes.
        Raises MemberError and aiohttp's errors."""
        headers = {name: metadata[name] for name in self._passed_on if name in metadata}
        data = await beside_the_loop(size, lambda: orjson.dumps(body()))
        response = await self._session.post(
            self._url + path,
            data=data,
            headers={**headers, "Content-Type": "application/json"},
            allow_redirects=False,
        )
        try:
            await self._check(response)
        except BaseException:
            response.close()
            raise
        return response

    async def close(self) -> None:
        await self._session.close()

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status != 200:
            body = await response.content.read(_MOST_OF_ERROR)
            raise MemberError(of_answer(response.status, response.headers, body, self.secrets))


async def whole_body(response: aiohttp.ClientResponse) -> bytes:
    """Raises MemberError where there is no end to it."""
    pieces, size = [], 0
    while piece := await response.content.readany():
        pieces.append(piece)
        size += len(piece)
        if size > _MOST:
            raise MemberError(unavailable("an answer of it has no end"))
    return b"".join(pieces)


def failure_of(error: aiohttp.ClientError) -> Failure:
    """In words that hold no address."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "")
            return unavailable(
                f"its certificate is not trusted: {reason}".rstrip(": "), lasting=True
            )
        case aiohttp.ClientConnectorDNSError():
            return unavailable("it cannot be reached: its host's name is not known", lasting=True)
        case aiohttp.ClientConnectorError():
            number = error.os_error.errno
            reason = os.strerror(number) if number and number > 0 else "no connection"
            return unavailable(f"it cannot be reached: {reason}", lasting=True)
        case aiohttp.ConnectionTimeoutError():
            return unavailable("it cannot be reached: no answer to a connection", lasting=True)
        case _:
            return unavailable("it broke off an answer")
