"""Saved results, as the pages read them: the newest whole, those before in outline."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rostra.arena.errors import ArenaError
from rostra.arena.ratings import audit
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.storage import latest
from rostra.arena.shared import Shared
from rostra.arena.standings import Standings

if TYPE_CHECKING:
    from rostra.arena.ratings.plots.history import Result

MOST_EARLIER = 60
"""Former results that a course of ratings goes back to."""
MOST_KEPT = 96
"""Answers to questions about the results."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class Saved:
    """One posterior and what lies beside it."""

    folder: Path
    posterior: Posterior
    findings: tuple[audit.Finding, ...] | None
    """None where there was no audit."""
    earlier: tuple[Result, ...]
    """This one and those before it, with the same kind of style control."""


class ResultsReader:
    """Reads posteriors off the event loop, each once, and remembers what was derived from them.

    One derivation runs at a time, so that many readers do not take the server from the voters, who
    wait for none that has been made; and those who ask at once share one look at the directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._reading = asyncio.Lock()
        self._deriving = asyncio.Lock()
        self._looks: dict[bool | None, Shared[Saved | None]] = {
            style: Shared(partial(self._look, style)) for style in (None, False, True)
        }
        self._outlines: dict[Path, Standings] = {}
        self._loaded: dict[bool, Saved] = {}
        self._answers: OrderedDict[tuple[object, ...], object] = OrderedDict()

    async def styles(self) -> frozenset[bool]:
        """Whether there are results as voted (False) and at equal style (True)."""
        outlines = await asyncio.to_thread(self._read_outlines)
        return frozenset(bool(outline.spec.style) for _, outline in outlines)

    async def findings(self) -> tuple[audit.Finding, ...]:
        """Of the audit of the newest result; empty where there was none."""

        def read() -> tuple[audit.Finding, ...]:
            outlines = self._read_outlines()
            return (audit.load(outlines[-1][0]) or ()) if outlines else ()

        return await asyncio.to_thread(read)

    async def answer(
        self, key: tuple[object, ...], derive: Callable[[Saved], Answer], style: bool | None = None
    ) -> Answer | None:
        """`derive` of the newest result, in a thread; what `key` names is derived once.

        `style`: the newest at equal style, or as voted; None takes the newest of all. The answer is
        None when there is no such result. Raises `ArenaError` when it cannot be read.
        """
        saved = await self._looks[style]()
        if saved is None:
            return None
        whole = (saved.folder, *key)
        if whole not in self._answers:
            async with self._deriving:
                if whole not in self._answers:
                    self._answers[whole] = await asyncio.to_thread(derive, saved)
                    while len(self._answers) > MOST_KEPT:
                        self._answers.popitem(last=False)
        self._answers.move_to_end(whole)
        return self._answers[whole]  # type: ignore[return-value]

    async def _look(self, style: bool | None) -> Saved | None:
        async with self._reading:
            return await asyncio.to_thread(self._newest, style)

    def _newest(self, style: bool | None) -> Saved | None:
        outlines = self._read_outlines()
        if style is None and outlines:
            style = bool(outlines[-1][1].spec.style)
        same = [found for found in outlines if bool(found[1].spec.style) == style]
        if not same or style is None:
            return None
        folder = same[-1][0]
        if style not in self._loaded or self._loaded[style].folder != folder:
            from rostra.arena.ratings.plots.history import Result

            earlier = tuple(Result(outline.created, outline.ratings) for _, outline in same)
            try:
                posterior = Posterior.load(folder)
            except RatingsError as error:
                # Not a mistake of whoever asks.
                raise ArenaError(str(error)) from error
            self._loaded[style] = Saved(folder, posterior, None, earlier)
        saved = self._loaded[style]
        # The audit comes after the ratings, or again.
        findings = audit.load(folder)
        if findings != saved.findings:
            saved = replace(saved, findings=findings)
            self._loaded[style] = saved
        return saved

    def _read_outlines(self) -> list[tuple[Path, Standings]]:
        """The last ones, in the order they were made; the folders' names begin with the time.

        The one that is marked as the latest is the last, also among those of one second. Raises
        ArenaError where that one cannot be read; others that cannot, as those that an older version
        made, are not gone back to.
        """
        try:
            newest = latest(self._directory)
            folders = sorted(
                (
                    path
                    for path in self._directory.iterdir()
                    if path.is_dir() and not path.name.startswith(".")
                ),
                key=lambda path: (path == newest, path.name),
            )
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ArenaError(f"cannot read the ratings in {self._directory}: {error}") from None
        kept = {}
        for folder in folders[-MOST_EARLIER:]:
            try:
                kept[folder] = self._outlines.get(folder) or Standings.read(folder)
            except ArenaError:
                if folder == newest:
                    raise
        self._outlines = kept
        return list(kept.items())
