"""A file that is whole or is not there."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rostra.arena.votes.transfer.forms import TransferError

STDOUT = "-"


@contextmanager
def output(name: str, *, force: bool = False) -> Iterator[BinaryIO]:
    """Opens `name` to be written: a temporary file beside it takes its name at the end, and is
    removed when the block raises. `-` is standard output.

    Raises TransferError when the file exists, without `force`, or cannot be written.
    """
    if name == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    if path.exists() and not force:
        raise TransferError(f"{path} exists; give another name, or --force to replace it")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        # Votes are nobody else's business until their owner says so.
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if force:
            os.replace(partial, path)
        else:
            os.link(partial, path)
    except FileExistsError:
        raise TransferError(f"{path} was made meanwhile; give another name, or --force") from None
    except OSError as error:
        raise TransferError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
