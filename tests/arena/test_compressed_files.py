from __future__ import annotations

import asyncio
import gzip

import aiohttp
import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler, StaticFileHandler

from rostra.arena.pages import compression
from rostra.arena.pages.compression import CompressedFiles

SCRIPT = b"".join(b"let number_%d = %d;\n" % (i, i * i) for i in range(20_000))


class Page(RequestHandler):
    def get(self) -> None:
        self.set_header("Etag", '"page"')
        self.write("<p>a token</p>" * 1_000)


@pytest.fixture
async def site(tmp_path, monkeypatch):
    monkeypatch.setattr(compression, "_compressed", {})
    (tmp_path / "a.js").write_bytes(SCRIPT)
    (tmp_path / "small.css").write_bytes(b"p { color: red }")
    (tmp_path / "font.woff2").write_bytes(SCRIPT)
    files = (r"/static/(.*)", StaticFileHandler, {"path": str(tmp_path)})
    server = HTTPServer(Application([files, ("/", Page)], transforms=[CompressedFiles]))
    socket, port = bind_unused_port()
    server.add_sockets([socket])
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", auto_decompress=False) as http:
        yield http
    server.stop()
    await server.close_all_connections()


async def got(site, path, **headers):
    async with site.get(path, headers={"Accept-Encoding": "gzip", **headers}) as response:
        return response, await response.read()


async def test_a_file_is_compressed_and_the_second_time_is_sent_as_it_was(site):
    for length in (None, "as kept"):
        response, body = await got(site, "/static/a.js?v=1")
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Vary"] == "Accept-Encoding"
        assert "max-age=" in response.headers["Cache-Control"]
        assert ("Content-Length" in response.headers) == bool(length)
        assert gzip.decompress(body) == SCRIPT
        assert len(body) < len(SCRIPT) / 3
    response, body = await got(site, "/static/small.css")
    assert gzip.decompress(body) == b"p { color: red }"
    assert len(compression._compressed) == 2


async def test_those_who_ask_at_once_all_get_the_whole(site):
    every = await asyncio.gather(*(got(site, "/static/a.js") for _ in range(8)))
    assert all(gzip.decompress(body) == SCRIPT for _, body in every)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/static/a.js", {"Accept-Encoding": "identity"}),
        ("/static/a.js", {"Range": "bytes=0-99"}),
        ("/static/font.woff2", {}),
        ("/static/none.js", {}),
        ("/", {}),
    ],
)
async def test_all_else_goes_out_as_it_is(site, path, headers):
    response, body = await got(site, path, **headers)
    assert "Content-Encoding" not in response.headers
    assert len(body) == int(response.headers["Content-Length"])


async def test_a_file_that_a_browser_has_is_not_sent_again(site):
    first, _ = await got(site, "/static/a.js")
    response, body = await got(site, "/static/a.js", **{"If-None-Match": first.headers["Etag"]})
    assert (response.status, body) == (304, b"")
    async with site.head("/static/a.js", headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Length"] == str(len(SCRIPT))
