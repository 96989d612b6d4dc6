"""Who votes unlike the others, found beside the ratings and kept in their folder.

The file is `odd_voters.json`, an `OddVotersFound`. Pages read it; only the process that rates makes
it, since the test takes a fit for each voter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rostra.arena.errors import ArenaError

if TYPE_CHECKING:
    from rostra.arena.ratings.board import Board
    from rostra.arena.ratings.posterior import Posterior
    from rostra.arena.ratings.reduce import Wanted

FILE = "odd_voters.json"
VOTER = "voter"
MOST_TESTED = 500
"""Voters with the most votes, who alone can be told from honest ones."""


class OddVoter(msgspec.Struct, frozen=True):
    """See `rostra.arena.ratings.odd_voters.VoterTest`."""

    voter: str
    votes: int
    agreement: float
    expected: float
    p_value: float


class OddVotersFound(msgspec.Struct, frozen=True):
    named: tuple[OddVoter, ...] = ()
    """Of those tested, who votes unlike the others; of these `rate` are expected to be honest."""
    tested: int = 0
    untested: int = 0
    """Voters with too few votes to tell."""
    rate: float = 0.05
    why: str = ""
    """Why nobody was tested."""


def save_odd_voters(
    posterior: Posterior, folder: Path, read: Callable[[Wanted], Board], wanted: Wanted
) -> OddVotersFound:
    """Tests the voters of the votes behind `posterior`, which `read` gives again for `wanted` and
    for what tells them further apart, and writes what was found. Raises OSError."""
    try:
        found = _found(posterior, read, wanted)
    except ArenaError as error:
        found = OddVotersFound(why=str(error))
    (folder / FILE).write_bytes(msgspec.json.encode(found))
    return found


def load_odd_voters(folder: Path) -> OddVotersFound | None:
    """`None` where nobody has looked, or it cannot be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=OddVotersFound)
    except (OSError, msgspec.DecodeError):
        return None


def _found(posterior: Posterior, read: Callable[[Wanted], Board], wanted: Wanted) -> OddVotersFound:
    from rostra.arena.ratings.odd_voters import odd_voters

    factors = tuple(dict.fromkeys((*wanted.factors, VOTER)))
    board = read(replace(wanted, factors=factors))
    found = odd_voters(replace(posterior, board=board), VOTER, most=MOST_TESTED)
    return OddVotersFound(
        named=tuple(
            OddVoter(
                each.voter,
                int(each.votes),
                float(each.agreement),
                float(each.expected),
                float(each.p_value),
            )
            for each in found.named
        ),
        tested=len(found.tests),
        untested=int(found.untested),
        rate=found.rate,
    )
