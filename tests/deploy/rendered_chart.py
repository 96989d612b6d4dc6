"""What Helm makes of the chart."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "kubernetes" / "rostra"
HELM = Path(sys.executable).with_name("helm")
"""As scripts/ensure-helm leaves it."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    documents: list[Document]

    def of(self, kind: str) -> list[Document]:
        return [document for document in self.documents if document["kind"] == kind]

    def one(self, kind: str, name: str) -> Document:
        (found,) = [each for each in self.of(kind) if each["metadata"]["name"] == name]
        return found

    def pods(self) -> list[tuple[str, Document]]:
        """Names and templates of everything that runs pods."""
        found = []
        for document in self.documents:
            name, spec = document["metadata"]["name"], document.get("spec", {})
            if document["kind"] in ("Deployment", "StatefulSet"):
                found.append((name, spec["template"]))
            if document["kind"] == "LeaderWorkerSet":
                template = spec["leaderWorkerTemplate"]
                found += [(name, template["leaderTemplate"]), (name, template["workerTemplate"])]
        return found


def render(values: Document) -> Rendered:
    """Raises AssertionError with what Helm says."""
    command = [str(HELM), "template", "rostra", str(CHART), "--namespace=rostra", "--values=-"]
    done = subprocess.run(
        command, input=yaml.safe_dump(values), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Rendered([each for each in yaml.safe_load_all(done.stdout) if each])


KEYED: Document = {"gateway": {"keysSecret": "keys"}}


def worker(**changes: Any) -> Document:
    """A whole entry of `workers`: Helm replaces lists, it does not merge them."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())["workers"][0]
    return {**defaults, **changes}


SCALED: Document = {
    "gateway": {
        "allowAnonymous": True,
        "autoscaling": {"enabled": True},
        "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls"},
    },
    "workers": [
        worker(autoscaling={"enabled": True, "min": 1, "max": 5, "waiting": 8}),
        worker(
            name="big",
            config={"model": "org/big", "name": "big", "device": "cuda", "drain_grace": 90.5},
            image={"repository": "rostra-worker", "tag": "cuda"},
            hosts=2,
            ranksPerHost=8,
            resources={"limits": {"nvidia.com/gpu": 8, "memory": "200Gi"}},
            cache={"claim": "models"},
            nodeSelector={"gpu": "h100"},
            tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists"}],
            env=[{"name": "NCCL_SOCKET_IFNAME", "value": "eth0"}],
            autoscaling={"enabled": True, "min": 1, "max": 3, "waiting": 8},
        ),
    ],
    "arena": {"replicas": 2, "ingress": {"enabled": True}},
    "postgresql": {"enabled": False, "externalUrl": "postgresql+psycopg://votes@db.example/votes"},
    "networkPolicy": {"callers": [{"kubernetes.io/metadata.name": "ingress-nginx"}]},
    "images": {"pullSecrets": ["registry"]},
}
BARE: Document = {
    "gateway": {"allowAnonymous": True},
    "arena": {"enabled": False},
    "postgresql": {"enabled": False},
    "networkPolicy": {"enabled": False},
}
SECURE: Document = {
    "gateway": {"keysSecret": "keys", "tls": {"secret": "gateway-tls"}},
    "workers": [worker(), worker(name="big", hosts=2, ranksPerHost=8)],
    "workerTls": {
        "secret": "worker-tls",
        "gatewaySecret": "gateway-at-workers",
        "serverName": "workers.mesh",
    },
    "metrics": {"workerPort": 9500, "scrapers": [{"kubernetes.io/metadata.name": "monitoring"}]},
    "networkPolicy": {"callers": [{"kubernetes.io/metadata.name": "ingress-nginx"}]},
}
CASES = {"keyed": KEYED, "scaled": SCALED, "bare": BARE, "secure": SECURE}
