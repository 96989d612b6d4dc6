"""Who the gateway's workers are: from a list, from DNS, from a registry they join, or all three."""

from rostra.gateway.membership.dns import DnsMembership
from rostra.gateway.membership.sources import Membership, StaticMembership, UnionMembership

__all__ = ["DnsMembership", "Membership", "StaticMembership", "UnionMembership"]
