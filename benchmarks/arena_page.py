"""How soon the battle page can be used, and how soon the first words of an answer are on it.

    python -m benchmarks.arena_page [--visits N]

A real arena in a process of its own, a gateway that writes at once, a real Chromium (Debian's, or
the one that $ROSTRA_CHROMIUM names), all over loopback. Each cold visit is a fresh browser profile
with an empty cache; a warm one is a second page in the same profile.

usable        milliseconds from the navigation until the question's field takes what is typed
first words   milliseconds from the first byte of text that leaves the gateway, the later of the
              two, until text is painted in both columns: the cadence of the arena, its rendering
              and the browser's
requests      of the page, its websocket left out, and what they bring over the wire

The two times are worth what the machine was idle: `busy` is the share of all its cores that other
processes took meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from aiohttp import web
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from benchmarks import arena_process

PAINTED = """() => new Promise((resolve) => {
  const roots = (root) => [root, ...[...root.querySelectorAll("*")]
    .filter((node) => node.shadowRoot).flatMap((node) => roots(node.shadowRoot))]
  const look = () => {
    const bodies = roots(document).flatMap((root) => [...root.querySelectorAll(".answer .body")])
    if (bodies.length === 2 && bodies.every((body) => body.textContent.trim()))
      requestAnimationFrame(() => setTimeout(() => resolve(Date.now())))
    else requestAnimationFrame(look)
  }
  look()
})"""


class Gateway:
    """Answers every question with a few words, and notes when the first left."""

    def __init__(self) -> None:
        self.url = ""
        self.sent: list[float] = []
        """Unix times in milliseconds, of the first words of each answer."""
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])

    def __enter__(self) -> Gateway:
        self._thread.start()
        self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        # Behind the stored question and the connection: only the way from here on is measured.
        await asyncio.sleep(0.3)
        self.sent.append(time.time() * 1000)
        with suppress(ConnectionResetError):  # the page is closed once its first words are painted
            for words, finish in (("Some words, ", None), ("and some more.", None), ("", "stop")):
                choice = {"index": 0, "delta": {"content": words}, "finish_reason": finish}
                await response.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
                await asyncio.sleep(1)
            await response.write(b"data: [DONE]\n\n")
        return response


@dataclass
class Visit:
    usable: float = 0.0
    """Milliseconds."""
    first_words: float = 0.0
    requests: int = 0
    wire: int = 0
    """Bytes."""
    largest: list[tuple[int, str]] = field(default_factory=list)
    """Bytes over the wire and address of each response."""


def visit(context: BrowserContext, url: str, gateway: Gateway) -> Visit:
    page = context.new_page()
    seen, addresses = Visit(), {}
    network = context.new_cdp_session(page)
    network.send("Network.enable")

    def answered(event: dict) -> None:
        if not event["response"].get("fromDiskCache"):
            addresses[event["requestId"]] = event["response"]["url"]

    def finished(event: dict) -> None:
        if event["requestId"] in addresses:
            seen.requests += 1
            seen.wire += int(event["encodedDataLength"])
            seen.largest.append((int(event["encodedDataLength"]), addresses[event["requestId"]]))

    network.on("Network.responseReceived", answered)
    network.on("Network.loadingFinished", finished)
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.get_by_label("Your question").fill("Say some words.")
    seen.usable = 1000 * (time.perf_counter() - began)
    gateway.sent.clear()
    page.keyboard.press("Enter")
    painted = page.evaluate(PAINTED)
    seen.first_words = painted - max(gateway.sent)
    page.close()
    return seen


def visits(browser: Browser, url: str, gateway: Gateway, number: int) -> tuple[list[Visit], ...]:
    """(cold, warm)"""
    cold, warm = [], []
    for _ in range(number):
        context = browser.new_context()
        cold.append(visit(context, url, gateway))
        warm.append(visit(context, url, gateway))
        context.close()
    return cold, warm


@contextmanager
def busy_elsewhere() -> Iterator[list[float]]:
    """Gets the share of all cores that processes took which are not this one or its children."""
    share: list[float] = []
    before, ours, began = psutil.cpu_times(), _ours(), time.perf_counter()
    yield share
    after, wall = psutil.cpu_times(), time.perf_counter() - began
    idle = after.idle + after.iowait - before.idle - before.iowait
    cores = wall * (os.cpu_count() or 1)
    share.append(max(0.0, (cores - idle - (_ours() - ours)) / cores))


def _ours() -> float:
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    times = [process.cpu_times() for process in processes if process.is_running()]
    return float(sum(each.user + each.system for each in times))


def report(kind: str, measured: list[Visit]) -> None:
    for name, values in (
        ("usable", [each.usable for each in measured]),
        ("first words", [each.first_words for each in measured]),
    ):
        print(
            f"{kind} {name:12} median {statistics.median(values):6.0f} ms, "
            f"largest {max(values):6.0f} ms, {len(values)} visits"
        )
    last = measured[-1]
    print(f"{kind} {last.requests} requests, {last.wire / 1024:,.0f} KiB over the wire")
    for size, address in sorted(last.largest, reverse=True)[:6]:
        print(f"      {size / 1024:8,.0f} KiB  {address.split('?')[0]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visits", type=int, default=10)
    number = parser.parse_args().visits
    with tempfile.TemporaryDirectory() as folder, Gateway() as gateway:
        settings = arena_process.settings(Path(folder), gateway.url)
        with arena_process.arena(settings) as arena, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=os.environ.get("ROSTRA_CHROMIUM", "/usr/bin/chromium"),
                args=["--no-sandbox", "--disable-gpu"],
            )
            # The first visit also waits for the server to import what it serves.
            visits(browser, arena.url, gateway, 1)
            with busy_elsewhere() as busy:
                cold, warm = visits(browser, arena.url, gateway, number)
            browser.close()
    report("cold", cold)
    report("warm", warm)
    print(f"busy {busy[0]:.0%} of {os.cpu_count()} cores with other things")


if __name__ == "__main__":
    main()
