"""What the leaderboard and the analyst page fetch when somebody asks: figures, tables, details."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from rostra.arena.access.access import voter_of
from rostra.arena.access.guard import GuardedHandler
from rostra.arena.campaigns.door import admitted
from rostra.arena.errors import ArenaError
from rostra.arena.pages.analyst import beside
from rostra.arena.pages.contestant import contestant
from rostra.arena.pages.leaderboard import Choice, table, table_csv
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.summary.pairs import ROPE_ELO
from rostra.arena.results import Saved
from rostra.arena.state import Arena
from rostra.arena.texts import FALLBACK, LANGUAGES, Language

logger = logging.getLogger(__name__)

WIDEST_ROPE = 1000.0
HTML, CSV, JSON = "text/html", "text/csv", "application/json"


class Results(GuardedHandler):
    """GET /results/<what>, or /c/<campaign>/results/<what>. Query: `level` of the posterior's
    factor; `style`, 0 as voted or 1 at equal style; `language` of what HTML says; and by `what`:

    table         the leaderboard's table, HTML
    ratings.csv   the same for a spreadsheet
    contestant    `name`: what lies behind its line, HTML
    beside        the classical estimates, HTML
    plot          `name`: a figure as `Plot.payload`, JSON, or `null` where the posterior has
                  nothing of the kind; for the difference `first`, `second` and `rope` (Elo points)

    404 while there are no ratings, 400 for a question that has no answer, with one line of text.
    """

    def initialize(self, arena: Arena) -> None:
        self._arena = arena

    async def get(self, name: str | None, what: str) -> None:
        campaign = admitted(self._arena.campaigns, name, voter_of(self.request))
        if campaign is None:
            return self._refuse(404, "There is no such campaign here.")
        self._campaign = campaign
        try:
            kind, derive = self._question(what)
            style = {"0": False, "1": True}.get(self._one("style"))
            arguments = tuple(sorted((name, self._one(name)) for name in self.request.arguments))
            body = await campaign.results.answer(
                (what, arguments), lambda saved: gzip.compress(derive(saved).encode(), 5), style
            )
        except RatingsError as error:
            return self._refuse(400, str(error))
        except ArenaError as error:
            logger.warning("%s", error)
            return self._refuse(503, str(error))
        if body is None:
            return self._refuse(404, "There are no ratings yet: run `rostra rate`.")
        self.set_header("Content-Type", f"{kind}; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Vary", "Accept-Encoding")
        if "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            self.finish(body)
        else:
            self.finish(gzip.decompress(body))
        return None

    def _question(self, what: str) -> tuple[str, Callable[[Saved], str]]:
        """Content type, and what to derive. Raises RatingsError for a bad question."""
        contestants = self._campaign.contestants
        labels = {entry.name: entry.label for entry in contestants}
        level = self._one("level")
        language = self._language()
        words = self._campaign.texts(language)

        def at(saved: Saved) -> Posterior:
            return saved.posterior.at(level) if level else saved.posterior

        def choice(saved: Saved) -> Choice:
            style = bool(saved.posterior.spec.style)
            return Choice(saved.posterior.levels, level, style=style, language=language)

        answers: Mapping[str, tuple[str, Callable[[Saved], str]]] = {
            "table": (
                HTML,
                lambda saved: str(table(at(saved).rows, choice(saved), contestants, words)),
            ),
            "ratings.csv": (CSV, lambda saved: table_csv(at(saved).rows, contestants)),
            "contestant": (
                HTML,
                lambda saved: contestant(saved, at(saved), self._one("name"), labels, words),
            ),
            "beside": (HTML, lambda saved: beside(at(saved), labels)),
            "plot": (JSON, lambda saved: self._plot(saved, at(saved))),
        }
        if what not in answers:
            raise RatingsError(f"no {what!r} here; there are {', '.join(answers)}")
        self._rope()
        return answers[what]

    def _plot(self, saved: Saved, posterior: Posterior) -> str:
        # Every plot there is, in the thread that reads results.
        from rostra.arena.ratings.plots.gallery import PLOTS, Question

        if self._one("name") not in PLOTS:
            raise RatingsError(f"no figure {self._one('name')!r}; there are {', '.join(PLOTS)}")
        settings = self._campaign.arena
        asked = Question(
            prices={
                entry.name: entry.price for entry in settings.contestants if entry.price is not None
            },
            currency=settings.currency,
            earlier=saved.earlier,
            first=self._one("first") or None,
            second=self._one("second") or None,
            rope=self._rope(),
        )
        plot = PLOTS[self._one("name")](posterior, asked)
        payload: dict[str, Any] | None = None if plot is None else plot.payload()
        return json.dumps(payload)

    def _language(self) -> Language:
        asked = self._one("language") or FALLBACK
        for language in LANGUAGES:
            if language == asked:
                return language
        raise RatingsError(f"no language {asked!r}; there are {', '.join(LANGUAGES)}")

    def _rope(self) -> float:
        text = self._one("rope")
        try:
            rope = float(text) if text else ROPE_ELO
        except ValueError:
            rope = -1.0
        if not 0 <= rope <= WIDEST_ROPE:
            raise RatingsError(f"rope {text!r} is not a number from 0 to {WIDEST_ROPE:.0f}")
        return rope

    def _one(self, name: str) -> str:
        return self.get_query_argument(name, "")

    def _refuse(self, status: int, line: str) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(line + "\n")
