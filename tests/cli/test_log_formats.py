"""The two formats of the log."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from datetime import datetime

import pytest

from rostra.mesh.errors import RostraError
from rostra.mesh.logs import JsonFormatter, check_format
from rostra.mesh.supervisor.process import last_words


def formatted(message: object, *args: object, exc_info: object = None) -> str:
    record = logging.LogRecord("a.logger", logging.WARNING, "", 0, message, args, exc_info)
    return JsonFormatter("gateway", lambda: {"request_id": "mine"}).format(record)


def test_a_line_says_when_who_what_and_for_whom():
    line = json.loads(formatted("it is %d %s", 3, "o'clock"))
    assert datetime.fromisoformat(line["time"]).utcoffset().total_seconds() == 0
    assert line["time"].endswith("Z")
    assert (line["level"], line["logger"]) == ("WARNING", "a.logger")
    assert (line["message"], line["service"]) == ("it is 3 o'clock", "gateway")
    assert line["request_id"] == "mine"


def test_an_exception_is_a_part_of_its_line():
    try:
        raise ValueError("two\nlines")
    except ValueError:
        text = formatted("it failed", exc_info=sys.exc_info())
    assert "\n" not in text
    line = json.loads(text)
    assert line["error_type"] == "ValueError"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: two\nlines\n")


def test_a_mapping_becomes_fields():
    line = json.loads(formatted({"message": "POST", "status": 200, "request_id": "its own"}))
    assert (line["message"], line["status"], line["request_id"]) == ("POST", 200, "its own")


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", '"}\n{"', "😀"])
def test_whatever_text_there_is_one_line_is_valid(text):
    line = formatted("%s", text)
    assert "\n" not in line
    assert json.loads(line.encode())["message"]


def test_formats_that_there_are():
    assert check_format("json") == "json"
    with pytest.raises(RostraError, match="use text or json"):
        check_format("xml")


def test_what_is_not_caught_is_a_line_too():
    program = (
        "import warnings\n"
        "from rostra.mesh.logs import log_to_stderr\n"
        "log_to_stderr('worker', 'json')\n"
        "warnings.warn('careful')\n"
        "raise RuntimeError('boom')\n"
    )
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    warning, fatal = [json.loads(line) for line in done.stderr.splitlines()]
    assert "careful" in warning["message"]
    assert (fatal["level"], fatal["error_type"]) == ("CRITICAL", "RuntimeError")


def test_why_a_process_ended_is_read_in_either_format():
    assert last_words("error: no such model") == "no such model"
    assert last_words(formatted("no such model")) == "no such model"
    assert last_words("") == ""
    assert last_words("123") == "123"
