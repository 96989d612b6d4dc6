"""Pages that are one document: rendered on the server, from a template."""

from __future__ import annotations

import panel as pn
from markupsafe import Markup

from rostra.arena.pages.templates import fill_in
from rostra.arena.ratings.plots.assets import DOCUMENT_CSS
from rostra.arena.texts import Texts


def document(html: str = "") -> pn.pane.HTML:
    return pn.pane.HTML(html, stylesheets=[DOCUMENT_CSS], sizing_mode="stretch_width", margin=0)


def no_ratings(heading: str, num_votes: int, interval: float, words: Texts, home: str = "/") -> str:
    """The page in place of ratings that nobody has made. `interval`: of `[arena.refresh]`; `home`:
    address of the page to vote on."""
    how = made(interval, words)
    if num_votes:
        key = "leaderboard.waiting_one" if num_votes == 1 else "leaderboard.waiting"
        what = words.html(key, votes=f"{num_votes:,}", how=how)
    else:
        begin = Markup('<a href="{}">{}</a>').format(home, words("leaderboard.begin"))
        what = words.html("leaderboard.nobody", begin=begin, how=how)
    return fill_in("no_ratings.html", heading=heading, words=words, what=what)


def made(interval: float, words: Texts) -> Markup:
    """Who makes ratings, and when. `interval`: seconds; 0 where the operator does."""
    if not interval:
        command = Markup("<code>rostra rate</code>")
        return words.html("leaderboard.by_operator", command=command)
    minutes = interval >= 60
    count = f"{interval / 60 if minutes else interval:.3g}"
    if count == "1":
        return words.html("leaderboard.every_minute" if minutes else "leaderboard.every_second")
    key = "leaderboard.every_minutes" if minutes else "leaderboard.every_seconds"
    return words.html(key, count=count)
