from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

import pytest
from PIL import Image
from rated_board import asked, by_level

from rostra.arena.ratings.plots.gallery import PLOTS
from rostra.arena.ratings.plots.report import write_report

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PER_STRUCTURE = {"categories": set(PLOTS) - {"drift", "judges"}, "drift": {"drift"}}


@pytest.mark.parametrize("structure", PER_STRUCTURE)
def test_every_figure_downloads_as_picture_drawing_and_numbers(
    chromium, tmp_path, structure: str
) -> None:
    posterior = by_level(("ash", "elm", "oak"), structure)
    question = asked(posterior)
    path = write_report(
        posterior,
        tmp_path / "report.html",
        prices=question.prices,
        currency=question.currency,
        earlier=question.earlier,
    )
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    try:
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-drawn]", state="attached", timeout=120_000)
        shown = set(page.locator(".card").evaluate_all("cards => cards.map((card) => card.id)"))
        assert shown >= PER_STRUCTURE[structure]
        for name in sorted(PER_STRUCTURE[structure]):
            card = page.locator(f"#{name}")

            def downloaded(kind: str, card=card, name=name) -> bytes:
                with page.expect_download() as download:
                    card.get_by_role("button", name=kind).click()
                assert download.value.suggested_filename == f"{name}.{kind.lower()}"
                return download.value.path().read_bytes()

            box = card.locator(".figure > *").first.bounding_box()
            assert box["width"] > 100
            assert box["height"] > 80
            with Image.open(io.BytesIO(downloaded("PNG"))) as picture:
                picture.load()
                size = picture.size
                # More than the ground alone.
                assert len(picture.convert("RGB").getcolors(1 << 24)) > 2, name
            assert size == pytest.approx((box["width"], box["height"]), abs=2), name
            drawing = ElementTree.fromstring(downloaded("SVG"))
            assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
            wide, high = (float(drawing.get(side)) for side in ("width", "height"))
            assert (wide, high) == pytest.approx((box["width"], box["height"]), abs=2), name
            assert len(list(drawing.iter("{http://www.w3.org/2000/svg}path"))) > 2, name
            header, *rows = csv.reader(io.StringIO(downloaded("CSV").decode()))
            assert len(set(header)) == len(header) > 1
            assert rows, name
            assert {len(row) for row in rows} == {len(header)}
    finally:
        page.close()
