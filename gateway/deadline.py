"""The time that a client gives its request, by a header.

`x-request-timeout` is in seconds; `grpc-timeout` is as gRPC over HTTP/2 has it: at most eight
digits and a unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

SECONDS = "x-request-timeout"
GRPC = "grpc-timeout"
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class BadTimeoutError(ValueError):
    """The header is none; the message says which, and what it has to be."""


def read_timeout(headers: Mapping[str, str]) -> float | None:
    """Seconds, the fewer where both are given. Raises BadTimeoutError."""
    given = [
        read(headers[name])
        for name, read in ((SECONDS, _seconds), (GRPC, _grpc))
        if name in headers
    ]
    return min(given, default=None)


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise BadTimeoutError(f"the header {SECONDS} has to be a number of seconds above 0")
    return seconds


def _grpc(value: str) -> float:
    digits, unit = value[:-1], value[-1:]
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 8 and unit in _UNITS):
        raise BadTimeoutError(f"the header {GRPC} has to be digits and one of {' '.join(_UNITS)}")
    if not int(digits):
        raise BadTimeoutError(f"the header {GRPC} has to be above 0")
    return int(digits) * _UNITS[unit]
