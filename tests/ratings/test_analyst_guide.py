from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.slow
def test_the_guide_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(DOCS / "example_votes.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "analyst.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 7
    # A Laplace approximation in place of chains: the guide's prose is about what comes out.
    code = "\n".join(blocks).replace("draws=500, tune=500", 'draws=200, tune=200, engine="laplace"')
    exec(compile(code, "docs/analyst.md", "exec"), {"__name__": "guide"})
    told = capsys.readouterr().out
    assert "400 votes on" in told
    assert "report.html" not in told
    assert (tmp_path / "report.html").stat().st_size > 1_000_000
    assert (tmp_path / "difference.csv").read_text().startswith("difference,density")
    assert "posterior.nc" in told
