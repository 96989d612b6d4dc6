"""Which two contestants a voter meets."""

from rostra.arena.matchmaking.pair import SIDES, Draw, Pair, Policy, Side

__all__ = ["SIDES", "Draw", "Pair", "Policy", "Side"]
