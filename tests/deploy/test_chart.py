"""The Helm chart: valid by the API's schemas, and what it promises of pods and settings."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from rendered_chart import (
    BARE,
    CASES,
    CHART,
    HELM,
    KEYED,
    ROOT,
    SCALED,
    SECURE,
    Rendered,
    render,
    worker,
)

from rostra.mesh.cli.config import RostraConfig

VERSIONS = ("1.30", "1.33", "1.37")
"""Of Kubernetes: the oldest of the chart, which has `preStop.sleep`, and the newest that the
schemas are known of."""
MARGIN = 5
"""Seconds that a pod has left at the end of the worst drain."""


@pytest.fixture(scope="module", params=CASES)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return render(CASES[request.param])


def scaled() -> Rendered:
    return render(SCALED)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_by_the_schemas_of_the_api(rendered: Rendered, version: str):
    for document in rendered.documents:
        if document["kind"] == "LeaderWorkerSet":
            continue  # below
        kubernetes_validate.validate(document, version, strict=True)


def test_a_wrong_field_would_be_found():
    document = render(KEYED).one("Deployment", "rostra-gateway")
    document["spec"]["template"]["spec"]["containers"][0]["readinessProb"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readinessProb"):
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)


def test_helm_finds_nothing_to_say():
    done = subprocess.run(
        [str(HELM), "lint", "--strict", str(CHART), "--set", "gateway.allowAnonymous=true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


def test_a_group_of_hosts_is_a_leader_worker_set():
    document = scaled().one("LeaderWorkerSet", "rostra-worker-big")
    assert document["apiVersion"] == "leaderworkerset.x-k8s.io/v1"
    spec = document["spec"]
    assert set(spec) == {"replicas", "startupPolicy", "rolloutStrategy", "leaderWorkerTemplate"}
    assert spec["startupPolicy"] in ("LeaderCreated", "LeaderReady")
    group = spec["leaderWorkerTemplate"]
    assert set(group) == {"size", "restartPolicy", "leaderTemplate", "workerTemplate"}
    assert group["size"] == 2
    assert group["restartPolicy"] == "RecreateGroupOnPodRestart"
    for template in (group["leaderTemplate"], group["workerTemplate"]):
        # Its templates are those of the API, so that a StatefulSet's schema knows them.
        labels = template["metadata"]["labels"]
        spec = {"serviceName": "s", "selector": {"matchLabels": labels}, "template": template}
        around = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"}}
        for version in VERSIONS:
            kubernetes_validate.validate(around | {"spec": spec}, version, strict=True)
        arguments = template["spec"]["containers"][0]["args"]
        assert "--nnodes=2" in arguments
        assert "--nproc-per-node=8" in arguments
        assert "--node-rank=$(LWS_WORKER_INDEX)" in arguments
        assert "--master-addr=$(LWS_LEADER_ADDRESS)" in arguments
    # Only the leader's first rank has a server to be asked.
    leader, other = (
        group[name]["spec"]["containers"][0] for name in ("leaderTemplate", "workerTemplate")
    )
    assert "readinessProbe" in leader
    assert not {"readinessProbe", "livenessProbe", "startupProbe", "ports"} & set(other)
    service = scaled().one("Service", "rostra-worker-big")
    assert service["spec"]["selector"]["leaderworkerset.sigs.k8s.io/worker-index"] == "0"


def test_pods_have_no_rights_that_they_do_not_need(rendered: Rendered):
    assert rendered.pods()
    for name, template in rendered.pods():
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] >= 999
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            assert not container["image"].endswith(":latest")
            mounted = [mount["name"] for mount in container["volumeMounts"]]
            assert sorted(mounted) == sorted({*mounted})
            # "data" is what PostgreSQL's StatefulSet claims.
            known = {volume["name"] for volume in pod["volumes"]} | {"data"}
            assert set(mounted) <= known


def test_every_pod_has_time_to_drain(rendered: Rendered):
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for document in rendered.of("ConfigMap"):
        name = document["metadata"]["name"]
        grace = [template["spec"] for owner, template in rendered.pods() if owner == name]
        for text in document["data"].values():
            file = tomllib.loads(text)
            table = file.get("gateway") or (file.get("worker") or [{}])[0]
            worst = values["preStopSeconds"] + table.get("drain_grace", 30.0) + MARGIN
            assert grace
            assert all(pod["terminationGracePeriodSeconds"] >= worst for pod in grace)


def test_nothing_goes_before_its_replacement_serves(rendered: Rendered):
    for document in rendered.of("Deployment"):
        rolling = document["spec"]["strategy"]["rollingUpdate"]
        assert rolling == {"maxUnavailable": 0, "maxSurge": 1}
    owners = {document["metadata"]["name"] for document in rendered.of("Deployment")}
    budgets = {document["metadata"]["name"] for document in rendered.of("PodDisruptionBudget")}
    assert owners <= budgets


def test_probes_ask_what_they_are_for(rendered: Rendered):
    for name, template in rendered.pods():
        container = template["spec"]["containers"][0]
        tls = any(volume["name"] == "tls" for volume in template["spec"]["volumes"])
        if container["name"] == "worker" and "readinessProbe" in container and tls:
            # Kubernetes speaks no TLS to gRPC.
            paths = {"startup": "/ready", "readiness": "/ready", "liveness": "/health"}
            for probe, path in paths.items():
                asked = container[f"{probe}Probe"]["httpGet"]
                assert asked == {"path": path, "port": "metrics"}
        elif container["name"] == "worker" and "readinessProbe" in container:
            assert container["readinessProbe"]["grpc"]["service"] == "rostra.v1.Inference"
            assert container["livenessProbe"]["grpc"]["service"] == "rostra.v1.Control"
            assert container["livenessProbe"]["grpc"]["port"] == 50051
        if name == "rostra-gateway":
            assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
            assert container["livenessProbe"]["httpGet"]["path"] == "/health"
            assert container["readinessProbe"]["httpGet"]["scheme"] == ("HTTPS" if tls else "HTTP")


def test_every_selector_finds_its_pods(rendered: Rendered):
    labels = {}
    for name, template in rendered.pods():
        labels.setdefault(name, []).append(template["metadata"]["labels"])
    everything = [each for found in labels.values() for each in found]

    def found(selector: dict[str, str]) -> bool:
        own = {key: value for key, value in selector.items() if "leaderworkerset" not in key}
        return any(own.items() <= each.items() for each in everything)

    for document in rendered.documents:
        spec, kind = document.get("spec", {}), document["kind"]
        if kind == "Service":
            assert found(spec["selector"]), document["metadata"]["name"]
        if kind in ("PodDisruptionBudget", "Deployment", "StatefulSet"):
            assert found(spec["selector"]["matchLabels"])
        if kind == "NetworkPolicy":
            assert found(spec["podSelector"]["matchLabels"])


def settings_of(rendered: Rendered, name: str, tmp_path: Path, key: str = "rostra.toml") -> Any:
    path = tmp_path / "rostra.toml"
    path.write_text(rendered.one("ConfigMap", name)["data"][key])
    return RostraConfig.read(path)


def test_workers_read_what_is_written_for_them(rendered: Rendered, tmp_path: Path):
    for document in rendered.of("ConfigMap"):
        if "worker" in document["metadata"]["name"]:
            (entry,) = settings_of(rendered, document["metadata"]["name"], tmp_path).worker
            assert entry.engine_config(tmp_path)
            # Bound to the flag's address, and to nothing that the file says.
            assert "listen" not in entry.model_fields_set
    if rendered.of("LeaderWorkerSet"):
        (entry,) = settings_of(rendered, "rostra-worker-big", tmp_path).worker
        assert entry.tensor_parallel_size == 16


def test_gateways_find_workers_by_the_names_of_their_services(rendered: Rendered, tmp_path: Path):
    file = settings_of(rendered, "rostra-gateway", tmp_path)
    members = file.gateway.pop("workers")
    services = {each["metadata"]["name"]: each["spec"] for each in rendered.of("Service")}
    for member in members:
        host, _, port = member.removeprefix("dns://").partition(":")
        assert services[host]["clusterIP"] == "None"
        assert [each["port"] for each in services[host]["ports"]] == [int(port)]
    workers = [each for each in rendered.of("ConfigMap") if "worker" in each["metadata"]["name"]]
    assert len(members) == len(workers)
    assert file.gateway_settings(workers=["127.0.0.1:1"]).host == "0.0.0.0"


def test_keys_are_mounted_where_the_gateway_reads_them(tmp_path: Path):
    rendered = render(KEYED)
    pod = dict(rendered.pods())["rostra-gateway"]["spec"]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "keys"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "keys"]
    assert volume["secret"]["secretName"] == "keys"
    table = settings_of(rendered, "rostra-gateway", tmp_path).gateway
    assert table["api_keys"] == f"{mount['mountPath']}/keys.toml"


def mounted(pod: Any, path: str) -> Any:
    """The volume that a file lies in."""
    (mount,) = [
        each
        for each in pod["containers"][0]["volumeMounts"]
        if Path(each["mountPath"]) == Path(path).parent
    ]
    (volume,) = [each for each in pod["volumes"] if each["name"] == mount["name"]]
    return volume["secret"]


def test_certificates_are_mounted_where_they_are_read(tmp_path: Path):
    rendered = render(SECURE)
    pods = rendered.pods()
    gateway, arena = (dict(pods)[f"rostra-{name}"]["spec"] for name in ("gateway", "arena"))
    table = settings_of(rendered, "rostra-gateway", tmp_path).gateway
    for setting in ("tls_cert", "tls_key"):
        assert mounted(gateway, table[setting])["secretName"] == "gateway-tls"
    called = table["worker_tls"]
    assert called["server_name"] == "workers.mesh"
    assert {mounted(gateway, called[name])["secretName"] for name in ("ca", "cert", "key")} == {
        "gateway-at-workers"
    }
    assert "--gateway=https://rostra-gateway:80" in arena["containers"][0]["args"]
    settings = settings_of(rendered, "rostra-arena", tmp_path, "rostra-0.toml").arena
    trusted = mounted(arena, settings["gateway_ca"])
    assert trusted["secretName"] == "gateway-tls"
    assert [item["key"] for item in trusted["items"]] == ["ca.crt"], "never the key"
    names = [name for name, _ in pods if "worker" in name]
    assert sorted(names) == ["rostra-worker-big", "rostra-worker-big", "rostra-worker-demo"]
    for name, template in pods:
        if name in names:
            pod = template["spec"]
            (entry,) = settings_of(rendered, name, tmp_path).worker
            for path in (entry.tls_cert, entry.tls_key, entry.tls_client_ca):
                assert mounted(pod, str(path))["secretName"] == "worker-tls"
            assert "--insecure-public" not in pod["containers"][0]["args"]


def test_prometheus_finds_what_it_may_reach(rendered: Rendered, tmp_path: Path):
    for name, template in rendered.pods():
        container = template["spec"]["containers"][0]
        found = template["metadata"].get("annotations", {})
        if container["name"] not in ("worker", "gateway") or "ports" not in container:
            assert "prometheus.io/scrape" not in found
            continue
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        port = ports["metrics" if container["name"] == "worker" else "http"]
        assert found["prometheus.io/port"] == str(port)
        if container["name"] == "worker":
            (entry,) = settings_of(rendered, name, tmp_path).worker
            assert entry.metrics == f"0.0.0.0:{port}"
    for policy in rendered.of("NetworkPolicy"):
        opened = [
            [each["port"] for each in rule.get("ports", [])] for rule in policy["spec"]["ingress"]
        ]
        assert (["metrics"] in opened) == ("worker" in policy["metadata"]["name"])


def test_who_may_call_is_no_wider_for_metrics():
    monitoring = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    rendered = render(SECURE)
    (rule,) = rendered.one("NetworkPolicy", "rostra-gateway")["spec"]["ingress"]
    selectors = [each.get("namespaceSelector") for each in rule["from"]]
    assert monitoring in selectors
    assert {} not in selectors
    rule = rendered.one("NetworkPolicy", "rostra-worker-demo")["spec"]["ingress"][1]
    assert rule == {"from": [{"namespaceSelector": monitoring}], "ports": [{"port": "metrics"}]}
    (rule,) = render(SCALED).one("NetworkPolicy", "rostra-gateway")["spec"]["ingress"]
    assert {"namespaceSelector": {}} not in rule["from"]


def test_one_arena_rates_and_the_others_show(tmp_path: Path):
    rendered = scaled()
    intervals = []
    for index in range(2):
        file = settings_of(rendered, "rostra-arena", tmp_path, f"rostra-{index}.toml")
        settings = file.arena_settings(votes_url="sqlite://", ratings_dir=tmp_path)
        intervals.append(settings.refresh.interval)
        assert settings.behind_proxy
        assert settings.allowed_origins == ("arena.example.org",)
    assert intervals[0] > 0
    assert intervals[1] == 0
    assert (
        "--config=/etc/rostra/rostra-$(POD_INDEX).toml"
        in (dict(rendered.pods())["rostra-arena"]["spec"]["containers"][0]["args"])
    )


def test_no_secret_is_in_a_config_map(rendered: Rendered):
    for document in rendered.of("ConfigMap"):
        for text in document["data"].values():
            assert "password" not in text
            assert "api_key =" not in text


LISTENS = worker(config={"model": "m", "listen": "x"})


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "gateway.keysSecret: name a Secret with keys.toml"),
        (KEYED | {"workerTls": {"secret": "s"}}, "secret, gatewaySecret and serverName go"),
        (KEYED | {"postgresql": {"enabled": False}}, "postgresql.externalUrl: give the URL"),
        (BARE | {"workers": [LISTENS]}, "config.listen is for"),
        (
            {"gateway": {"keysSecret": "k", "config": {"port": 1}}},
            "config.port is set by",
        ),
    ],
)
def test_values_that_cannot_be_are_refused_with_the_reason(values: Any, says: str):
    with pytest.raises(AssertionError, match=says):
        render(values)


def test_the_plain_manifests_are_what_the_chart_renders():
    done = subprocess.run(
        [str(ROOT / "scripts" / "kubernetes-manifests")],
        capture_output=True,
        text=True,
        check=True,
        env={"BIN": str(HELM.parent), "PATH": "/usr/bin:/bin"},
    )
    committed = ROOT / "deploy" / "kubernetes" / "manifests" / "rostra.yaml"
    assert committed.read_text() == done.stdout, "run `make manifests` and commit what it writes"
    # Secrets are made by hand, and every one that is needed is named in the manual.
    documents = [each for each in yaml.safe_load_all(done.stdout) if each]
    assert not [each for each in documents if each["kind"] == "Secret"]


def test_an_image_may_be_pinned_by_its_digest() -> None:
    digest = "sha256:" + "0" * 64
    values = {**KEYED, "images": {"gateway": {"digest": digest}}}
    deployment = render(values).one("Deployment", "rostra-gateway")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"].endswith(f":0.1.0@{digest}")
