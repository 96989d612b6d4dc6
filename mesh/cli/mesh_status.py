"""The table of `rostra mesh status`."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from rostra.mesh.errors import RostraError

TIMEOUT = 10.0
"""Seconds for a gateway to answer."""
COLOURS = {"serving": "green", "draining": "yellow", "out": "red"}


@dataclass(frozen=True)
class Gateway:
    url: str
    api_key: str | None = None

    def members(self) -> dict[str, Any]:
        """The answer of /mesh/members. Raises RostraError."""
        base = self.url.rstrip("/").removesuffix("/v1")
        if urllib.parse.urlsplit(base).scheme not in ("http", "https"):
            raise RostraError(f"--gateway {self.url!r} is no gateway: write http://host:port")
        headers = {} if self.api_key is None else {"Authorization": f"Bearer {self.api_key}"}
        try:
            request = urllib.request.Request(f"{base}/mesh/members", headers=headers)
            with _opener().open(request, timeout=TIMEOUT) as response:
                answer: dict[str, Any] = json.loads(response.read())
            if "members" not in answer:
                raise ValueError
        except urllib.error.HTTPError as error:
            raise RostraError(f"the gateway at {base} refuses: {_message(error)}") from None
        except OSError as error:
            why = getattr(error, "reason", None) or error
            raise RostraError(f"cannot reach a gateway at {base}: {why}") from None
        except ValueError:
            raise RostraError(f"what answers at {base} is no gateway of Rostra") from None
        return answer


def show(gateway: Gateway, *, as_json: bool) -> None:
    answer = gateway.members()
    if as_json:
        print(json.dumps(answer, indent=2))
    else:
        Console().print(table(answer))


def follow(gateway: Gateway, interval: float) -> None:
    """Until Ctrl-C. A gateway that is away is waited for."""
    console = Console()
    shown: RenderableType = table(gateway.members())
    with Live(shown, console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            time.sleep(interval)
            try:
                shown = table(gateway.members())
                live.update(shown, refresh=True)
            except RostraError as error:
                note = Text.from_markup(f"[red]{escape(str(error))}[/]")
                live.update(Group(shown, note), refresh=True)


def table(answer: dict[str, Any]) -> RenderableType:
    """One row for each member, and a line for each thing that is odd."""
    members = answer["members"]
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("member", "models", "state", "for"):
        made.add_column(name, overflow="fold")
    for name in ("running", "waiting", "KV", "hits"):
        made.add_column(name, justify="right")
    for name in ("version", "device"):
        made.add_column(name, overflow="fold")
    notes: list[str] = []
    for member in members:
        made.add_row(*_row(member))
        where = escape(member["address"])
        if member["state"] == "out":
            notes.append(f"[red]{where} is out:[/] {escape(member['reason'])}")
        notes += [f"[yellow]{where}:[/] {escape(line)}" for line in member["warnings"]]
    serving = sum(member["state"] == "serving" for member in members)
    head = f"{serving} of {len(members)} members serving, gateway {answer['gateway_version']}"
    lines = [Text.from_markup(note, overflow="fold") for note in notes]
    return Group(head, made, *lines)


def _row(member: dict[str, Any]) -> list[str]:
    load = member["load"]
    state = member["state"]
    known = member["source"] != "external"
    return [
        escape(member["address"]) + ("" if known else " (external)"),
        escape(", ".join(model["name"] for model in member["models"])),
        f"[{COLOURS[state]}]{state}[/]",
        duration(member["state_seconds"]),
        str(load["running_requests"]),
        str(load["waiting_requests"]) if known else "-",
        share(load["kv_blocks_used"], load["kv_blocks_total"]),
        share(load["prefix_cache_hit_tokens"], load["prefix_cache_queried_tokens"]),
        escape(member["version"]) or "-",
        escape(member["device"]) or "-",
    ]


def share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def duration(seconds: float | None) -> str:
    """In its two greatest units."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"


def _opener() -> urllib.request.OpenerDirector:
    # A gateway of one's own is reached directly, whatever web proxy the environment names.
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
