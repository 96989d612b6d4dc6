"""The page on which two contestants of the voter's choice answer. Votes are kept apart."""

from __future__ import annotations

from typing import Any

from rostra.arena.errors import ToldVoterError
from rostra.arena.pages.named import NamedView
from rostra.arena.round import Round


class SideBySideView(NamedView):
    mode = "side_by_side"

    def new_round(self, chosen: dict[str, Any], *, images: bool) -> Round:
        a, b = (self._contestant(chosen.get(side), images=images) for side in ("a", "b"))
        if a is b:
            raise ToldVoterError(self._texts("status.same"))
        return self._round({"a": a, "b": b})
