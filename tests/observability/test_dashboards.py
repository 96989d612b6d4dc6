"""The dashboard and the alerts ask for what the processes really export."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from mesh_processes import Mesh
from promql_names import Used, used

ROOT = Path(__file__).parents[2]

DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "rostra.json").read_text())
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
SCRAPES = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
TARGET_LABELS = {"job", "instance"}
"""That Prometheus adds to all it scrapes."""


def expressions() -> dict[str, str]:
    """Of panels and alerts, by where they stand, with Grafana's variables filled in."""
    found = {}
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"].replace("$__rate_interval", "5m")
            found[f"panel {panel['title']} {target['refId']} {panel['id']}"] = text
    for group in RULES["groups"]:
        for rule in group["rules"]:
            found[f"alert {rule['alert']}"] = rule["expr"]
    return found


@pytest.fixture(scope="session")
def exported(watched: Mesh, documented: dict[str, Any]) -> dict[str, set[str]]:
    """Labels by the name of the series. Of families that have no series yet the labels are those
    of the documented table, which another test compares."""
    watched.chat("hello")
    watched.chat("word " * 5000)
    found: dict[str, set[str]] = {"up": set()}
    for name, family in watched.scrape().items():
        labels = {label for sample in family.samples for label in sample.labels}
        if not family.samples:
            labels = set(documented[name].labels)
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        for ending in endings.get(family.type, [""]):
            found[name + ending] = labels
    for name, entry in documented.items():
        if name.startswith("rostra_arena_"):
            found[name + ("_total" if entry.kind == "counter" else "")] = set(entry.labels)
    return found


@pytest.mark.parametrize("where", sorted(expressions()))
def test_every_name_is_exported(where: str, exported: dict[str, set[str]]) -> None:
    names = used(expressions()[where])
    assert names
    for each in names:
        assert each.metric in exported, f"{each.metric} is not exported"
        missing = each.labels - exported[each.metric] - TARGET_LABELS
        assert not missing, f"{each.metric} has no label {missing}"


def test_the_check_itself_finds_what_is_wrong(exported: dict[str, set[str]]) -> None:
    (one,) = used('sum by (le, wrong) (rate(rostra_worker_made_up{other="x"}[5m]))')
    assert one == Used("rostra_worker_made_up", frozenset({"le", "wrong", "other"}))
    assert one.metric not in exported
    left, right = used("a{x='1'} unless on (instance) (time() - max by (c) (b) < 7200)")
    assert left == Used("a", frozenset({"x", "instance"}))
    assert right == Used("b", frozenset({"c", "instance"}))
    for wrong in ("sum(", "rate(x)", "x{a=}", "sum by le (x)"):
        with pytest.raises(ValueError, match=r"."):
            used(wrong)


def test_variables_ask_for_what_is_exported(exported: dict[str, set[str]]) -> None:
    asked = {
        variable["name"]: re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
        for variable in DASHBOARD["templating"]["list"]
        if variable["type"] == "query"
    }
    assert asked.keys() == {"model"}
    for match in asked.values():
        assert match is not None
        assert match[2] in exported[match[1]]
    defined = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    text = json.dumps(DASHBOARD["panels"])
    named = set(re.findall(r"\$\{?(\w+)\}?", text)) - {"__rate_interval", "__all"}
    assert named <= defined


def test_panels_have_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert all(0 <= x < 24 for x, _ in cells)


def test_legends_and_summaries_name_labels_that_are_there(exported: dict[str, set[str]]) -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            names = used(target["expr"].replace("$__rate_interval", "5m"))
            have = set.union(*(exported[each.metric] for each in names)) | TARGET_LABELS
            assert named <= have, panel["title"]
    for group in RULES["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("info", "warning", "critical")
            summary = rule["annotations"]["summary"]
            assert summary
            for label in re.findall(r"\$labels\.(\w+)", summary):
                have = set.union(*(exported[each.metric] for each in used(rule["expr"])))
                assert label in have | TARGET_LABELS, rule["alert"]


def test_prometheus_scrapes_what_the_rules_are_about() -> None:
    jobs = {job["job_name"] for job in SCRAPES["scrape_configs"]}
    assert jobs == {"rostra-gateway", "rostra-worker", "rostra-arena"}
    (file,) = SCRAPES["rule_files"]
    assert (DEPLOY / "prometheus" / file).is_file()
    for text in expressions().values():
        for pattern in re.findall(r'job=~"([^"]+)"', text):
            assert all(re.fullmatch(pattern, job) for job in jobs)


def test_what_is_provisioned_is_there() -> None:
    for path in sorted((DEPLOY / "grafana" / "provisioning").rglob("*.yml")):
        assert yaml.safe_load(path.read_text())["apiVersion"] == 1
    assert Path(DEPLOY / "grafana" / "rostra.json").is_file()
