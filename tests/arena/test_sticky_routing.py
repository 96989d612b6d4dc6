"""Two processes of the arena behind nginx, as `deploy/nginx/arena.conf` and its manual say."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
from access_server import serving

from benchmarks import arena_process
from benchmarks.arena_process import Served
from benchmarks.arena_voter import VoterPage
from rostra.arena.access.access import Access
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.store import VoteStore

pytestmark = pytest.mark.e2e

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx" / "arena.conf"
MOST_VOTERS = 40
"""That all of them are sent to one of two processes does not happen."""


@dataclass
class Site:
    url: str
    processes: list[Served]
    settings: ArenaSettings


@pytest.fixture(scope="module")
def nginx() -> str:
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    return found


@pytest.fixture
def site(nginx: str, tmp_path: Path) -> Iterator[Site]:
    port = free_port()
    with ExitStack() as stack:
        gateway = stack.enter_context(arena_process.gateway(pace=3000))
        settings = arena_process.settings(tmp_path, gateway.url).model_copy(
            update={"allowed_origins": (f"127.0.0.1:{port}",), "behind_proxy": True}
        )
        processes = [stack.enter_context(arena_process.arena(settings)) for _ in range(2)]
        stack.enter_context(running(nginx, tmp_path / "nginx", port, processes))
        yield Site(f"http://127.0.0.1:{port}", processes, settings)


@contextmanager
def running(nginx: str, folder: Path, port: int, processes: list[Served]) -> Iterator[None]:
    """The committed configuration, with the ports of this test in place of its own."""
    configuration = CONFIGURATION.read_text(encoding="utf-8")
    for written, here in (
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("127.0.0.1:8001", processes[0].url.removeprefix("http://")),
        ("127.0.0.1:8002", processes[1].url.removeprefix("http://")),
    ):
        assert configuration.count(written) == 1
        configuration = configuration.replace(written, here)
    folder.mkdir()
    (folder / "arena.conf").write_text(configuration, encoding="utf-8")
    paths = "".join(
        f"{name}_temp_path {folder / name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder / 'pid'}; error_log {folder / 'error.log'};\n"
        f"events {{}}\nhttp {{ access_log off;\n{paths}include {folder / 'arena.conf'}; }}\n",
        encoding="utf-8",
    )
    process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        until_it_listens(port, process)
        yield
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def until_it_listens(port: int, process: subprocess.Popen) -> None:
    for _ in range(300):
        assert process.poll() is None, "nginx ended"
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("nginx does not listen")


@dataclass
class Browser:
    http: aiohttp.ClientSession
    page: VoterPage


@asynccontextmanager
async def browser(site: Site) -> AsyncIterator[Browser]:
    jar = aiohttp.CookieJar(unsafe=True)
    # What a voter says of its own address is not believed.
    claimed = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9"}
    async with aiohttp.ClientSession(cookie_jar=jar, headers=claimed) as http:
        page = VoterPage(http, site.url)
        async with page:
            yield Browser(http, page)


def sockets(served: Served) -> int:
    """Websockets that a process has open, which are the connections that last."""
    connections = served.process.net_connections(kind="tcp")
    return sum(
        each.status == "ESTABLISHED" and each.laddr.port == port(served) for each in connections
    )


def port(served: Served) -> int:
    return int(served.url.rsplit(":", 1)[1])


async def answered(voter: Browser, question: str) -> None:
    await voter.page.ask(question)
    await voter.page.read()
    assert set(voter.page.answers) == {(0, "a"), (0, "b")}


async def dropped(voters: list[Browser]) -> list[Browser]:
    """Those whose websocket has ended."""
    for _ in range(100):
        if found := [voter for voter in voters if voter.page.closed]:
            return found
        await asyncio.sleep(0.1)
    pytest.fail("no page lost its websocket")


async def test_voters_are_spread_and_take_up_their_rounds_when_a_process_dies(site):
    async with AsyncExitStack() as stack:
        voters: list[Browser] = []
        while len(voters) < 4 or not all(sockets(each) for each in site.processes):
            assert len(voters) < MOST_VOTERS, "one process gets all voters"
            voters.append(await stack.enter_async_context(browser(site)))
        for number, voter in enumerate(voters):
            assert not await voter.page.resume()
            await answered(voter, f"Question {number}?")
        site.processes[0].process.kill()
        lost = await dropped(voters)
        assert 0 < len(lost) < len(voters)
        for voter in voters:
            if voter in lost:
                # The page comes back as it was left, to the process that still runs.
                reloaded = VoterPage(voter.http, site.url, tab=voter.page.tab)
                await stack.enter_async_context(reloaded)
                assert await reloaded.resume()
                await reloaded.until(lambda state: state["phase"] == "ended")
                assert reloaded.state["prompts"] == voter.page.state["prompts"]
                voter.page = reloaded
            await voter.page.vote("tie")
            await voter.page.give_reasons(["helpful"], "")
            await voter.page.next_round()
            await answered(voter, "And another?")
    store = VoteStore(site.settings.votes_url)
    counts = store.counts()
    store.close()
    assert counts.votes == counts.outcomes["tie"] == len(voters)
    assert counts.battles == 2 * len(voters)


@pytest.mark.parametrize(
    ("proxied", "behind_proxy", "known_by"),
    [(True, True, "127.0.0.1"), (False, False, "127.0.0.1"), (False, True, "203.0.113.9")],
)
async def test_what_a_client_says_of_its_address_is_not_believed(
    nginx, tmp_path, monkeypatch, proxied, behind_proxy, known_by
):
    """Behind nginx and without it; the last, an arena that anybody reaches past its proxy, shows
    that the addresses seen here are those the header names."""
    seen = set()
    make = Access._voter

    def voter(access, login, name, address):
        seen.add(address)
        return make(access, login, name, address)

    monkeypatch.setattr(Access, "_voter", voter)
    claimed = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9"}
    with ExitStack() as stack:
        async with serving(tmp_path, {}, behind_proxy=behind_proxy) as direct:
            url = direct
            if proxied:
                port, arena = free_port(), SimpleNamespace(url=direct)
                site = running(nginx, tmp_path / "nginx", port, [arena, arena])
                await asyncio.to_thread(stack.enter_context, site)
                url = f"http://127.0.0.1:{port}"
            async with aiohttp.request("GET", url + "/", headers=claimed) as response:
                assert response.status == 200
    assert seen == {known_by}


async def test_a_browser_keeps_its_place_and_gets_scripts_compressed(nginx, tmp_path):
    with ExitStack() as stack:
        async with serving(tmp_path, {}, behind_proxy=True) as direct:
            port, arena = free_port(), SimpleNamespace(url=direct)
            site = running(nginx, tmp_path / "nginx", port, [arena, arena])
            await asyncio.to_thread(stack.enter_context, site)
            url, placed = f"http://127.0.0.1:{port}", re.compile(r"rostra_place=([0-9a-f]{32});.*")
            headers = {"Cookie": "rostra_place=not-a-place"}
            async with aiohttp.request("GET", f"{url}/health", headers=headers) as response:
                place = placed.match(response.headers["Set-Cookie"])
            assert "HttpOnly" in place[0]
            assert "SameSite=Lax" in place[0]
            headers = {"Cookie": f"rostra_place={place[1]}"}
            script = f"{url}/static/js/bokeh.min.js"
            for _ in range(2):
                async with aiohttp.request("GET", script, headers=headers) as response:
                    assert "Set-Cookie" not in response.headers
                    assert response.headers["Content-Encoding"] == "gzip"
                    assert "Bokeh" in await response.text()
