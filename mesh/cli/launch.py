"""From `[[worker]]` tables to a launcher that runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.mesh.cli.config import RostraConfig, WorkerEntry
    from rostra.mesh.home import Home
    from rostra.mesh.launch.launcher import Launcher
    from rostra.mesh.launch.settings import LauncherKind
    from rostra.mesh.launch.spec import WorkerSpec
    from rostra.mesh.supervisor.process import ManagedProcess


class MakeChild(Protocol):
    def __call__(self, name: str, *command: str, grace: float) -> ManagedProcess:
        """A supervised process with the configuration of this `rostra up`."""
        ...


def make_launcher(
    file: RostraConfig,
    kind: LauncherKind | None,
    home: Home,
    child: MakeChild,
    notify: Callable[[str], None],
) -> Launcher:
    """Raises RostraError for what the launcher cannot do, before anything runs."""
    if (kind or file.launcher.kind) == "local":
        return _local(file, home, child)
    if "workers_file" in file.gateway:
        raise RostraError("[gateway] workers_file: the launcher ray keeps such a file of its own")
    from rostra.mesh.launch.on_ray import RayLauncher, require_ray

    require_ray()
    specs = [_spec(entry, number, home) for number, entry in enumerate(file.worker, start=1)]
    return RayLauncher(specs, file.launcher, notify)


def _local(file: RostraConfig, home: Home, child: MakeChild) -> Launcher:
    from rostra.mesh.launch.local import LocalLauncher
    from rostra.mesh.supervisor.ports import claim_port, join_address, split_address
    from rostra.mesh.worker.exposure import check_exposure

    processes = {}
    for number, entry in enumerate(file.worker, start=1):
        if entry.replicas is not None:
            raise RostraError(
                f"worker {number} has replicas, which is for the launcher ray: give --launcher "
                "ray, or a [[worker]] for each process of this host"
            )
        host, wanted = split_address(entry.listen)
        guarded = entry.tls_client_ca is not None
        check_exposure(entry.listen, guarded=guarded, insecure_public=entry.insecure_public)
        address = join_address(host, claim_port(host, wanted, f"worker {number}", "listen"))
        command = ["worker", "--worker", str(number), "--listen", address, *home_option(home)]
        name = f"worker-{number}"
        processes[name] = (address, child(name, *command, grace=entry.drain_grace + 5))
    return LocalLauncher(processes)


def _spec(entry: WorkerEntry, number: int, home: Home) -> WorkerSpec:
    from pathlib import Path

    from rostra.mesh.home import ENVIRONMENT_VARIABLE
    from rostra.mesh.launch.settings import ReplicaSettings
    from rostra.mesh.launch.spec import WorkerSpec

    if "listen" in entry.model_fields_set:
        raise RostraError(
            f"worker {number}: listen is for the launcher local; Ray's replicas listen at the "
            "address of their node, at a free port"
        )
    replicas = entry.replicas or ReplicaSettings()
    on_gpu = (entry.device or "").partition(":")[0] == "cuda"
    return WorkerSpec(
        name=f"worker-{number}",
        models=frozenset((entry.served_name, *entry.aliases)),
        table=entry.model_dump(mode="json", exclude_unset=True, exclude={"replicas"}),
        environment={} if home.root is None else {ENVIRONMENT_VARIABLE: str(home.root)},
        ranks=entry.tensor_parallel_size or 1,
        # Settings that say nothing of the model's folder need none.
        max_running=entry.engine_config(Path()).max_num_seqs,
        drain_grace=entry.drain_grace,
        gpus_per_rank=replicas.gpus if replicas.gpus is not None else float(on_gpu),
        replicas=replicas,
    )


def home_option(home: Home) -> list[str]:
    """The flag by which a child finds the same folders."""
    return [] if home.root is None else ["--home", str(home.root)]
