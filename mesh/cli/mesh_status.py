"""The table of `rostra mesh status`."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rostra.mesh.errors import RostraError

TIMEOUT = 10.0
"""Seconds for a gateway to answer."""
_WIDE = 100
"""Columns of a terminal, from which on versions and devices are shown."""
COLOURS = {"serving": "green", "draining": "yellow", "out": "red"}


@dataclass(frozen=True)
class HttpsFiles:
    """By which a gateway is checked, and a caller says who it is."""

    ca: Path | None = None
    """Authorities, in PEM; None: the system's."""
    cert: Path | None = None
    key: Path | None = None

    def context(self, url: str) -> ssl.SSLContext | None:
        """None where there is nothing to say. Raises RostraError."""
        given = {"--ca": self.ca, "--cert": self.cert, "--key": self.key}
        if not any(given.values()):
            return None
        if not url.lower().startswith("https://"):
            named = ", ".join(option for option, file in given.items() if file)
            raise RostraError(f"{named} without TLS: write --gateway https://host:port")
        if (self.cert is None) != (self.key is None):
            raise RostraError("--cert and --key belong together: a certificate needs its key")
        context = ssl.create_default_context(cafile=_readable("--ca", self.ca))
        cert, key = _readable("--cert", self.cert), _readable("--key", self.key)
        if cert is not None:
            try:
                # Without a passphrase: there is nobody to ask for one.
                context.load_cert_chain(cert, key, password=str)
            except (ssl.SSLError, ValueError) as error:
                raise RostraError(
                    f"--cert {cert} and --key {key} cannot be used: {error}"
                ) from None
        return context


def _readable(option: str, file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no PEM"
        raise RostraError(f"cannot read {option} {file}: {why}") from None
    if "-----BEGIN " not in text:
        raise RostraError(f"cannot read {option} {file}: it is no PEM")
    return str(file)


@dataclass(frozen=True)
class Gateway:
    url: str
    api_key: str | None = None
    https: HttpsFiles = HttpsFiles()

    def members(self) -> dict[str, Any]:
        """The answer of /mesh/members. Raises RostraError."""
        base = self.url.rstrip("/").removesuffix("/v1")
        if urllib.parse.urlsplit(base).scheme not in ("http", "https"):
            raise RostraError(f"--gateway {self.url!r} is no gateway: write http://host:port")
        headers = {} if self.api_key is None else {"Authorization": f"Bearer {self.api_key}"}
        try:
            request = urllib.request.Request(f"{base}/mesh/members", headers=headers)
            with _opener(self.https.context(base)).open(request, timeout=TIMEOUT) as response:
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
                note = Text(str(error), "red")
                live.update(Group(shown, note), refresh=True)


def table(answer: dict[str, Any]) -> RenderableType:
    """One row for each member, and a line for each thing that is odd."""
    members = answer["members"]
    notes: list[Text] = []
    for member in members:
        where = member["address"]
        if member["state"] == "out":
            notes.append(Text.assemble((f"{where} is out:", "red"), f" {member['reason']}"))
        notes += [Text.assemble((f"{where}:", "yellow"), f" {line}") for line in member["warnings"]]
    for note in notes:
        note.overflow = "fold"
    serving = sum(member["state"] == "serving" for member in members)
    head = f"{serving} of {len(members)} members serving, gateway {answer['gateway_version']}"
    return Group(head, _Rows(members), *notes)


@dataclass(frozen=True)
class _Rows:
    members: list[dict[str, Any]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.max_width >= _WIDE
        made = Table(box=None, pad_edge=False, header_style="bold")
        rows = [_row(member, wide=wide) for member in self.members]
        # Whole, so that it can be copied: where there is no room, the models fold.
        longest = max((row[0].cell_len for row in rows), default=0)
        made.add_column("member", no_wrap=True, min_width=longest)
        made.add_column("models", overflow="fold")
        for name in ("state", "for"):
            made.add_column(name, no_wrap=True)
        for name in ("run", "wait", "KV", "hits"):
            made.add_column(name, justify="right", no_wrap=True)
        for name in ("version", "device") if wide else ():
            made.add_column(name, overflow="fold")
        for row in rows:
            made.add_row(*row)
        yield made


def _row(member: dict[str, Any], *, wide: bool) -> list[Text]:
    load = member["load"]
    state = member["state"]
    known = member["source"] != "external"
    cells = [
        member["address"] + ("" if known else " (external)"),
        ", ".join(model["name"] for model in member["models"]),
        state,
        duration(member["state_seconds"]),
        str(load["running_requests"]),
        str(load["waiting_requests"]) if known else "-",
        share(load["kv_blocks_used"], load["kv_blocks_total"]),
        share(load["prefix_cache_hit_tokens"], load["prefix_cache_queried_tokens"]),
    ]
    if wide:
        cells += [member["version"] or "-", member["device"] or "-"]
    # Not markup, in which a part of an IPv6 address may be the name of a picture.
    made = [Text(cell) for cell in cells]
    made[2].stylize(COLOURS[state])
    return made


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


def _opener(context: ssl.SSLContext | None) -> urllib.request.OpenerDirector:
    # A gateway of one's own is reached directly, whatever web proxy the environment names.
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
