"""The manual's diagrams are drawn."""

from __future__ import annotations

import re
import subprocess
import tarfile

import pytest
from pages import ROOT, Block, blocks
from playwright.sync_api import Browser

DIAGRAMS = [block for block in blocks() if block.language == "mermaid"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def mermaid(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of the version that the manual's pages carry."""
    named = re.search(r"mermaid@[\d.]+", (ROOT / "scripts" / "manual").read_text())
    assert named is not None
    folder = tmp_path_factory.mktemp("mermaid")
    subprocess.run(["npm", "pack", "--silent", named[0]], cwd=folder, check=True, timeout=240)
    (package,) = folder.glob("mermaid-*.tgz")
    with tarfile.open(package) as archive:
        file = archive.extractfile("package/dist/mermaid.min.js")
        assert file is not None
        return file.read().decode()


@pytest.fixture(scope="module")
def drawn(chromium: Browser, mermaid: str) -> list[str]:
    page = chromium.new_page()
    page.set_content("<body></body>")
    page.add_script_tag(content=mermaid)
    return [
        page.evaluate(
            """async ([name, text]) => {
                try { return (await mermaid.render(name, text)).svg }
                catch (error) { return `error: ${error.message}` }
            }""",
            [f"diagram{number}", block.text],
        )
        for number, block in enumerate(DIAGRAMS)
    ]


@pytest.mark.parametrize(
    ("number", "block"), [pytest.param(*each, id=str(each[1])) for each in enumerate(DIAGRAMS)]
)
def test_a_diagram_is_drawn(drawn: list[str], number: int, block: Block) -> None:
    assert drawn[number].startswith("<svg"), drawn[number]


def test_there_are_diagrams() -> None:
    assert len(DIAGRAMS) >= 3
