"""What ranks are told of each other, and what Ray is asked to reserve."""

from __future__ import annotations

import pytest

from rostra.mesh.cli.config import RostraConfig
from rostra.mesh.cli.launch import make_launcher
from rostra.mesh.distributed.place import place_from_torchrun
from rostra.mesh.errors import RostraError
from rostra.mesh.home import Home
from rostra.mesh.launch.rank import NodePlace
from rostra.mesh.launch.settings import ReplicaSettings
from rostra.mesh.launch.spec import WorkerSpec
from rostra.mesh.launch.torchrun import environments
from rostra.mesh.supervisor.process import ManagedProcess


def place(node: str, *gpus: str) -> NodePlace:
    return NodePlace(node=node, host=f"host-{node}", gpus=gpus, ports=(50051, 29500))


def test_one_rank_is_told_nothing():
    assert environments([place("a", "3")]) == [{}]


def test_ranks_of_two_nodes_are_what_torchrun_would_make_them():
    places = [place("a", "0"), place("b", "6"), place("a", "2"), place("b", "7")]
    found = [place_from_torchrun(4, environment) for environment in environments(places)]
    assert [(each.rank, each.local_rank, each.local_size) for each in found if each] == [
        *((0, 0, 2), (1, 0, 2), (2, 1, 2), (3, 1, 2)),
    ]
    each = environments(places)
    assert {environment["MASTER_ADDR"] for environment in each} == {"host-a"}
    assert {environment["MASTER_PORT"] for environment in each} == {"29500"}
    # Every rank sees its node's GPUs alike, and its own at the place of its local rank.
    visible = [environment["CUDA_VISIBLE_DEVICES"] for environment in each]
    assert visible == ["0,2", "6,7", "0,2", "6,7"]


def test_ranks_without_gpus_are_not_told_of_any():
    assert all("CUDA_VISIBLE_DEVICES" not in each for each in environments([place("a")] * 2))


def spec(replicas: ReplicaSettings, gpus: float = 0.0) -> WorkerSpec:
    return WorkerSpec("worker-1", frozenset(), {}, {}, 2, 64, 30.0, gpus, replicas)


def test_a_rank_reserves_what_it_needs():
    replicas = ReplicaSettings(cpus=4, resources={"rack-1": 0.5})
    assert spec(replicas, gpus=1.0).bundle() == {"CPU": 4.0, "GPU": 1.0, "rack-1": 0.5}
    nothing = spec(ReplicaSettings(cpus=0)).bundle()
    assert 0 < nothing.pop("CPU") <= 0.01
    assert not nothing


def child(name: str, *command: str, grace: float) -> ManagedProcess:
    raise AssertionError("nothing may be started")


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ('[[worker]]\nmodel = "m"\nreplicas = { max = 2 }', "local", "is for the launcher ray"),
        ('[[worker]]\nmodel = "m"\nlisten = "127.0.0.1:1"', "ray", "listen is for the launcher"),
        (
            '[gateway]\nworkers_file = "w"\n[[worker]]\nmodel = "m"',
            "ray",
            "workers_file: the launcher ray keeps such a file of its own",
        ),
    ],
)
def test_what_a_launcher_cannot_do_is_refused(tmp_path, text, kind, says):
    path = tmp_path / "rostra.toml"
    path.write_text(text)
    file = RostraConfig.read(path)
    with pytest.raises(RostraError, match=says):
        make_launcher(file, kind, Home.locate(tmp_path), child, print)


@pytest.mark.parametrize(
    ("replicas", "says"),
    [
        ("{ min = 3, max = 2 }", "max is 2, less than min, which is 3"),
        ("{ min = 0 }", "greater than or equal to 1"),
        ('{ strategy = "NEAR" }', "STRICT_PACK"),
        ("{ count = 3 }", "there is no such setting"),
    ],
)
def test_wrong_replicas_are_refused_by_name(tmp_path, replicas, says):
    path = tmp_path / "rostra.toml"
    path.write_text(f'[[worker]]\nmodel = "m"\nreplicas = {replicas}')
    with pytest.raises(RostraError, match=says):
        RostraConfig.read(path)


def test_min_alone_is_a_fixed_number():
    settings = ReplicaSettings.model_validate({"min": 3})
    assert (settings.min, settings.max) == (3, 3)
