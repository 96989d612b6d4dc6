"""Workers by a file that something else keeps up to date."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rostra.gateway.membership.settings import HostPort

logger = logging.getLogger(__name__)

_ADDRESS: TypeAdapter[str] = TypeAdapter(HostPort)


class FileMembership:
    """host:port on each line; empty lines and what follows a # are left out.

    Whoever writes it replaces it as a whole (a rename), so that no half of it is ever read. A file
    that is gone or has a line that is no address changes nothing, and is logged once.
    """

    def __init__(self, path: Path, interval: float) -> None:
        """`interval`: seconds between two looks."""
        self._path = path
        self._interval = interval
        self._problem = ""

    async def addresses(self) -> AsyncIterator[frozenset[str]]:
        last: frozenset[str] | None = None
        while True:
            found = await asyncio.to_thread(self._read)
            if found is None and last is None:
                found = frozenset()
            if found is not None and found != last:
                last = found
                yield found
            await asyncio.sleep(self._interval)

    def _read(self) -> frozenset[str] | None:
        """None: nothing that could be believed."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
            texts = filter(None, (line.partition("#")[0].strip() for line in lines))
            found = frozenset(_ADDRESS.validate_python(text) for text in texts)
        except OSError as error:
            self._complain(error.strerror or type(error).__name__)
        except UnicodeDecodeError:
            self._complain("it is not UTF-8")
        except ValidationError as error:
            message = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            self._complain(message)
        else:
            self._problem = ""
            return found
        return None

    def _complain(self, problem: str) -> None:
        if problem != self._problem:
            logger.warning("%s: %s; the workers stay as they are", self._path, problem)
        self._problem = problem
