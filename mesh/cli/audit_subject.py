"""What `rostra audit` looks at: a posterior, and the votes behind it where they can be read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rostra.mesh.cli.rating_source import Found, Source

if TYPE_CHECKING:
    from rostra.arena.ratings.audit import Evidence
    from rostra.arena.ratings.board import Board
    from rostra.arena.ratings.posterior import Posterior
    from rostra.arena.ratings.reduce import Wanted


@dataclass(frozen=True)
class Subject:
    posterior: Posterior
    folder: Path | None
    """Of the saved result; None when the votes were rated for the audit alone."""
    evidence: Evidence
    notes: tuple[str, ...] = ()
    """For people, about what is audited."""
    malformed: int = 0
    """Rows of the named votes that could not be used."""


def find(result: Path | None, ratings: Path, named: Source | None, own: Source) -> Subject:
    """The result to audit.

    `result`: its folder; None for the newest in `ratings`. `named`: the votes that an option names.
    `own`: the arena's store, which is looked at when no other votes are named.

    Raises RatingsError when there is nothing to audit, and when `result` is not of the named votes.
    """
    from rostra.arena.ratings import storage
    from rostra.arena.ratings.audit import Evidence
    from rostra.arena.ratings.errors import RatingsError

    folder = result or storage.latest(ratings)
    posterior = None if folder is None else storage.load(folder)
    if named is None:
        if posterior is None:
            raise RatingsError(
                f"no ratings in {ratings}: run `rostra rate`, or give votes with --votes"
            )
        if _found(posterior, own) is not None:
            return Subject(posterior, folder, evidence(posterior, own, behind(posterior)))
        note = "The votes in the store are not those of the result; --votes names others."
        return Subject(posterior, folder, Evidence.of(posterior), (note,))
    if posterior is not None and (same := _found(posterior, named)) is not None:
        votes = evidence(posterior, named, behind(posterior))
        return Subject(posterior, folder, votes, _of_rows(same), same.malformed)
    wanted = _wanted()
    found = named.read(wanted)
    if posterior is not None and result is not None:
        raise RatingsError(
            f"{result} is not of these votes: it has {posterior.board.num_votes:,}, they are "
            f"{found.board.num_votes:,}; leave the folder out to have them rated for the audit"
        )
    fresh = _rated(found.board, found.sided)
    note = (
        f"No saved result is of these {found.board.num_votes:,} votes: they were rated for this "
        "audit, and nothing was saved."
    )
    notes = (*_of_rows(found), note)
    return Subject(fresh, None, evidence(fresh, named, wanted), notes, found.malformed)


def evidence(posterior: Posterior, source: Source, wanted: Wanted) -> Evidence:
    """`wanted`: of `source`, what gave the posterior's board."""
    from rostra.arena import publishing

    return publishing.evidence(posterior, lambda other: source.read(other).board, wanted)


def behind(posterior: Posterior) -> Wanted:
    """What gives the board of a saved posterior, from where its votes came from."""
    spec, times = posterior.spec, posterior.provenance
    last = times.last_vote
    return replace(
        _wanted(),
        factors=() if spec.factor is None else (spec.factor,),
        style=tuple(dict.fromkeys((*spec.style, *spec.tie_style))),
        since=None if times.first_vote is None else datetime.fromisoformat(times.first_vote),
        # Up to, and not with.
        until=None if last is None else datetime.fromisoformat(last) + timedelta(microseconds=1),
    )


def _of_rows(found: Found) -> tuple[str, ...]:
    """What to say of the rows, where some could not be used."""
    return found.notes if found.malformed else ()


def _found(posterior: Posterior, source: Source) -> Found | None:
    """The votes that the posterior was computed from, if `source` still has them."""
    from rostra.arena.errors import ArenaError

    try:
        found = source.read(behind(posterior))
    except ArenaError:
        return None
    same = found.board.pooled.data_hash == posterior.board.pooled.data_hash
    return found if same else None


def _wanted() -> Wanted:
    from rostra.arena.ratings.reduce import Wanted

    return Wanted()


def _rated(board: Board, sided: bool) -> Posterior:
    from rostra.arena.ratings.fit import fit
    from rostra.arena.ratings.settings import FitSettings
    from rostra.arena.ratings.spec import ModelSpec

    return fit(board, FitSettings(engine="laplace"), spec=ModelSpec(side=sided))
