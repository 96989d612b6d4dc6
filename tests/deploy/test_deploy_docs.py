"""The pages on scaling and deploying say what is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from rendered_chart import CHART, KEYED, ROOT, render, worker

from rostra.mesh.cli.config import RostraConfig
from rostra.mesh.launch.settings import ReplicaSettings

PAGES = [ROOT / "docs" / name for name in ("scaling.md", "kubernetes.md", "deploying.md")]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_configuration_of_the_page_on_scaling_is_taken(tmp_path: Path):
    (text,) = blocks(PAGES[0], "toml")
    path = tmp_path / "rostra.toml"
    path.write_text(text)
    file = RostraConfig.read(path)
    assert file.launcher.kind == "ray"
    assert file.worker[0].replicas is not None
    assert tomllib.loads(text)


def test_the_page_on_scaling_has_every_setting_and_its_default():
    text = PAGES[0].read_text()
    for name, value in ReplicaSettings().model_dump().items():
        assert f"`{name}`" in text
        if isinstance(value, float) and name != "cpus":
            assert f"{name} = {value}" in text


def test_the_worker_of_several_hosts_is_one_that_the_chart_takes():
    (text,) = blocks(PAGES[1], "yaml")
    rendered = render(KEYED | yaml.safe_load(text))
    assert rendered.one("LeaderWorkerSet", "rostra-worker-large")


def test_secrets_of_the_plain_manifests_are_made_on_the_page():
    text = PAGES[1].read_text()
    made = set(re.findall(r"create secret generic (\S+)", text))
    manifests = (CHART.parent / "manifests" / "rostra.yaml").read_text()
    documents = [each for each in yaml.safe_load_all(manifests) if each]
    used = set(re.findall(r"'(?:secretName|name)': '(rostra-[a-z-]+)', 'key'", str(documents)))
    used |= set(re.findall(r"'secretName': '([a-z-]+)'", str(documents)))
    asked = re.findall(r"'secretKeyRef': \{([^}]*)\}", str(documents))
    used |= {name for each in asked for name in re.findall(r"'name': '([a-z-]+)'", each)}
    assert used == made


def test_the_autoscalers_ask_for_the_metric_that_the_adapter_makes():
    rules = yaml.safe_load((CHART.parent / "prometheus-adapter.yaml").read_text())["rules"]
    names = {rule["name"]["as"] for rule in rules["external"]}
    entry = worker(autoscaling={"enabled": True, "min": 1, "max": 2, "waiting": 4})
    scaler = render(KEYED | {"workers": [entry]}).one(
        "HorizontalPodAutoscaler", "rostra-worker-demo"
    )
    (metric,) = scaler["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] in names
