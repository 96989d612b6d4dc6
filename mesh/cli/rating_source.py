"""Where `rostra rate` and `rostra audit` get votes from: a file, or the vote store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.arena.ratings.board import Board
    from rostra.arena.ratings.provenance import Provenance
    from rostra.arena.ratings.reduce import Wanted
    from rostra.arena.votes.reduction import Givers

MALFORMED = 3
"""Exit code when votes were used and malformed rows were not. Other errors: 2."""


@dataclass(frozen=True)
class Found:
    """A board, where it came from, and what to say of it."""

    board: Board
    provenance: Provenance
    notes: tuple[str, ...] = ()
    """Lines for people."""
    malformed: int = 0
    """Rows that could not be used."""
    sided: bool = True
    """Whether the votes tell who stood on which side."""


class Source(Protocol):
    def read(self, wanted: Wanted) -> Found: ...

    def version(self) -> Any:
        """Differs when the votes have changed."""


@dataclass(frozen=True)
class FileSource:
    path: Path
    format: str | None
    strict: bool
    verdicts: tuple[Path, ...] = ()
    """Files of judges' verdicts beside it."""
    families: Mapping[str, Sequence[str]] | None = None
    """By judge its own contestants; None where judges are not told apart."""

    def read(self, wanted: Wanted) -> Found:
        from typing import cast

        if self.verdicts:
            return self._read_judged(wanted)

        from rostra.arena.imports.board import read_board
        from rostra.arena.imports.detect import Format

        found = read_board(self.path, wanted, cast(Format | None, self.format), strict=self.strict)
        return Found(
            found.board,
            found.provenance,
            tuple(found.report.lines()),
            found.report.malformed,
            found.sided,
        )

    def _read_judged(self, wanted: Wanted) -> Found:
        from typing import cast

        from rostra.arena.imports.detect import Format
        from rostra.arena.imports.verdicts import judged_board

        found = judged_board(
            self.path, self.verdicts, wanted, cast(Format | None, self.format), strict=self.strict
        )
        return Found(
            _with_own(found.board, self.families),
            found.provenance,
            tuple(line for report in found.reports for line in report.lines()),
            sum(report.malformed for report in found.reports),
        )

    def version(self) -> tuple[tuple[int, int], ...] | None:
        try:
            states = [path.stat() for path in (self.path, *self.verdicts)]
        except OSError:
            return None
        return tuple((state.st_mtime_ns, state.st_size) for state in states)


@dataclass(frozen=True)
class StoreSource:
    """The database at a URL, opened for each question so that none of it stays locked."""

    url: str
    campaigns: tuple[str, ...] = ()
    """None: all."""
    imported: bool = True
    """Whether votes are rated that were not cast here."""
    givers: Givers = "people"
    judges: tuple[str, ...] = ()
    """Of the models; none: all."""
    families: Mapping[str, Sequence[str]] | None = None
    """As of `FileSource`."""

    def read(self, wanted: Wanted) -> Found:
        from rostra.arena.tags.tagger import tag_for
        from rostra.arena.votes.reduction import VoteReader

        reader = VoteReader(
            self.url,
            self.campaigns,
            imported=self.imported,
            givers=self.givers,
            judges=self.judges,
        )
        try:
            tagged = tag_for(self.url, wanted.factors)
            board, provenance = reader.reduce(wanted)
        finally:
            reader.close()
        notes = (f"{tagged:,} battles tagged by the rules first.",) if tagged else ()
        return Found(_with_own(board, self.families), provenance, notes)

    def version(self) -> tuple[int, int] | None:
        from rostra.arena.errors import ArenaError
        from rostra.arena.votes.reduction import VoteReader

        try:
            reader = VoteReader(self.url)
        except ArenaError:
            return None
        try:
            return reader.version()
        finally:
            reader.close()


def chosen_source(
    votes: Path | None,
    format: str | None,
    votes_url: str | None,
    default_url: str,
    strict: bool,
    campaigns: Sequence[str] = (),
    imported: bool = True,
    givers: Givers = "people",
    judges: Sequence[str] = (),
    verdicts: Sequence[Path] = (),
    families: Mapping[str, Sequence[str]] | None = None,
) -> Source:
    """Raises RostraError for options that contradict each other."""
    if votes is not None:
        if votes_url is not None:
            raise RostraError("--votes and --votes-url name two sources of votes; give one")
        of_store = {
            "--campaign": campaigns,
            "--no-imported": not imported,
            "--from": givers != "people",
        }
        if option := next((name for name, given in of_store.items() if given), None):
            raise RostraError(f"{option} is for votes of the store; leave out --votes")
        if families is not None and not verdicts:
            raise RostraError("--judges wants verdicts; name their files with --verdicts")
        chosen = None if format in (None, "auto") else format
        return FileSource(votes, chosen, strict, tuple(verdicts), families)
    if verdicts:
        raise RostraError("--verdicts is for files; name that of people's votes with --votes")
    if format is not None or strict:
        option = "--format" if format is not None else "--strict"
        raise RostraError(f"{option} is for a file of votes; name it with --votes")
    if judges and givers == "people":
        raise RostraError("--judge chooses among models: give --from judges or --from both")
    return StoreSource(
        votes_url or default_url, tuple(campaigns), imported, givers, tuple(judges), families
    )


def _with_own(board: Board, families: Mapping[str, Sequence[str]] | None) -> Board:
    if families is None:
        return board
    from rostra.arena.ratings.own_answers import with_own

    return with_own(board, families)


@contextmanager
def one_line() -> Iterator[None]:
    """Errors of the arena as the command line shows them."""
    from rostra.arena.errors import ArenaError

    try:
        yield
    except ArenaError as error:
        raise RostraError(str(error)) from error
