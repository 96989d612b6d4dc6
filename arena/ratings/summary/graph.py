"""Who met whom: what holds the comparisons together, and where they would come apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rostra.arena.ratings.board import Board

IntArray = NDArray[np.int64]

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Bridge:
    """A pair without whose votes a group of contestants would fall into two."""

    first: str
    second: str
    votes: int
    """Votes of the pair that bear on the order."""


@dataclass(frozen=True)
class Cut:
    """The fewest votes that hold a connected group together."""

    votes: int
    """Without these, the group falls in two."""
    group: tuple[str, ...]
    """The smaller of the two parts, names in ascending order."""


@dataclass(frozen=True, eq=False)
class Graph:
    """The comparison graph of the votes that bear on the order: contestants, linked by votes."""

    contestants: tuple[str, ...]
    met: IntArray
    """[contestants, contestants], votes of each pair that bear on the order. Symmetric."""
    components: tuple[tuple[str, ...], ...]
    """As `Board.components`: nothing in the votes places one against another."""
    articulations: tuple[str, ...]
    """Contestants without whom a component would fall apart: all that is known of one part
    against the other goes through them."""
    bridges: tuple[Bridge, ...]
    ordered_groups: tuple[tuple[str, ...], ...]
    """Strongly connected groups of the graph of wins (a tie counts for both), the least beaten
    first. With more than one, a group never lost to those after it, so that the votes alone set no
    bound to how far ahead it is: the maximum of the likelihood does not exist (Ford 1957, American
    Mathematical Monthly 64), and the distance between groups is the prior's."""

    @property
    def pairs_met(self) -> int:
        return int(np.count_nonzero(np.triu(self.met)))

    @property
    def pairs_possible(self) -> int:
        size = len(self.contestants)
        return size * (size - 1) // 2

    def weakest_cut(self, least: int = 0) -> Cut | None:
        """Of the largest component, without contestants that have fewer than `least` votes.

        None where fewer than two contestants are left, or these are not connected.
        """
        inside = np.isin(self.contestants, self.components[0])
        # One thin contestant taken out may leave its opponents thin in turn.
        while np.any(thin := inside & (self.met[:, inside].sum(axis=1) < least)):
            inside &= ~thin
        index = np.flatnonzero(inside)
        if len(index) < 2:
            return None
        import networkx as nx

        links = _networkx(self.met).subgraph(index.tolist())
        if not nx.is_connected(links):
            return None
        votes, parts = nx.stoer_wagner(links)
        smaller = sorted(sorted(parts, key=len)[0])
        return Cut(int(votes), tuple(self.contestants[i] for i in smaller))


def graph(board: Board) -> Graph:
    """The graph of `board`."""
    import networkx as nx

    size = len(board.contestants)
    met = np.zeros((size, size), dtype=np.int64)
    np.add.at(met, (board.left, board.right), board.decided.sum(axis=1))
    met += met.T
    links = _networkx(met)
    return Graph(
        contestants=board.contestants,
        met=met,
        components=board.components,
        articulations=tuple(board.contestants[i] for i in sorted(nx.articulation_points(links))),
        bridges=tuple(
            Bridge(board.contestants[i], board.contestants[j], int(met[i, j]))
            for i, j in sorted(map(sorted, nx.bridges(links)))
        ),
        ordered_groups=ordered_groups(board),
    )


def _networkx(met: IntArray) -> nx.Graph:
    """Contestants by number; the weight of an edge is its votes."""
    import networkx as nx

    links = nx.Graph()
    links.add_nodes_from(range(len(met)))
    links.add_weighted_edges_from((int(i), int(j), int(met[i, j])) for i, j in np.argwhere(met > 0))
    return links


def ordered_groups(board: Board) -> tuple[tuple[str, ...], ...]:
    """`Graph.ordered_groups` of `board`, without the rest."""
    size = len(board.contestants)
    left_scored = (board.wins_left + board.ties) > 0
    right_scored = (board.wins_right + board.ties) > 0
    winners = np.concatenate([board.left[left_scored], board.right[right_scored]])
    losers = np.concatenate([board.right[left_scored], board.left[right_scored]])
    beats = coo_array((np.ones(len(winners)), (winners, losers)), shape=(size, size)).tocsr()
    number, labels = connected_components(beats, connection="strong")
    between = np.zeros((number, number), dtype=bool)
    between[labels[winners], labels[losers]] = True
    np.fill_diagonal(between, False)
    groups = []
    waiting = np.ones(number, dtype=bool)
    while waiting.any():
        # A group nobody waiting has beaten; ties between such by name.
        free = np.flatnonzero(waiting & ~between[waiting].any(axis=0))
        members = [np.flatnonzero(labels == label) for label in free]
        groups += sorted(tuple(board.contestants[i] for i in group) for group in members)
        waiting[free] = False
    return tuple(groups)
