"""The logos of campaigns, served by the arena itself."""

from __future__ import annotations

from rostra.arena.access.access import voter_of
from rostra.arena.access.guard import GuardedHandler
from rostra.arena.campaigns.door import admitted
from rostra.arena.state import Arena

ALONE = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
"""What a picture that is opened by itself may load and run: nothing."""


class Logos(GuardedHandler):
    """GET /logo, or /c/<campaign>/logo."""

    def initialize(self, arena: Arena) -> None:
        self._arena = arena

    def get(self, name: str | None) -> None:
        campaign = admitted(self._arena.campaigns, name, voter_of(self.request))
        if campaign is None or campaign.logo is None:
            self.send_error(404)
            return
        self.set_header("Content-Type", campaign.logo.media_type)
        self.set_header("Content-Security-Policy", ALONE)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "private, max-age=86400")
        self.finish(campaign.logo.content)
