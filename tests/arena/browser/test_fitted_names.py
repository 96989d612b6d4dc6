"""Names on the axes of figures, cut by their width in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from rostra.arena.ratings.plots.names import fitted

pytestmark = pytest.mark.browser

NAMES = [
    "phi-4-mini-instruct-lora-medical-notes-v3",
    "phi-4-mini-instruct-lora-medieval-notes-v3",
    "qwen2.5-72b-instruct-awq-int4-group128",
    "olmo-2-13b",
]
# As BokehJS calls a formatter.
FORMAT = """([code, args, ticks]) => {
  const labelled = new Function("tick", "index", "ticks", ...Object.keys(args), code).bind({})
  return ticks.map((tick, index) => labelled(tick, index, ticks, ...Object.values(args)))
}"""


def labels(chromium: Browser, width: int, ticks: list[str] | list[float]) -> list[str]:
    by_place = not isinstance(ticks[0], str)
    formatter = fitted(NAMES if by_place else None, share=0.32, widest=1000)
    context = chromium.new_context(viewport={"width": width, "height": 800})
    try:
        page = context.new_page()
        found: list[str] = page.evaluate(FORMAT, [formatter.code, formatter.args, ticks])
        return found
    finally:
        context.close()


def test_a_wide_window_has_room_for_whole_names(chromium: Browser) -> None:
    assert labels(chromium, 1280, NAMES) == NAMES


def test_a_phone_shows_both_ends_of_a_name_and_no_two_alike(chromium: Browser) -> None:
    one, other, cut, short = labels(chromium, 390, NAMES)
    assert (one, other, short) == (NAMES[0], NAMES[1], NAMES[3])
    head, tail = cut.split("…")
    assert NAMES[2].startswith(head)
    assert NAMES[2].endswith(tail)
    assert 8 < len(cut) < 30
    assert min(len(head), len(tail)) >= len(cut) // 2 - 1


def test_names_are_found_by_their_place(chromium: Browser) -> None:
    assert labels(chromium, 1280, [0.5, 3.5]) == [NAMES[0], NAMES[3]]
