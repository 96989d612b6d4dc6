"""How processes that run for long write what happens: text for people, or JSON for machines."""

from __future__ import annotations

import logging
import os
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from rostra.mesh.errors import RostraError

LogFormat = Literal["text", "json"]
Fields = Callable[[], Mapping[str, str]]

LEVEL_VARIABLE = "ROSTRA_LOG_LEVEL"
FORMAT_VARIABLE = "ROSTRA_LOG_FORMAT"
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonFormatter(logging.Formatter):
    """One JSON object for each event, on one line, exceptions included.

    `time` (RFC 3339, UTC), `level`, `logger`, `message`, who wrote it (`service`, `instance`), and
    within a request what `fields` tells of it: `request_id`, `trace_id`. A mapping that
    was logged becomes a part of the object, its own `message` included.
    """

    def __init__(self, service: str, fields: Fields) -> None:
        super().__init__()
        self._who = {"service": service, "instance": f"{socket.gethostname()}-{os.getpid()}"}
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            **self._who,
            **self._fields(),
        }
        if isinstance(record.msg, Mapping):
            line.update(record.msg)
        else:
            line["message"] = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            kind, error, _ = record.exc_info
            line["error_type"] = kind.__qualname__
            line["exception"] = "".join(traceback.format_exception(error))
        if record.stack_info:
            line["stack"] = record.stack_info
        # Text of a caller may hold surrogates, which no encoding has.
        return _encoder.encode(_clean(line)).decode()


def log_to_stderr(
    service: str, log_format: str | None = None, fields: Fields = dict[str, str]
) -> None:
    """One line for each event, at the level that $ROSTRA_LOG_LEVEL names (default INFO).

    `service` is what the process is. `log_format` is by default that of $ROSTRA_LOG_FORMAT, and
    `text` without it; processes that this one starts write the same. `fields` tells of the request
    that the event belongs to. Raises RostraError for a level or a format that does not exist.
    """
    level = os.environ.get(LEVEL_VARIABLE, "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise RostraError(
            f"${LEVEL_VARIABLE} is {level!r}; use DEBUG, INFO, WARNING, ERROR or CRITICAL"
        )
    chosen = check_format(log_format or os.environ.get(FORMAT_VARIABLE, "text"))
    os.environ[FORMAT_VARIABLE] = chosen
    handler = logging.StreamHandler(sys.stderr)
    if chosen == "json":
        handler.setFormatter(JsonFormatter(service, fields))
        logging.captureWarnings(True)
        sys.excepthook = _log_uncaught
    else:
        handler.setFormatter(logging.Formatter(TEXT))
    logging.basicConfig(level=level, handlers=[handler])


def check_format(log_format: str) -> str:
    """Raises RostraError for one that does not exist."""
    if log_format not in ("text", "json"):
        raise RostraError(f"the log format is {log_format!r}; use text or json")
    return log_format


def logs_json() -> bool:
    """Whether this process writes JSON, so that nothing else belongs on standard error."""
    handlers = logging.getLogger().handlers
    return any(isinstance(handler.formatter, JsonFormatter) for handler in handlers)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    logging.getLogger("rostra").critical("not caught", exc_info=(kind, error, trace))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {str(key): _clean(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(part) for part in value]
    return value
