"""The manual of metrics, traces and logs is about what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml
from mesh_processes import Mesh

from rostra.mesh.cli.config import RostraConfig
from rostra.mesh.cli.tracing import TracingSettings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "observability.md").read_text()


def test_the_tables_have_every_metric_and_no_other(
    watched: Mesh, documented: dict[str, Any]
) -> None:
    watched.chat("hello")
    families = {
        name: family
        for name, family in watched.scrape().items()
        if name.startswith("rostra_") and not name.endswith("_created")
    }
    of_processes = {name for name in documented if not name.startswith("rostra_arena_")}
    assert families.keys() == of_processes
    for name, family in families.items():
        assert documented[name].kind == family.type, name
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == set(documented[name].labels), name


def test_those_of_an_arena(documented: dict[str, Any]) -> None:
    source = (ROOT / "arena" / "metrics.py").read_text()
    whole = set(re.findall(r'"(rostra_arena_[a-z_]+)"', source))
    parts = {f"rostra_arena_{name}" for name in re.findall(r'_by_campaign\(\s*"(\w+)"', source)}
    assert {name for name in documented if name.startswith("rostra_arena_")} == whole | parts


def test_the_settings_are_all_of_them_and_can_be_read(tmp_path: Path) -> None:
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)):
        tomllib.loads(block)
        path = tmp_path / f"{number}.toml"
        path.write_text(block)
        config = RostraConfig.read(path)
    assert config.tracing.sample_ratio == 0.1
    traces = TEXT[TEXT.index("## Traces") : TEXT.index("## Logs")]
    named = re.findall(r"^\| `(\w+)` \|", traces, re.MULTILINE)
    assert named == list(TracingSettings.model_fields)


def test_every_alert_is_told() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    assert re.findall(r"^\| `(Rostra\w+)` \|", TEXT, re.MULTILINE) == alerts


def test_what_it_names_is_there() -> None:
    for path in re.findall(r"`(deploy/[\w./]+)`", TEXT):
        assert (ROOT / path).exists(), path
