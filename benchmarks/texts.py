"""Texts that every machine has: the documentation strings of Python's standard library."""

from __future__ import annotations

import importlib
import inspect
import platform
from collections.abc import Iterator

MODULES = (
    "argparse asyncio.events base64 bisect calendar collections configparser contextlib copy csv "
    "dataclasses datetime decimal difflib email.message enum fractions functools heapq html.parser "
    "http.client imaplib inspect ipaddress json locale logging mailbox multiprocessing.pool "
    "optparse os pathlib pickle platform plistlib pprint queue random re sched secrets shelve "
    "shutil socket sqlite3 statistics string subprocess tarfile tempfile textwrap threading "
    "timeit traceback turtle types unittest.case urllib.parse uuid weakref zipfile"
).split()
SOURCE = f"documentation strings of Python {platform.python_version()}"


def passages(least_words: int = 30) -> list[str]:
    """Different documentation strings of at least so many words, in a fixed order.

    They differ between versions of Python: compare results of the same one.
    """
    found: dict[str, None] = {}
    for name in MODULES:
        try:
            module = importlib.import_module(name)
        except ImportError:  # built without it
            continue
        for text in _texts(module):
            if len(text.split()) >= least_words:
                found[text] = None
    return list(found)


def _texts(module: object) -> Iterator[str]:
    for owner in (module, *_members(module, getattr(module, "__name__", ""))):
        if text := inspect.getdoc(owner):
            yield text


def _members(module: object, home: str) -> Iterator[object]:
    for _, member in sorted(vars(module).items()):
        if getattr(member, "__module__", None) != home:
            continue
        if inspect.isfunction(member):
            yield member
        elif inspect.isclass(member):
            yield member
            yield from (
                each for _, each in sorted(vars(member).items()) if inspect.isfunction(each)
            )
