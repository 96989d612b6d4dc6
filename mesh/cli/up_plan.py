"""What `rostra up` starts: every command line and address, before anything runs."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.gateway.settings import GatewaySettings
    from rostra.mesh.cli.config import RostraConfig
    from rostra.mesh.home import Home
    from rostra.mesh.launch.launcher import Launcher
    from rostra.mesh.launch.settings import LauncherKind
    from rostra.mesh.supervisor.group import ProcessGroup
    from rostra.mesh.supervisor.process import ManagedProcess


@dataclass(frozen=True)
class Plan:
    """Every command line, and the addresses that stay, fixed before anything starts."""

    launcher: Launcher
    """Of the workers."""
    models: frozenset[str]
    gateway_url: str
    gateway_cert: Path | None
    """Where it speaks HTTPS."""
    arena_url: str | None
    group: ProcessGroup
    """Arena and gateway."""
    notices: list[str]
    """What happened to processes, for the console."""

    @classmethod
    def of(
        cls,
        file: RostraConfig,
        path: Path | None,
        home: Home,
        kind: LauncherKind | None,
        port: int | None,
        arena_port: int | None,
        with_arena: bool,
    ) -> Plan:
        """Checks the whole configuration and claims the ports. Raises RostraError."""
        from rostra.gateway.errors import GatewayError
        from rostra.gateway.exposure import check_exposure
        from rostra.mesh.cli.launch import make_launcher
        from rostra.mesh.supervisor.group import ProcessGroup
        from rostra.mesh.supervisor.ports import claim_port, join_address

        options = ["--config", str(path)] if path else []
        notices: list[str] = []

        def child(name: str, *command: str, grace: float) -> ManagedProcess:
            return managed(name, [*command, *options], home, grace, notices)

        elsewhere = file.gateway.get("workers", ())
        others = file.gateway.get("member") or "registry" in file.gateway
        if not file.worker and not elsewhere and not others:
            raise RostraError(
                "the configuration has no [[worker]], no gateway.workers, no [gateway.registry] "
                "and no [[gateway.member]]"
            )
        launcher = make_launcher(file, kind, home, child, notices.append)
        members = launcher.membership
        members["workers"] = [*elsewhere, *members.get("workers", ())]
        settings = file.gateway_settings(port=port, **members)
        if settings.tls_client_ca is not None:
            raise RostraError(
                "`rostra up` has no certificate of its own, which tls_client_ca in [gateway] asks "
                "for: run `rostra gateway` by itself"
            )
        try:
            check_exposure(settings)
        except GatewayError as error:
            raise RostraError(str(error)) from error
        others_join = settings.registry is not None or "workers_file" in file.gateway
        if not elsewhere and not others_join:
            require_targets(settings, file)
        gateway_port = claim_port(settings.host, settings.port, "the gateway", "--port")
        gateway_url = f"{settings.scheme}://{join_address(settings.host, gateway_port)}"
        routes = [f"--worker={address}" for address in settings.workers]
        if settings.workers_file is not None:
            routes.append(f"--workers-file={settings.workers_file}")
        gateway = child(
            "gateway",
            "gateway",
            "--port",
            str(gateway_port),
            *routes,
            grace=settings.drain_delay + settings.drain_grace + 10,
        )
        tiers = [[gateway]]
        arena_url = None
        if with_arena:
            from rostra.mesh.cli.arena import require_arena
            from rostra.mesh.cli.launch import home_option

            require_arena()
            arena = file.arena_settings(
                port=arena_port, votes_url=home.votes_url, ratings_dir=home.ratings
            )
            if settings.tls_cert is not None and arena.gateway_ca is None:
                raise RostraError(
                    "the gateway speaks HTTPS and the arena trusts no certificate of it: set "
                    "gateway_ca in [arena], or use --no-arena"
                )
            if settings.api_keys is not None and arena.api_key is None:
                raise RostraError(
                    "the gateway wants API keys and the arena has none: set api_key in [arena], "
                    "or use --no-arena"
                )
            chosen = claim_port(arena.host, arena.port, "the arena", "--arena-port or --no-arena")
            arena_url = f"http://{join_address(arena.host, chosen)}"
            command = ("arena", "--port", str(chosen), "--gateway", gateway_url)
            tiers.insert(
                0, [child("arena", *command, *home_option(home), grace=arena.drain_grace + 10)]
            )
        return cls(
            launcher=launcher,
            models=frozenset(entry.served_name for entry in file.worker),
            gateway_url=gateway_url,
            gateway_cert=settings.tls_cert,
            arena_url=arena_url,
            group=ProcessGroup(tiers),
            notices=notices,
        )


def require_targets(settings: GatewaySettings, file: RostraConfig) -> None:
    """Raises RostraError for a name of `[gateway.model]` that leads to no model of the file."""
    from rostra.gateway.routing.names import unknown_in

    known = {name for member in settings.members for name in member.called}
    for entry in file.worker:
        known |= {entry.served_name, *entry.aliases, *entry.adapters}
    if mistake := unknown_in(settings.models, known):
        raise RostraError(f"[gateway]: {mistake}")


def managed(
    name: str, command: list[str], home: Home, grace: float, notices: list[str]
) -> ManagedProcess:
    from rostra.mesh.supervisor.process import ManagedProcess

    def exited(process: str, code: int, delay: float) -> None:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        notices.append(f"{process} {how}; starting it again in {delay:.1f} s")

    return ManagedProcess(
        name=name,
        # -P: the folder the user happens to stand in must not shadow packages.
        command=[sys.executable, "-P", "-m", "rostra.mesh.cli.main", *command],
        log_path=home.logs / f"{name}.log",
        on_exit=exited,
        environment={"PYTHONUNBUFFERED": "1"},
        stop_grace=grace,
    )
