"""A rank that loads a model needs the memory of its own part, and a tenth more."""

from __future__ import annotations

import ctypes
import threading
import time
from pathlib import Path
from typing import NamedTuple

import torch
from model_checkpoints import save_checkpoint
from rank_processes import RankProcesses

from rostra.mesh.distributed.parallel import DistributedParallel
from rostra.mesh.distributed.place import Place
from rostra.mesh.models import load_model

SIZE = 2
M_MMAP_THRESHOLD = -3
SHAPE = {
    "hidden_size": 384,
    "intermediate_size": 1024,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "num_hidden_layers": 24,
    "vocab_size": 4000,
}


class Taken(NamedTuple):
    """Bytes."""

    peak: int
    """At most, while the model was loaded, beyond what the process had before."""
    kept: int


def load(place: Place, small: Path, folder: Path) -> Taken:
    parallel = DistributedParallel(place, torch.device("cpu"))
    torch.set_num_threads(1)
    # What is freed goes back to the system at once: the few MiB that the allocator would keep are
    # the same for a model of any size, and this one is small.
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 64 << 10)
    # Libraries take what they need for themselves.
    load_model(small, torch.device("cpu"), torch.float32, parallel=parallel)
    before = peak = own_memory()
    loaded = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not loaded.is_set():
            peak = max(peak, own_memory())
            time.sleep(0.0005)

    watching = threading.Thread(target=watch)
    watching.start()
    model = load_model(folder, torch.device("cpu"), torch.float32, parallel=parallel)
    loaded.set()
    watching.join()
    kept = own_memory()
    assert model.num_kv_heads == SHAPE["num_key_value_heads"] // place.size
    return Taken(peak - before, kept - before)


def own_memory() -> int:
    """Without the pages of files, which the system shares among the ranks and takes back."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon"):
            return 1024 * int(line.split()[1])
    raise AssertionError("no RssAnon")


def test_peak_while_loading(tmp_path: Path):
    small, large = tmp_path / "small", tmp_path / "large"
    save_checkpoint(small, SHAPE | {"num_hidden_layers": 1, "vocab_size": 100})
    save_checkpoint(large, SHAPE)
    part = sum(file.stat().st_size for file in large.glob("*.safetensors")) / SIZE
    with RankProcesses(SIZE) as ranks:
        taken = ranks.run(SIZE, load, small, large)
    for each in taken:
        assert 0.9 * part < each.kept < 1.1 * part
        assert each.peak < 1.1 * part
