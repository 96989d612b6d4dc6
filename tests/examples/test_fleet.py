"""The fleet: its files start two gateways and a worker; its values make valid objects."""

from __future__ import annotations

import os
import re
import shlex
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import kubernetes_validate
import openai
import pytest
import yaml
from certificates import Authority
from rendered_chart import CHART, render

from rostra.mesh.cli.config import RostraConfig

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "fleet"
MODEL = "smollm2-135m-instruct"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rostra(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "rostra.mesh.cli.main", *arguments]


@contextmanager
def process(*arguments: str, ready: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        rostra(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
    ) as child:
        try:
            assert child.stdout is not None
            printed = []
            for line in child.stdout:
                printed.append(line)
                if ready in line:
                    break
            else:
                pytest.fail(f"{arguments[0]} ended:\n{''.join(printed)}")
            yield child
        finally:
            child.terminate()
            try:
                child.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                child.kill()


def made(folder: Path) -> dict[str, str]:
    """What the page's own commands make in `folder`: files, and keys by name."""
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    block = next(text for text in re.findall(r"```sh\n(.*?)```", page, re.S) if "token new" in text)
    keys = {}
    for line in block.splitlines():
        command, _, target = line.partition(" > ")
        done = subprocess.run(
            rostra(*shlex.split(command)[1:]),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        if target:
            (folder / target).write_text(done.stdout)
        elif found := re.search(r"rk-\S+", done.stdout):
            keys[shlex.split(command)[3]] = found[0]
    return keys


def members(url: str, key: str, context: ssl.SSLContext) -> list[dict[str, object]]:
    answer = httpx.get(
        f"{url}/mesh/members", headers={"authorization": f"Bearer {key}"}, verify=context
    )
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, object]] = answer.json()["members"]
    return listed


@pytest.mark.e2e
def test_two_gateways_and_a_worker_that_joins_both(tiny_worker: str, tmp_path: Path) -> None:
    keys = made(tmp_path)
    authority = Authority(tmp_path, "ca")
    for name in ("gateway", "worker"):
        authority.issue(name)
    context = ssl.create_default_context(cafile=authority.path)
    registries, urls = [free_port(), free_port()], []

    def placed(text: str) -> str:
        return text.replace("/etc/rostra", str(tmp_path)).replace("0.0.0.0", "127.0.0.1")

    with ExitStack() as stack:
        for registry in registries:
            text = placed((FOLDER / "systemd" / "gateway.toml").read_text(encoding="utf-8"))
            port = free_port()
            text = text.replace("port = 8000", f"port = {port}")
            text = text.replace(":50050", f":{registry}").replace("delay = 5.0", "delay = 0.0")
            path = tmp_path / f"gateway-{registry}.toml"
            path.write_text(text, encoding="utf-8")
            stack.enter_context(process("gateway", "--config", str(path), ready="gateway ready on"))
            urls.append(f"https://127.0.0.1:{port}")
        text = placed((FOLDER / "systemd" / "worker-chat.toml").read_text(encoding="utf-8"))
        for number, registry in enumerate(registries, start=1):
            text = text.replace(f"gateway-{number}.example.org:50050", f"127.0.0.1:{registry}")
        text = text.replace(f'model = "{MODEL}"', tiny_worker).replace(":9400", ":0")
        path = tmp_path / "worker-chat.toml"
        path.write_text(text.replace("127.0.0.1:50051", "127.0.0.1:0"), encoding="utf-8")
        worker = stack.enter_context(
            process("worker", "--config", str(path), ready="worker ready on")
        )
        for url in urls:
            wait_until(lambda url=url: any(
                member["state"] == "serving" for member in members(url, keys["operator"], context)
            ))  # fmt: skip
            with openai.OpenAI(
                base_url=f"{url}/v1", api_key=keys["app"], http_client=httpx.Client(verify=context)
            ) as client:
                answer = client.chat.completions.create(
                    model="chat", messages=[{"role": "user", "content": "the fox"}], max_tokens=4
                )
                assert answer.usage is not None
                assert answer.usage.completion_tokens == 4
                with pytest.raises(openai.AuthenticationError):
                    client.with_options(api_key="rk-wrong").models.list()
        worker.terminate()
        assert worker.wait(60) == 0


def wait_until(holds: object, patience: float = 60) -> None:
    end = time.monotonic() + patience
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.1)


def test_the_units_read_these_files() -> None:
    units = ROOT / "deploy" / "systemd"
    gateway = (units / "rostra-gateway.service").read_text()
    assert "--config=/etc/rostra/gateway.toml" in gateway
    worker = (units / "rostra-worker@.service").read_text()
    assert "--config=/etc/rostra/worker-%i.toml" in worker
    entry = RostraConfig.read(FOLDER / "systemd" / "worker-chat.toml").worker[0]
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", worker, re.MULTILINE)
    assert entry.drain_grace < int(stop)


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_helm_renders_valid_objects(version: str) -> None:
    values = yaml.safe_load((FOLDER / "kubernetes" / "values.yaml").read_text(encoding="utf-8"))
    rendered = render(values)
    for document in rendered.documents:
        kubernetes_validate.validate(document, version, strict=True)
    for entry in values["workers"]:
        text = rendered.one("ConfigMap", f"rostra-worker-{entry['name']}")["data"]
        (config,) = text.values()
        assert entry["config"]["model"] in config
    scalers = [each["metadata"]["name"] for each in rendered.of("HorizontalPodAutoscaler")]
    assert scalers == ["rostra-worker-small"]
    assert rendered.of("StatefulSet")[0]["metadata"]["name"] == "rostra-arena"


def test_the_settings_of_the_chart_are_read(tmp_path: Path) -> None:
    values = yaml.safe_load((FOLDER / "kubernetes" / "values.yaml").read_text(encoding="utf-8"))
    for document in render(values).of("ConfigMap"):
        for text in document["data"].values():
            path = tmp_path / "rostra.toml"
            path.write_text(text, encoding="utf-8")
            file = RostraConfig.read(path)
            if file.gateway:
                assert "assistant" in file.gateway_settings().models


def test_values_have_every_key_of_a_worker() -> None:
    values = yaml.safe_load((FOLDER / "kubernetes" / "values.yaml").read_text(encoding="utf-8"))
    (known,) = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["workers"]
    for entry in values["workers"]:
        assert set(known) - {"image"} <= set(entry)
