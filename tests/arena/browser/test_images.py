"""Images from a voter's browser to contestants that take them, and back after a reload."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_core import violations
from image_gateway import ImageGateway
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from running_arena import running

from rostra.arena.contestant import Contestant
from rostra.arena.refresh.settings import RefreshSettings
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.store import VoteStore

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

CONTESTANTS = (
    Contestant(name="ariel", label="Ariel", model="eyes-1"),
    Contestant(name="puck", label="Puck", model="eyes-2"),
    Contestant(name="moth", label="Moth", model="blind-1"),
    # Its model would, and this configuration of it does not.
    Contestant(name="cobweb", label="Cobweb", model="eyes-1", images=False),
)
NEVER_BEFORE_THE_VOTE = re.compile(r"ariel|puck|moth|cobweb|eyes-|blind-", re.IGNORECASE)


@dataclass
class Seeing:
    url: str
    gateway: ImageGateway
    store: VoteStore


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeing]:
    """An arena two of whose four contestants take images."""
    folder: Path = tmp_path_factory.mktemp("seeing")
    with ImageGateway() as gateway:
        settings = ArenaSettings(
            port=0,
            gateway_url=gateway.url,
            votes_url=f"sqlite:///{folder / 'votes.sqlite3'}",
            ratings_dir=folder / "ratings",
            contestants=CONTESTANTS,
            refresh=RefreshSettings(interval=0),
        )
        with running(settings) as url:
            store = VoteStore(settings.votes_url)
            yield Seeing(url, gateway, store)
            store.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(color_scheme="light")
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def file(colour: str, name: str = "square.png") -> dict:
    made = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Camera of Mara"
    Image.new("RGB", (64, 48), colour).save(made, "PNG", exif=exif.tobytes())
    return {"name": name, "mimeType": "image/png", "buffer": made.getvalue()}


def attach(page: Page, *files: dict) -> None:
    page.locator("input[type=file]").set_input_files(list(files))


def attached(page: Page):
    return page.get_by_role("list", name="Images to send").get_by_role("listitem")


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


HAND_OVER = """([how, data]) => {
  const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0))
  const transfer = new DataTransfer()
  transfer.items.add(new File([bytes], "given.png", { type: "image/png" }))
  const find = (root) => root.querySelector(".composer textarea")
    ?? [...root.querySelectorAll("*")].map((each) => each.shadowRoot && find(each.shadowRoot))
      .find(Boolean)
  const target = find(document)
  const given = { bubbles: true, cancelable: true, composed: true }
  target.dispatchEvent(how === "paste"
    ? new ClipboardEvent("paste", { ...given, clipboardData: transfer })
    : new DragEvent("drop", { ...given, dataTransfer: transfer }))
}"""


def hand_over(page: Page, how: str, image: dict) -> None:
    page.evaluate(HAND_OVER, [how, base64.b64encode(image["buffer"]).decode()])


def test_images_go_to_a_pair_that_takes_them_and_come_back(seeing, page, axe):
    frames: list[str] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))),
    )
    page.goto(seeing.url)
    page.get_by_role("button", name="Add image").wait_for()
    attach(page, file("red"))
    hand_over(page, "paste", file("green"))
    hand_over(page, "drop", file("blue"))
    expect(attached(page)).to_have_count(3)
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    page.get_by_role("button", name="Remove image 2").click()
    expect(attached(page)).to_have_count(2)
    for scheme in ("light", "dark"):
        if scheme == "dark":
            page.get_by_role("button", name="Toggle theme").click()
        expect(page.locator("html")).to_have_attribute("data-theme", scheme)
        assert violations(page, axe) == "[]", scheme
    with page.expect_response("**/round/keep"):
        ask(page, "what is this?")
    pictures = page.get_by_role("img", name=re.compile("Image [12] of the question"))
    expect(pictures).to_have_count(2)
    expect(attached(page)).to_have_count(0)
    vote = page.get_by_role("button", name="A is better")
    expect(vote).to_be_enabled()

    assert {body["model"] for body in seeing.gateway.asked} == {"eyes-1", "eyes-2"}
    for body in seeing.gateway.asked:
        *images, text = body["messages"][-1]["content"]
        assert text == {"type": "text", "text": "what is this?"}
        pixels = []
        for part in images:
            start, _, data = part["image_url"]["url"].partition(",")
            assert start == "data:image/png;base64"
            sent = base64.b64decode(data)
            assert b"Mara" not in sent
            pixels.append(Image.open(io.BytesIO(sent)).convert("RGB").getpixel((9, 9)))
        assert pixels == [(255, 0, 0), (0, 0, 255)]

    # A further question holds them again, and may have more.
    attach(page, file("yellow"))
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    ask(page, "and this?")
    expect(page.get_by_role("article")).to_have_count(4)
    expect(vote).to_be_enabled()
    assert [len(each["content"]) for each in seeing.gateway.asked[-1]["messages"]] == [3, 13, 2]

    page.reload()
    pictures = page.get_by_role("img", name=re.compile("Image . of the question"))
    expect(pictures).to_have_count(3)
    page.wait_for_function(
        """() => {
          const find = (root) => [...root.querySelectorAll(".pictures img"),
            ...[...root.querySelectorAll("*")].flatMap((each) =>
              each.shadowRoot ? find(each.shadowRoot) : [])]
          const found = find(document)
          return found.length === 3 && found.every((each) => each.naturalWidth === 64)
        }"""
    )
    address = pictures.first.get_attribute("src")
    answer = page.request.get(seeing.url + address)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"].startswith("inline; filename=")
    stranger = page.context.browser.new_context()
    assert stranger.request.get(seeing.url + address).status == 404
    stranger.close()
    expect(vote).to_be_enabled()
    assert frames
    assert not NEVER_BEFORE_THE_VOTE.search("".join(frames))
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="Next pair")).to_be_focused()
    assert verify(seeing.store._engine).entries == 1


def test_where_no_images_can_go_the_voter_is_told(seeing, page):
    page.goto(seeing.url)
    button = page.get_by_role("button", name="Add image")
    button.wait_for()
    notice = page.locator(".notice")
    attach(page, {"name": "x.txt", "mimeType": "text/plain", "buffer": b"text"})
    expect(notice).to_have_text("Images are PNG, JPEG, WebP or GIF.")
    attach(page, {"name": "x.png", "mimeType": "image/png", "buffer": b"<script>"})
    expect(notice).to_have_text("This is no image in PNG, JPEG, WebP or GIF.")
    expect(attached(page)).to_have_count(0)
    attach(page, *(file("red", f"{n}.png") for n in range(5)))
    expect(attached(page)).to_have_count(4)
    expect(notice).to_have_text("A question has up to 4 images.")
    for _ in range(4):
        page.get_by_role("button", name="Remove image 1").click()

    # With a further question images would tell what a pair drawn without them takes.
    ask(page, "hello")
    expect(page.get_by_role("button", name="A is better")).to_be_enabled()
    expect(button).to_be_hidden()
    hand_over(page, "paste", file("red"))
    expect(notice).to_contain_text("Images go with the first question of a round")

    page.goto(seeing.url + "/chat")
    expect(button).to_be_visible()
    page.get_by_label("Contestant").select_option("moth")
    expect(button).to_be_hidden()
    expect(notice).to_have_text("This contestant takes no images.")
    page.get_by_label("Contestant").select_option("cobweb")
    expect(button).to_be_hidden()
    page.get_by_label("Contestant").select_option("puck")
    expect(button).to_be_visible()
    attach(page, file("red"))
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    ask(page, "what is this?")
    expect(page.get_by_role("button", name="Regenerate")).to_be_visible()
    assert len(seeing.gateway.asked[-1]["messages"][-1]["content"]) == 2
