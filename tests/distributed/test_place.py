"""Where a rank stands, and which settings contradict it."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
import torch.distributed as dist
from model_checkpoints import SHAPES, save_checkpoint
from rank_engine import engine_config, generate
from rank_processes import RankProcesses

from rostra.mesh.distributed import meeting
from rostra.mesh.distributed.place import Place, place_from_torchrun
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.errors import RostraError

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "10.0.0.1",
    "MASTER_PORT": "29500",
}


def test_torchrun_says_where():
    assert place_from_torchrun(4, TORCHRUN) == Place(rank=3, size=4, local_rank=1, local_size=2)


@pytest.mark.parametrize("name", ["RANK", "MASTER_ADDR", "LOCAL_RANK"])
def test_without_torchrun_the_worker_starts_the_ranks(name: str):
    assert place_from_torchrun(4, {k: v for k, v in TORCHRUN.items() if k != name}) is None


def test_one_process_of_torchrun_is_a_worker_like_any_other():
    alone = TORCHRUN | {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    assert place_from_torchrun(1, alone) is None


def test_torchrun_with_another_number_of_processes():
    with pytest.raises(RostraError, match="starts 4 processes, and there are 2 ranks: give --tp 4"):
        place_from_torchrun(2, TORCHRUN)


@pytest.mark.parametrize(
    ("device", "expected"), [("cpu", "cpu"), ("cuda", "cuda:1"), ("cuda:1", None)]
)
def test_each_rank_takes_its_own_gpu(device: str, expected: str | None):
    place = Place(rank=3, size=4, local_rank=1, local_size=2)
    config = EngineConfig(model_path="m", device=device, tensor_parallel_size=4)
    if expected is None:
        with pytest.raises(RostraError, match="one GPU for 4 ranks"):
            place.configure(config)
    else:
        assert place.configure(config).device == expected


@pytest.mark.parametrize(
    ("shape", "size", "message"),
    [
        ("grouped, tied", 2, "9 attention heads cannot be divided among 2"),
        ("multi-query, biased", 3, "4 attention heads cannot be divided among 3"),
    ],
)
def test_a_model_that_cannot_be_divided(
    tmp_path: Path, ranks: RankProcesses, shape: str, size: int, message: str
):
    save_checkpoint(tmp_path, SHAPES[shape])
    with pytest.raises(RostraError, match=message):
        ranks.run(size, generate, engine_config(tmp_path), {})


def test_more_gpus_than_there_are(tmp_path: Path, ranks: RankProcesses):
    save_checkpoint(tmp_path, SHAPES["multi-head"])
    config = engine_config(tmp_path, device="cuda")
    with pytest.raises(RostraError, match=r"--tp needs 4 CUDA devices on this host"):
        ranks.run(4, generate, config, {})


def test_ranks_that_died_leave_nothing_to_those_after_them():
    store = dist.HashStore()
    store.set_timeout(timedelta(seconds=20))
    names = []
    for _ in range(3):  # the second and third group find what those before them left
        group = [""] * 3

        def agree(rank: int, group: list[str] = group) -> None:
            group[rank] = meeting._agree(store, Place(rank=rank, size=3))

        threads = [threading.Thread(target=agree, args=(rank,)) for rank in (0, 2, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert group[0]
        assert group == [group[0]] * 3
        names.append(group[0])
    assert len(set(names)) == 3
