"""Processes that form one group after another, so that each imports torch only once."""

from __future__ import annotations

import gc
import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Callable
from typing import Any

import torch.distributed as dist

from rostra.mesh.distributed.place import PeerLostError, Place

Job = Callable[..., Any]
"""Called with the rank's place and the arguments given; its result must pickle."""


class RankProcesses:
    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes = []
        self._processes = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> RankProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()

    def run(self, size: int, job: Job, *arguments: Any) -> list[Any]:
        """What `job` returns on each of `size` ranks; None on a rank that another one left."""
        with tempfile.TemporaryDirectory() as folder:
            for rank, pipe in enumerate(self._pipes[:size]):
                place = Place(
                    rank=rank,
                    size=size,
                    local_rank=rank,
                    local_size=size,
                    meeting_file=os.path.join(folder, "meeting"),
                )
                pipe.send((job, place, arguments))
            answers = [pipe.recv() for pipe in self._pipes[:size]]
        for _, error in answers:
            if error is not None:
                raise error
        return [result for result, _ in answers]


def _serve(pipe: Any) -> None:
    while True:
        try:
            job, place, arguments = pipe.recv()
        except EOFError:
            return
        result, error = None, None
        try:
            result = job(place, *arguments)
        except PeerLostError:
            pass
        except Exception as raised:
            raised.add_note(traceback.format_exc())
            # Its frames hold on to the group.
            error = raised.with_traceback(None)
        if dist.is_initialized():
            # The others notice once the connections are closed, so nothing may hold on to them.
            dist.destroy_process_group()
            gc.collect()
        pipe.send((result, error))
