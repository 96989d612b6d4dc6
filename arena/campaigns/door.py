"""Who comes into which campaign, at the door of the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tornado.web import RequestHandler
from tornado.websocket import WebSocketHandler

from rostra.arena.access.access import Access
from rostra.arena.access.guard import LOGIN_PATH, Guard
from rostra.arena.access.voter import Voter
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.campaigns.registry import Campaigns
from rostra.arena.campaigns.settings import DEFAULT
from rostra.arena.votes.records import Mode

Refuse = Callable[[RequestHandler, int, str], str]
"""HTML of the page of a refusal, for the handler, the status and the key of what is wrong."""


class Place(NamedTuple):
    """Where a path of the server leads."""

    campaign: str
    page: str
    """What stands behind the campaign's base, as in `/chat`; empty for its first page."""


def place(path: str) -> Place:
    """`path`: of a page or of its socket."""
    path = path.removesuffix("/ws").rstrip("/")
    _, first, *rest = [*path.split("/"), "", ""]
    if first == "c" and rest and rest[0]:
        return Place(rest[0], path.removeprefix(f"/c/{rest[0]}"))
    return Place(DEFAULT, path)


def admitted(campaigns: Campaigns, name: str | None, voter: Voter) -> Campaign | None:
    """The campaign of an address, if this voter may see it. `name` is None at the root, where the
    default one is; that has no other address."""
    if name == DEFAULT:
        return None
    campaign = campaigns.get(name or DEFAULT)
    return campaign if campaign is not None and campaign.admits(voter) else None


class Door(Guard):
    """Lets in whoever the access lets in, to pages that their campaign has."""

    def __init__(
        self,
        access: Access,
        campaigns: Campaigns,
        pages: Mapping[str, Mode | None],
        index: str,
        refuse: Refuse,
    ) -> None:
        """`pages`: of every campaign, each with the mode without which it is not there. `index`:
        address of the page that lists campaigns."""
        super().__init__(access)
        self._campaigns = campaigns
        self._pages = pages
        self._index = index
        self._refuse = refuse

    @property
    def get_user_async(self) -> Callable[[Any], Awaitable[Any]]:
        let_in = super().get_user_async

        async def get_user(handler: RequestHandler) -> Voter | None:
            voter: Voter | None = await let_in(handler)
            return voter if voter is not None and self._comes_in(handler, voter) else None

        return get_user

    def _comes_in(self, handler: RequestHandler, voter: Voter) -> bool:
        """If not, the handler has answered, but for a socket, whose caller does."""
        name, page = place(handler.request.path)
        if page not in self._pages:
            return True
        campaign = self._campaigns.get(name)
        if campaign is None:
            return self._say(handler, 404, "campaign.unknown")
        if campaign.admits(voter):
            return self._is_there(handler, campaign, page)
        if name == DEFAULT and not page and self._campaigns.seen_by(voter):
            return self._send(handler, self._index)
        if voter.name is None and self._access.settings.has_logins:
            back = urlencode({"next": handler.request.uri or ""})
            return self._send(handler, f"{LOGIN_PATH}?{back}")
        return self._say(handler, 403, "campaign.not_admitted")

    def _is_there(self, handler: RequestHandler, campaign: Campaign, page: str) -> bool:
        offered = (None, *campaign.settings.modes)
        if self._pages[page] in offered:
            there = campaign.base + page or "/"
            return handler.request.path.removesuffix("/ws") in (there, "") or self._send(
                handler, there
            )
        if page:
            return self._say(handler, 404, "campaign.no_page")
        first = next(each for each, mode in self._pages.items() if mode in offered)
        return self._send(handler, campaign.base + first)

    def _send(self, handler: RequestHandler, address: str) -> bool:
        if not isinstance(handler, WebSocketHandler):
            handler.redirect(address)
        return False

    def _say(self, handler: RequestHandler, status: int, key: str) -> bool:
        if not isinstance(handler, WebSocketHandler):
            handler.set_status(status)
            handler.set_header("Content-Type", "text/html; charset=utf-8")
            handler.finish(self._refuse(handler, status, key))
        return False
