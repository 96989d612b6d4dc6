"""The first page's first five minutes, as printed: only addresses and homes are this machine's."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
SECTION = (
    (ROOT / "README.md")
    .read_text(encoding="utf-8")
    .split("## The first five minutes\n")[1]
    .split("\n## ")[0]
)
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", SECTION, re.DOTALL)
SHELL = [text for language, text in BLOCKS if language == "sh"]
PYTHON = "\n".join(text for language, text in BLOCKS if language == "python")


@pytest.fixture
def here(up, tmp_path):
    """A folder like that of the repository, with the votes that one command reads."""
    (tmp_path / ".venv").symlink_to(ROOT / ".venv", target_is_directory=True)
    rows = [
        {
            "model_a": "mixtral-8x7b",
            "model_b": f"model-{number % 3}",
            "winner": ("model_a", "model_b", "tie")[number * 7 % 10 % 3],
            "language": ("English", "German")[number % 2],
            "turn": 1,
            "judge": f"voter-{number % 7}",
            "tstamp": 1.7e9 + number,
        }
        for number in range(60)
    ]
    (tmp_path / "battles.json").write_text(json.dumps(rows))
    return tmp_path


def here_and_now(text, up):
    return (
        text.replace("http://127.0.0.1:8000", up.api)
        .replace("http://127.0.0.1:8001", up.arena)
        .replace("127.0.0.1:41877", up.worker)
    )


def run(arguments, here, **options):
    environment = {**os.environ, "ROSTRA_HOME": str(here / "home"), "COLUMNS": "100"}
    done = subprocess.run(
        arguments, cwd=here, env=environment, capture_output=True, text=True, timeout=600,
        check=False, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shell(beginning):
    (found,) = (text for text in SHELL if text.startswith(beginning))
    return found


def test_every_command_is_looked_at():
    assert sorted(text.split()[0] for text in SHELL) == [
        ".venv/bin/pip", ".venv/bin/rostra", ".venv/bin/rostra", "curl", "grpcurl",
    ]  # fmt: skip


def test_curl(up, here):
    lines = run(["bash", "-euc", here_and_now(shell("curl"), up)], here).splitlines()
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert "Paris" in text
    assert lines[-2:] == ["data: [DONE]", ""] or lines[-1] == "data: [DONE]"


def test_python(up, here):
    program = here / "first_minutes.py"
    program.write_text(here_and_now(PYTHON, up))
    answer, city = run([".venv/bin/python", program.name], here).strip().rsplit("\n", 1)
    assert "Paris" in answer
    assert re.fullmatch(r"name='.*' inhabitants=-?\d+", city)


def test_grpc_by_reflection(up):
    """What grpcurl does with the printed request: the method found by reflection, JSON taken."""
    import grpc
    from google.protobuf import json_format, message_factory
    from google.protobuf.descriptor_pool import DescriptorPool
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
        ProtoReflectionDescriptorDatabase,
    )

    asked, method = re.search(r"-d '(.*?)'\s*\\?\s+\S+ (\S+)", shell("grpcurl"), re.DOTALL).groups()
    service, name = method.split("/")
    with grpc.insecure_channel(up.worker) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        found = pool.FindServiceByName(service).FindMethodByName(name)
        request = message_factory.GetMessageClass(found.input_type)
        response = message_factory.GetMessageClass(found.output_type)
        call = channel.unary_stream(f"/{method}", request.SerializeToString, response.FromString)
        answers = list(call(json_format.Parse(asked, request()), timeout=300))
    assert "".join(answer.delta.content for answer in answers)


def test_rating(here):
    rate = next(text for text in SHELL if " rate " in text)
    told = run(["bash", "-euc", rate], here)

    assert "mixtral-8x7b = 1114" in told


def test_verifying(here):
    commands = next(text for text in SHELL if " verify" in text)
    run([".venv/bin/rostra", "votes", "import", "battles.json"], here)
    assert "60" in run(["bash", "-euc", commands], here)
