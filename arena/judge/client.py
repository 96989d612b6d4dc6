"""Chat completions of a judge, whole and not streamed."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
import msgspec

from rostra.arena.gateway_client import CONNECT_TIMEOUT
from rostra.arena.judge.errors import NoReplyError
from rostra.arena.judge.settings import JudgeSettings

_HOPELESS = (401, 403, 404)
_AGAIN = (408, 409, 425, 429)
_UNFIT = (400, 404, 415, 422, 500, 501)
"""What servers say to a `response_format` or to `tools` they do not know: mostly 400 or 422, but
routers that find no server for it 404, and some fall over it."""
_MOST_WAIT = 60.0
_LONGEST_DETAIL = 300


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came, verdict or not."""

    content: str = ""
    refusal: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


class JudgeClient:
    """One HTTP session to one judge; an async context manager."""

    def __init__(
        self,
        judge: JudgeSettings,
        gateway_url: str,
        gateway_key: str | None,
        tls: ssl.SSLContext | bool = True,
    ) -> None:
        """`gateway_*`, `tls`: for a judge behind the gateway. Raises JudgeError where the judge's
        own key is not there."""
        own = judge.base_url is not None
        key = judge.key() or (None if own else gateway_key)
        self._judge = judge
        self._url = f"{judge.base_url or f'{gateway_url}/v1'}/chat/completions"
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._tls = True if own else tls
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> JudgeClient:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=self._judge.timeout, sock_connect=CONNECT_TIMEOUT),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(self, body: dict[str, Any]) -> Reply:
        """Raises NoReplyError."""
        if self._session is None:
            raise RuntimeError("JudgeClient is used outside its context")
        name = self._judge.name
        try:
            async with self._session.post(
                self._url,
                data=msgspec.json.encode(body),
                headers={"Content-Type": "application/json"},
            ) as response:
                data = await response.read()
                status = response.status
                after = _seconds(response.headers.get("Retry-After"))
        except TimeoutError:
            raise NoReplyError(
                f"judge {name!r} did not reply within {self._judge.timeout:g} s", again=True
            ) from None
        except aiohttp.ClientError as error:
            raise NoReplyError(
                f"no connection to judge {name!r} at {self._url} "
                f"({str(error) or type(error).__name__})",
                again=True,
            ) from None
        if status != 200:
            raise NoReplyError(
                f"judge {name!r} refused with HTTP {status}: {_detail(data)}",
                again=status in _AGAIN or status >= 500,
                hopeless=status in _HOPELESS,
                unfit=status in _UNFIT,
                after=after,
            )
        try:
            completion = msgspec.json.decode(data, type=_Completion)
            choice = completion.choices[0]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError) as error:
            raise NoReplyError(
                f"judge {name!r} sent what is no chat completion: {error}: {_detail(data)}",
                again=True,
            ) from None
        return Reply(
            _said(choice.message),
            choice.message.refusal,
            choice.finish_reason,
            completion.usage.prompt_tokens,
            completion.usage.completion_tokens,
        )


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Function(msgspec.Struct):
    arguments: str = ""


class _Call(msgspec.Struct):
    function: _Function


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage = msgspec.field(default_factory=_Usage)


def _said(message: _Message) -> str:
    """The text, or the arguments of a call that was asked for instead. Of several calls all, which
    is no verdict."""
    calls = message.tool_calls or ()
    return "\n".join(call.function.arguments for call in calls) or message.content or ""


def _seconds(text: str | None) -> float | None:
    """Of `Retry-After` in seconds; its other form, a date, is left to our own patience."""
    try:
        return None if text is None else min(max(float(text), 0.0), _MOST_WAIT)
    except ValueError:
        return None


def _detail(body: bytes) -> str:
    try:
        message = msgspec.json.decode(body)["error"]["message"]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        message = body.decode(errors="replace")
    return " ".join(str(message).split())[:_LONGEST_DETAIL]
