"""GET /openapi.json, and /docs for people."""

from __future__ import annotations

import asyncio

from aiohttp import web

from rostra.gateway.keys import DOCUMENT

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
}


async def openapi_document(request: web.Request) -> web.Response:
    """The first call makes it, which takes a while."""
    document = request.app[DOCUMENT]
    body = await asyncio.to_thread(lambda: document.json)
    return web.Response(body=body, content_type="application/json")


async def reference_page(request: web.Request) -> web.Response:
    document = request.app[DOCUMENT]
    page = await asyncio.to_thread(lambda: document.page)
    return web.Response(body=page, content_type="text/html", charset="utf-8", headers=_HEADERS)


async def home(request: web.Request) -> web.Response:
    """Somebody who opens the gateway in a browser wants to know what it is."""
    return await reference_page(request)
