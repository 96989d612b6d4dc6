"""Images of questions, from the browser and back to it.

    POST /round/image                      the body is the file; headers X-Rostra-Basket, the page's
                                           secret, and Content-Length: a reference to the image
    GET  /round/image/<tab>/<turn>/<image> an image of the round whose ticket is in the tab's cookie

What is refused is answered with one line for the voter.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tornado.web import RequestHandler, stream_request_body

from rostra.arena.access.access import voter_of
from rostra.arena.access.guard import GuardedHandler
from rostra.arena.errors import ToldVoterError, VoteRefusedError
from rostra.arena.images.uploads import Basket
from rostra.arena.pages.logos import ALONE
from rostra.arena.pages.tickets import ticket_of
from rostra.arena.state import Arena

BASKET = "X-Rostra-Basket"


@stream_request_body
class UploadImage(GuardedHandler):
    """Of the body no more is read than an image may have."""

    def initialize(self, arena: Arena) -> None:
        self._uploads = arena.uploads
        self._basket: Basket | None = None
        self._body = bytearray()

    def check_xsrf_cookie(self) -> None:
        """The basket is a secret of its page, and its header none that another site may send."""

    def prepare(self) -> None:
        super().prepare()
        if self._finished or self.request.method != "POST":
            return
        self._basket = self._uploads.of(
            self.request.headers.get(BASKET, ""), voter_of(self.request)
        )
        length = self.request.headers.get("Content-Length", "")
        if self._basket is None:
            self._refuse(403, "This page was open for too long. Load it again.")
        elif not length.isdecimal():
            self._refuse(411, "A Content-Length is needed.")
        elif int(length) > self._uploads.settings.max_bytes:
            megabytes = f"{self._uploads.settings.max_bytes / 2**20:g}"
            self._refuse(413, self._basket.texts("image.too_large", megabytes=megabytes))

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk

    async def post(self) -> None:
        if self._basket is None:
            return
        try:
            reference = await self._uploads.take(self._basket, bytes(self._body))
        except ToldVoterError as error:
            self._refuse(422, str(error))
            return
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(reference)

    def _refuse(self, status: int, line: str) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        # What still comes of the body is not for a further request.
        self.set_header("Connection", "close")
        self.finish(line)


class TurnImages(GuardedHandler):
    def initialize(self, arena: Arena) -> None:
        self._store = arena.store

    async def get(self, tab: str, turn: str, number: str) -> None:
        ticket = ticket_of(self, tab)
        picture = None
        if ticket is not None:
            with suppress(VoteRefusedError):
                picture = await asyncio.to_thread(self._store.image, ticket, int(turn), int(number))
        if picture is None:
            self.send_error(404)
            return
        ending = picture.media_type.removeprefix("image/")
        self.set_header("Content-Type", picture.media_type)
        self.set_header("Content-Disposition", f'inline; filename="image-{turn}-{number}.{ending}"')
        self.set_header("Content-Security-Policy", ALONE)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Cache-Control", "private, no-store")
        self.finish(picture.data)


def image_routes(arena: Arena) -> list[tuple[str, type[RequestHandler], dict[str, Arena]]]:
    given = {"arena": arena}
    return [
        ("/round/image", UploadImage, given),
        (r"/round/image/([a-z_]+-[0-9a-f]{16})/([0-9]{1,4})/([0-9]{1,4})", TurnImages, given),
    ]
