"""Counts in, posterior out.

What others begin with: `rostra.arena.ratings.board.Board`, the counts;
`rostra.arena.ratings.fit.fit`, which gives a `rostra.arena.ratings.posterior.Posterior`;
`rostra.arena.ratings.spec.ModelSpec` and `rostra.arena.ratings.settings.FitSettings`, the model and
how it is computed. These names stay, as those of the other rooms need not.

Knows of the arena's errors and of nothing else in it: no Panel, no store.
"""
