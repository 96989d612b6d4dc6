"""A change that would break a client fails `make lint`; an addition does not."""

from __future__ import annotations

import re
import shutil

import pytest
from client_programs import BUF, ROOT, run
from google.protobuf import descriptor_pb2

IMAGE = "wire.binpb"

pytestmark = pytest.mark.usefixtures("node_packages")


@pytest.fixture
def protos(tmp_path):
    return shutil.copytree(ROOT / "protos", tmp_path / "protos")


def breaking(protos):
    return run(str(BUF), "breaking", "--against", IMAGE, cwd=protos, check=False)


def change(protos, file, pattern, replacement):
    path = protos / "rostra" / "v1" / file
    text, count = re.subn(pattern, replacement, path.read_text())
    assert count == 1, f"{file} has {pattern!r} {count} times"
    path.write_text(text)


def test_lint_runs_it():
    assert f"$(BUF) breaking --against {IMAGE}" in (ROOT / "Makefile").read_text()


def test_the_protos_as_they_are(protos):
    done = breaking(protos)
    assert done.returncode == 0, done.stdout


def test_the_image_knows_all_there_is(protos, tmp_path):
    fresh = tmp_path / IMAGE
    options = ("--as-file-descriptor-set", "--exclude-source-info", "-o", str(fresh))
    run(str(BUF), "build", *options, cwd=protos)
    today, recorded = (
        descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
        for path in (fresh, protos / IMAGE)
    )
    assert recorded == today, "the protos have something new: run make wire"


def test_an_addition(protos):
    change(
        protos,
        "tokens.proto",
        r"message Usage \{",
        "message Usage {\n  optional string addition = 999;",
    )
    done = breaking(protos)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "told"),
    [
        pytest.param(
            *("sampling.proto", r"optional float temperature = 1;"),
            *("optional float heat = 1;", 'name from "temperature" to "heat"'),
            id="a field renamed",
        ),
        pytest.param(
            *("sampling.proto", r"optional uint32 top_k = 3;"),
            *("optional uint32 top_k = 999;", 'Previously present field "3"'),
            id="a field renumbered",
        ),
        pytest.param(
            *("sampling.proto", r"optional uint64 seed = 9;"),
            *("optional string seed = 9;", "changed type"),
            id="a field of another type",
        ),
        pytest.param(
            *("tokens.proto", r"  uint32 reasoning_tokens = 4;\n"),
            *("", 'Previously present field "4"'),
            id="a field removed",
        ),
        pytest.param(
            *("tokens.proto", r"FINISH_REASON_ABORT = 4;"),
            *("FINISH_REASON_ABORT = 999;", 'Previously present enum value "4"'),
            id="an enum value renumbered",
        ),
        pytest.param(
            *("inference.proto", r"rpc Chat\(ChatRequest\) returns \(stream ChatResponse\)"),
            *("rpc Chat(ChatRequest) returns (ChatResponse)", "streaming"),
            id="a stream no more",
        ),
        pytest.param(
            *("control.proto", r"  rpc GetLoad\(GetLoadRequest\) returns \(GetLoadResponse\);\n"),
            *("", 'Previously present RPC "GetLoad"'),
            id="a method removed",
        ),
        pytest.param(
            *("chat.proto", r"option java_package = \"dev.rostra.v1\";"),
            *('option java_package = "dev.other.v1";', "java_package"),
            id="another Java package",
        ),
    ],
)
def test_a_break(protos, file, pattern, replacement, told):
    change(protos, file, pattern, replacement)
    done = breaking(protos)
    assert done.returncode == 100
    assert told in done.stdout
