"""`[gateway.routing]` of rostra.toml."""

from __future__ import annotations

import random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from rostra.gateway.routing.consistent_hash import ConsistentHash
from rostra.gateway.routing.least_load import LeastLoad
from rostra.gateway.routing.policy import Policy
from rostra.gateway.routing.power_of_two import PowerOfTwo
from rostra.gateway.routing.prefix_affinity import PrefixAffinity
from rostra.gateway.routing.prefix_index import PrefixIndex
from rostra.gateway.routing.round_robin import RoundRobin

PolicyName = Literal["prefix", "power_of_two", "least_load", "consistent_hash", "round_robin"]


class RoutingSettings(BaseModel):
    """How a worker is chosen among those that have a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: PolicyName = "prefix"
    load_bound: Annotated[float, Field(ge=1.0, le=10.0)] = 1.1
    """Of prefix and consistent_hash: how many times the mean load a worker may have."""
    free_requests: PositiveInt = 4
    """Of the same: requests up to which a worker has room whatever the others have."""
    hash_on: Literal["conversation", "user", "key"] = "conversation"
    """Of the same: which requests belong together. Those of a conversation by their
    `prompt_cache_key`, else by their messages up to the user's first; those of a user by `user`,
    `safety_identifier` or `metadata.user_id`; those of an API key. Where a request does not tell,
    its conversation counts."""
    index_keys: PositiveInt = 200_000
    """Of prefix: blocks of text whose places a gateway remembers, some 300 bytes of memory each."""
    kv_events: bool = True
    """Of prefix: whether workers are asked to report what enters and leaves their caches."""

    def build(self, policy: PolicyName, index: PrefixIndex, rng: random.Random) -> Policy:
        match policy:
            case "prefix":
                return PrefixAffinity(rng, index, self.load_bound, self.free_requests)
            case "power_of_two":
                return PowerOfTwo(rng)
            case "least_load":
                return LeastLoad(rng)
            case "consistent_hash":
                return ConsistentHash(rng, self.load_bound, self.free_requests)
            case "round_robin":
                return RoundRobin()
