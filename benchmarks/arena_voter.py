"""A voter without a browser: the arena's page over the protocol that its scripts speak.

A page is what a browser does with one: GET the HTML, take the token out of it, open the websocket
with it, pull the document, report that it is ready; then send what `round.js` sends and take what
it takes. See `bokeh.protocol` for the messages.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

_TOKEN = re.compile(r'"token":\s*"([^"]+)"')
PATIENCE = 120.0
"""Seconds for anything a voter waits for."""


class PageError(Exception):
    """The page did not do what it is for."""


class VoterPage:
    """One page of a round, from its HTML to the end of its websocket.

    `state` is what the server last said of each value of `RoundPage`. `seconds` has how long
    the HTML (`page`) and the document after it (`document`) took.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, path: str = "/", tab: str = ""
    ) -> None:
        """`session` keeps the cookies of one browser; `tab` is that of a page this one reloads."""
        self.url = url
        self.path = path
        self.state: dict[str, Any] = {}
        self.answers: dict[tuple[int, str], _Drawn] = {}
        self.seconds: dict[str, float] = {}
        self.num_messages = 0
        self.num_bytes = 0
        self._http = session
        self.tab = tab or secrets.token_hex(8)
        self._view = ""
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._posts: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        began = time.perf_counter()
        async with self._http.get(self.url + self.path) as response:
            html = await response.text()
            if response.status != 200:
                raise PageError(f"the page answers {response.status}")
        self.seconds["page"] = time.perf_counter() - began
        await self.connect(_token(html))
        self.seconds["document"] = time.perf_counter() - began - self.seconds["page"]
        return self

    async def connect(self, token: str) -> None:
        """Opens the websocket of a page whose HTML has this token, and pulls its document."""
        self.token = token
        self._socket = await self._http.ws_connect(
            f"{self.url}{self.path.rstrip('/')}/ws".replace("http", "ws", 1),
            protocols=("bokeh", token),
            origin=f"http://{urlsplit(self.url).netloc}",
            max_msg_size=0,
        )
        await self._expect("ACK")
        await self._write("PULL-DOC-REQ", {})
        self._take_document((await self._expect("PULL-DOC-REPLY"))["doc"])
        self._reader = asyncio.create_task(self._read())
        await self._send_event("document_ready", {})

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """As when the tab is closed."""
        if self._posts:
            await asyncio.wait(self._posts)
        await self._socket.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])

    @property
    def closed(self) -> bool:
        """Whether the server, or the way to it, has ended the websocket."""
        return self._reader is None or self._reader.done()

    async def send(self, action: str, **details: Any) -> None:
        """What `round.js` sends when the voter does something."""
        data = {"action": action, "round": self.state["round"], **details}
        await self._send_event("data_event", {"model": {"id": self._view}, "data": _encoded(data)})

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The state once it is so. Raises `PageError` when it never is, or the socket ends."""
        async with asyncio.timeout(PATIENCE):
            while not holds(self.state):
                if self.closed:
                    raise PageError(f"the socket was closed in state {self._short()}")
                await self._changed.wait()
        return self.state

    async def ask(self, question: str) -> float:
        """Seconds until the page said that it was answering."""
        began = time.perf_counter()
        await self.send("ask", prompt=question, chosen={})
        await self.until(lambda state: state["phase"] == "answering")
        return time.perf_counter() - began

    async def read(self) -> None:
        """Returns when both answers have ended."""
        await self.until(lambda state: state["phase"] != "answering")
        if self.state["phase"] not in ("ended", "voted"):
            raise PageError(f"the round went wrong: {self._short()}")

    async def vote(self, outcome: str) -> float:
        """Seconds until the names were told."""
        began = time.perf_counter()
        await self.send("vote", outcome=outcome)
        await self.until(lambda state: state["phase"] == "voted")
        return time.perf_counter() - began

    async def give_reasons(self, tags: list[str], comment: str) -> float:
        """Seconds until the page said that they are stored."""
        began = time.perf_counter()
        await self.send("reasons", tags=tags, comment=comment)
        await self.until(lambda state: bool(state["reasons_given"]))
        return time.perf_counter() - began

    async def next_round(self) -> float:
        """Seconds until the page was empty again."""
        began, before = time.perf_counter(), self.state["round"]
        await self.send("new")
        await self._post("forget")
        await self.until(lambda state: state["round"] > before)
        self.answers.clear()
        return time.perf_counter() - began

    async def resume(self) -> bool:
        """Takes up the round in the tab's cookie; whether there is one."""
        claim = await self._post("resume")
        if claim:
            await self.send("resume", claim=claim)
        return bool(claim)

    async def _post(self, action: str, **fields: str) -> str:
        kind = self.state["kind"]
        async with self._http.post(
            f"{self.url}/round/{action}", data={"tab": f"{kind}-{self.tab}", **fields}
        ) as response:
            if response.status not in (200, 204):
                raise PageError(f"/round/{action} answers {response.status}")
            return await response.text()

    def _take_document(self, document: Any) -> None:
        view = next(
            (each for each in _objects(document["roots"]) if _attribute(each, "told") is not None),
            None,
        )
        if view is None:
            raise PageError("the document has no view of a round")
        self._view = view["id"]
        self.state = _decoded(_attribute(view, "told"))

    async def _read(self) -> None:
        while (message := await self._next_message()) is not None:
            if message[0] == "PATCH-DOC":
                for event in message[1]["events"]:
                    self._apply(event)
                self._changed.set()
                self._changed = asyncio.Event()
            elif message[0] == "ERROR":
                raise PageError(str(message[1]))
        self._changed.set()

    def _apply(self, event: dict[str, Any]) -> None:
        if event["kind"] == "MessageSent" and event["msg_data"]["name"] == "esm_event":
            self._take_message(_decoded(event["msg_data"]["values"])["data"])

    def _take_message(self, data: dict[str, Any]) -> None:
        self.state |= data.get("told", {})
        if claim := data.get("claim"):
            keeping = asyncio.create_task(self._keep(claim))
            self._posts.add(keeping)
            keeping.add_done_callback(self._posts.discard)
        for part in data.get("parts", ()):
            self.answers.setdefault((part["turn"], part["side"]), _Drawn()).draw(part)

    async def _keep(self, claim: str) -> None:
        await self._post("keep", claim=claim)

    async def _next_message(self) -> tuple[str, Any] | None:
        fragments: list[Any] = []
        missing = 3
        while missing:
            frame = await self._socket.receive()
            if frame.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return None
            self.num_bytes += len(frame.data)
            fragments.append(frame.data)
            missing -= 1
            if len(fragments) == 1:
                header = json.loads(frame.data)
                missing += 2 * header.get("num_buffers", 0)
        self.num_messages += 1
        return header["msgtype"], json.loads(fragments[2])

    async def _expect(self, kind: str) -> Any:
        async with asyncio.timeout(PATIENCE):
            message = await self._next_message()
        if message is None or message[0] != kind:
            raise PageError(f"expected {kind}, got {message and message[0]}")
        return message[1]

    async def _send_event(self, name: str, values: dict[str, Any]) -> None:
        message = {
            "kind": "MessageSent",
            "msg_type": "bokeh_event",
            "msg_data": {
                "type": "event",
                "name": name,
                "values": {"type": "map", "entries": list(values.items())},
            },
        }
        await self._write("PATCH-DOC", {"events": [message]})

    async def _write(self, kind: str, content: Any) -> None:
        header = {"msgid": secrets.token_hex(8), "msgtype": kind}
        for fragment in (header, {}, content):
            await self._socket.send_str(json.dumps(fragment))

    def _short(self) -> str:
        return f"{self.state.get('phase')!r}: {self.state.get('status')}"


class _Drawn:
    """An answer as `drawPart` of `answer.js` has it."""

    def __init__(self) -> None:
        self.settled = ""
        self.tail = ""
        self._pieces = 0

    def draw(self, part: dict[str, Any]) -> None:
        if part["at"] not in (0, self._pieces):
            raise PageError("a part of an answer is missing")
        if part["at"] == 0:
            self.settled, self._pieces = "", 0
        self.settled += part["html"]
        self._pieces += bool(part["html"])
        kept = self.tail.encode("utf-16-le")[: 2 * part["keep"]].decode("utf-16-le")
        self.tail = kept + part["tail"]

    @property
    def html(self) -> str:
        return self.settled + self.tail


def _token(html: str) -> str:
    found = _TOKEN.search(html)
    if found is None:
        raise PageError("the page has no token")
    return found[1]


def _objects(value: Any) -> list[dict[str, Any]]:
    """Every model in a serialised document."""
    found = []
    if isinstance(value, dict):
        if value.get("type") == "object" and "id" in value:
            found.append(value)
        for each in value.values():
            found += _objects(each)
    elif isinstance(value, list):
        for each in value:
            found += _objects(each)
    return found


def _attribute(model: dict[str, Any], name: str) -> Any:
    """Of the data of a component; `None` where it has none."""
    data = model.get("attributes", {}).get("data")
    return data.get("attributes", {}).get(name) if isinstance(data, dict) else None


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    if isinstance(value, dict) and value.get("type") == "map":
        return {key: _decoded(each) for key, each in value.get("entries", [])}
    return value


def _encoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_encoded(each) for each in value]
    if isinstance(value, dict):
        return {"type": "map", "entries": [[key, _encoded(each)] for key, each in value.items()]}
    return value
