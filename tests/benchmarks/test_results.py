"""Files of results, their medians, tables and the page made of them."""

from __future__ import annotations

import argparse
import json

import pytest

from benchmarks import report, results
from benchmarks.results import Result, median_row, table

MACHINE = {
    "date": "2026-11-22T10:00:00+00:00",
    "processor": "P",
    "cores": 2,
    "versions": {"a": "1"},
}


def result(benchmark="engine", label="", rows=(), date="2026-11-22", **arguments):
    return Result(benchmark, arguments, list(rows), label, MACHINE | {"date": f"{date}T10:00"})


def test_what_is_written_is_read_again(tmp_path):
    written = result(label="before", rows=[{"streams": 1, "ms": 2.5}], repeats=3)
    written.write(tmp_path / "deep" / "a.json")
    assert Result.read(tmp_path / "deep" / "a.json") == written


@pytest.mark.parametrize("content", ["", "{}", '{"rows": []}', "[1]"])
def test_a_file_that_is_no_result_is_named(tmp_path, content):
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(ValueError, match=r"bad\.json"):
        Result.read(tmp_path / "bad.json")


def test_medians_of_numbers_and_agreement_of_the_rest():
    rows = [
        {"name": "x", "ms": ms, "blocks": blocks, "same": same, "note": str(ms)}
        for ms, blocks, same in ((1.0, 7, True), (4.0, 9, False), (2.0, 8, True))
    ]
    assert median_row(rows) == {
        "name": "x",
        "ms": 2.0,
        "blocks": 8,
        "same": False,
        "repeats": 3,
        "spread": 1.5,
    }


def test_a_table_has_a_dash_for_what_a_row_lacks_and_states_once_what_all_share():
    rows = [{"model": "m", "n": 1, "ms": 1.23456}, {"model": "m", "n": 2, "why": "a|b"}]
    assert table(rows, markdown=True).splitlines() == [
        "model m",
        "",
        "| n | ms | why |",
        "| --- | --- | --- |",
        "| 1 | 1.23 | - |",
        "| 2 | - | a/b |",
    ]
    assert table(rows[:1]).split() == ["model", "n", "ms", "m", "1", "1.23"]


def test_saved_results_are_named_by_benchmark_and_label(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    parser = argparse.ArgumentParser()
    results.add_output_options(parser)
    args = parser.parse_args(["--label", "After: 2nd try", "--save"])
    results.report(args, "engine", [{"ms": 1.0}])
    (saved,) = tmp_path.iterdir()
    assert saved.name == "engine-after-2nd-try.json"
    assert json.loads(saved.read_text())["rows"] == [{"ms": 1.0}]
    assert str(saved) in capsys.readouterr().out


def test_the_page_shows_all_runs_of_a_benchmark_oldest_first(tmp_path, capsys):
    result(label="after", rows=[{"x_ratio": 2.0}], date="2026-11-23").write(tmp_path / "a.json")
    result(label="before", rows=[{"x_ratio": 1.0}], date="2026-11-21").write(tmp_path / "b.json")
    result("peers", rows=[{"peer": "p", "not measured": "gone"}]).write(tmp_path / "c.json")
    (tmp_path / "d.json").write_text("{}")
    page = report.write(tmp_path, plot=None).read_text()
    assert page.index("### before, 2026-11-21") < page.index("### after, 2026-11-23")
    assert page.index("### after") < page.index("Peers, in turn with Rostra") < page.index("gone")
    assert "d.json" in capsys.readouterr().err


def test_plots_show_the_newest_ratios_and_are_the_same_every_time(tmp_path):
    old = result(rows=[{"streams": 1, "x_ratio": 9.0}], date="2026-11-21")
    new = result(rows=[{"streams": 1, "x_ratio": 2.0}], date="2026-11-23", label="new")
    old.write(tmp_path / "a.json")
    new.write(tmp_path / "b.json")
    result("pressure", rows=[{"failed": 0}]).write(tmp_path / "c.json")
    page = report.write(tmp_path).read_text()
    first = (tmp_path / "engine.svg").read_bytes()
    report.write(tmp_path)
    assert (tmp_path / "engine.svg").read_bytes() == first
    assert b"new, 2026-11-23" in first
    assert "![engine](engine.svg)" in page
    assert not (tmp_path / "pressure.svg").exists()
    assert report.bars(new.rows) == (["1"], {"x_ratio": [2.0]})


def test_the_command_that_makes_a_result_again():
    again = result(
        experiment="profile", model="tiny", random="tiny", streams=[1, 4], no_overlap=True, x=None
    )
    assert report.command(again) == (
        "python -m benchmarks.engine --experiment profile --random tiny --streams 1 --streams 4 "
        "--no-overlap"
    )
