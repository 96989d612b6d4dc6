"""A process that finds out whether grammars can be followed.

Run as `python -m rostra.mesh.grammar.check_process FOLDER VOCAB_SIZE`, with a model's folder. Reads
grammars from its standard input and answers each on its standard output, in frames: four bytes of
length, most significant first, and that much UTF-8. An answer is empty, or one line that says why
not. Ends with its input.

A compiler that meets what it was not made for may take minutes, or all memory, or end its process.
So each grammar is compiled in a fork of its own, which the kernel holds to its limits.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import BinaryIO

import psutil

from rostra.mesh.grammar.compiled import Vocabulary
from rostra.mesh.grammar.errors import GrammarError
from rostra.mesh.grammar.limits import MAX_COMPILE_SECONDS, MAX_COMPILED_BYTES

HEADER = struct.Struct("!I")

_WAITING_FACTOR = 12
"""Time on the clock for each second of CPU time, where others want the processor too."""
_OUT_OF_TIME = f"it takes more than {MAX_COMPILE_SECONDS} s to compile"
_OUT_OF_MEMORY = f"it takes more than {MAX_COMPILED_BYTES // 2**20} MiB of memory to compile"


def check_in_fork(vocabulary: Vocabulary, grammar: str) -> str:
    """Empty, or why the grammar cannot be followed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _limit()
        os.write(writing, _reason(vocabulary, grammar).encode()[:4096])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        reason = answer.read().decode(errors="ignore")
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and not os.WEXITSTATUS(status):
        return reason
    timed_out = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (
        signal.SIGXCPU,
        signal.SIGALRM,
        signal.SIGKILL,
    )
    return _OUT_OF_TIME if timed_out else _OUT_OF_MEMORY


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_COMPILE_SECONDS, MAX_COMPILE_SECONDS + 1))
    signal.alarm(_WAITING_FACTOR * MAX_COMPILE_SECONDS)
    most = psutil.Process().memory_info().vms + MAX_COMPILED_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    # What the library says on its way out is of no use to anybody.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _reason(vocabulary: Vocabulary, grammar: str) -> str:
    try:
        vocabulary.compile(grammar)
    except GrammarError as error:
        return str(error)
    except MemoryError:
        return _OUT_OF_MEMORY
    return ""


def read_frame(stream: BinaryIO) -> str | None:
    """None at the end of the stream."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    return stream.read(*HEADER.unpack(header)).decode()


def write_frame(stream: BinaryIO, text: str) -> None:
    data = text.encode()
    stream.write(HEADER.pack(len(data)) + data)
    stream.flush()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    vocabulary: Vocabulary | None = None
    unusable = ""
    try:
        vocabulary = Vocabulary.load(Path(sys.argv[1]), int(sys.argv[2]))
    except GrammarError as error:
        unusable = str(error)
    while (grammar := read_frame(sys.stdin.buffer)) is not None:
        reason = unusable if vocabulary is None else check_in_fork(vocabulary, grammar)
        write_frame(sys.stdout.buffer, reason)


if __name__ == "__main__":
    main()
