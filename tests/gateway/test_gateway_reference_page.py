"""The page of the API in a real browser."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from gateway_harness import gateway_before
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def gateway_url() -> Iterator[str]:
    """Of a gateway in a thread of its own: Playwright keeps this one's loop."""
    started, stop = threading.Event(), threading.Event()
    found: list[str] = []

    async def serve() -> None:
        async with gateway_before(["127.0.0.1:1"], ready=False) as client:
            found.append(str(client.make_url("/")))
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    assert started.wait(60)
    yield found[0]
    stop.set()
    thread.join()


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[1280, 390])
def page(
    request: pytest.FixtureRequest, chromium: Browser, gateway_url: str, scheme: str
) -> Iterator[Page]:
    context = chromium.new_context(
        viewport={"width": request.param, "height": 800}, color_scheme=scheme
    )
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: asked.append(sent.url))
    page.goto(f"{gateway_url}docs")
    yield page
    assert complaints == []
    assert asked == [f"{gateway_url}docs"], "the page asks for something else"
    context.close()


def test_the_page(page: Page, gateway_url: str, scheme: str) -> None:
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"], "it is wider than the window"
    assert page.evaluate("document.documentElement.dataset.theme") == scheme

    article = page.locator("#chat_completions")
    expect(article.locator("pre").first).to_contain_text(f"curl {gateway_url}v1/chat/completions")
    messages = article.locator("li", has=page.locator("> .head > code", has_text="messages")).first
    messages.locator("summary").first.click()
    expect(messages.get_by_text("tool_call_id", exact=True).first).to_be_visible()

    page.get_by_label("Filter operations").fill("metrics")
    expect(page.locator("#chat_completions")).to_be_hidden()
    expect(page.locator("article#metrics")).to_be_visible()
    page.get_by_label("Filter operations").fill("nothing like it")
    expect(page.get_by_text("Nothing matches.")).to_be_visible()

    page.get_by_label("Light or dark").click()
    other = "light" if scheme == "dark" else "dark"
    assert page.evaluate("document.documentElement.dataset.theme") == other
