"""Voters of three kinds, of whom only one looks at who is better.

    attentive  votes by the model of `blocks`
    careless   votes at random, by the shares that the outcomes have among all votes
    contrary   votes as if the sides were swapped, for the left where the model says right

A voter is of one kind for all of its votes, and which one is not known: the kinds are summed out,

    P(votes of v) = sum over kinds of kind_share[kind] * product over votes of P(vote | kind)

so each vote bears on the ratings by the probability that its voter is attentive, after all of that
voter's votes, and nobody is left out by a threshold. `voter_kind` is that probability and those of
the other kinds. A voter with a vote or two tells nothing of itself, and counts nearly in full.

Outcome shares of careless voters are the board's own, taken as known: on the boards that voters
can be told apart on they are counted from hundreds of votes or more.

Prior: kind_share ~ Dirichlet(8, 1, 1) in the order of `KINDS`: 95 % between 52 % and 97 % attentive
voters. The mirror image, with all strengths reversed and nearly all voters contrary, has hardly any
probability under this prior, but is a peak of its own in which a chain would stay. So chains start
at the order that most votes are for and at the prior's shares; see `engines.starts`.
"""

from __future__ import annotations

import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.models import blocks, values
from rostra.arena.ratings.models.likelihoods import log_weights
from rostra.arena.ratings.spec import KINDS, ModelSpec


def build(board: Board, spec: ModelSpec) -> pm.Model:
    """Free: `strength`, `scale`, `kind_share` [3] and those of `spec`. Derived: `voter_kind`
    [voters, 3].

    The votes enter by a potential, `votes_by_voter`, as their likelihood is a product over voters
    and not over cells.
    """
    voters = list(values.reduced(board, spec).factors[str(spec.factor)].levels)
    coords = {**blocks.coords(board, spec), "voter": voters, "kind": list(KINDS)}
    with pm.Model(coords=coords) as model:
        found = blocks.containers(values.voters(board, spec))
        strength = blocks.strengths(spec)
        difference = strength[found["left"]] - strength[found["right"]]
        weights = log_weights(
            spec.ties,
            blocks.advantage(spec, difference, found),
            blocks.propensity_to_tie(spec, found),
        )
        share = pm.Dirichlet("kind_share", a=[spec.priors.attentive, 1.0, 1.0], dims="kind")
        votes, voter = found["votes"], found["voter_of"]

        def by_voter(votes: TensorVariable) -> TensorVariable:
            """[voters], log probability of these votes [cells, 3] of an attentive voter."""
            per_cell = pt.add(*(votes[:, k] * weights[:, k] for k in range(3)))
            return pt.zeros(len(voters))[voter].inc(per_cell)

        kinds = [by_voter(votes), found["careless"], by_voter(votes[:, ::-1])]
        joint = pt.log(share) + pt.stack(kinds, axis=-1)
        total = pt.logsumexp(joint, axis=-1)
        pm.Potential("votes_by_voter", total)
        pm.Deterministic("voter_kind", pt.exp(joint - total[:, None]), dims=("voter", "kind"))
    return model
