"""The sources of members that the settings name."""

from __future__ import annotations

from rostra.gateway.membership.dns import DnsMembership
from rostra.gateway.membership.server import Registry
from rostra.gateway.membership.settings import DNS, split_address
from rostra.gateway.membership.sources import Membership, StaticMembership, UnionMembership
from rostra.gateway.membership.workers_file import FileMembership
from rostra.gateway.settings import GatewaySettings


def membership_of(settings: GatewaySettings, registry: Registry | None) -> Membership:
    """The list, the names in DNS, the file, and who joins, as one."""
    listed = [worker for worker in settings.workers if not worker.startswith(DNS)]
    sources: list[Membership] = [StaticMembership(listed)]
    for worker in settings.workers:
        split = split_address(worker.removeprefix(DNS))
        if worker.startswith(DNS) and split is not None:
            sources.append(DnsMembership(*split, settings.dns_interval))
    if settings.workers_file is not None:
        sources.append(FileMembership(settings.workers_file, settings.workers_file_interval))
    if registry is not None:
        sources.append(registry.membership)
    return sources[0] if len(sources) == 1 else UnionMembership(*sources)
