"""The policy that the settings name."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from rostra.arena.matchmaking.evidence import Votes, by_contestant
from rostra.arena.matchmaking.informative import Informative
from rostra.arena.matchmaking.kept import Kept
from rostra.arena.matchmaking.pair import Policy
from rostra.arena.matchmaking.uniform import Uniform
from rostra.arena.matchmaking.variance import Variance
from rostra.arena.matchmaking.weighted import Weighted
from rostra.arena.settings import ArenaSettings


def open_policy(settings: ArenaSettings, votes: Votes, rng: random.Random | None = None) -> Policy:
    """The policy of `settings.matchmaking`, on its contestants but the paused ones.

    Reads votes and ratings where the policy takes them, so it blocks; later readings are in
    threads. Raises ArenaError where too few are left to draw from.
    """
    wanted = settings.matchmaking
    rng = rng or random.SystemRandom()
    playing = [each for each in settings.contestants if each.name not in wanted.paused]
    if wanted.policy == "weighted":
        counts: Callable[[], Mapping[str, int]] = dict
        if wanted.targets:
            counts = Kept[Mapping[str, int]](lambda: by_contestant(votes(None)), {})
        return Weighted(playing, rng, wanted.weights, wanted.boosts, wanted.targets, counts)
    if wanted.policy == "variance":
        return Variance(playing, rng, votes, wanted.exploration)
    if wanted.policy == "informative":
        return Informative(playing, rng, settings.ratings_dir, votes, wanted.exploration)
    return Uniform(playing, rng)
