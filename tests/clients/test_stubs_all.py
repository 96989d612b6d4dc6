"""`make stubs-all`: what can be made is made, and what cannot is said."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from client_programs import BUF, ROOT, run

pytestmark = pytest.mark.usefixtures("node_packages")


@pytest.fixture
def checkout(tmp_path):
    """What the command reads, in a place of its own."""
    (tmp_path / "scripts").mkdir()
    shutil.copy2(ROOT / "scripts" / "stubs-all", tmp_path / "scripts")
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    return tmp_path


@pytest.fixture
def stubs_all(checkout):
    python = Path(sys.executable).parent
    path = f"{python}{os.pathsep}{os.environ['PATH']}"

    def call(*languages, path=path, buf=str(BUF)):
        environment = {**os.environ, "PATH": path, "BUF": buf}
        command = (sys.executable, str(checkout / "scripts" / "stubs-all"), *languages)
        return run(*command, check=False, env=environment)

    return call


def test_languages_that_can_be_made(stubs_all, checkout):
    done = stubs_all("python", "cpp", "ruby")
    assert done.returncode == 0, done.stdout + done.stderr
    stubs = checkout / "stubs"
    assert "class InferenceStub" in (stubs / "python/rostra/v1/inference_pb2_grpc.py").read_text()
    assert "class Inference final" in (stubs / "cpp/rostra/v1/inference.grpc.pb.h").read_text()
    assert "rpc :Chat" in (stubs / "ruby/rostra/v1/inference_services_pb.rb").read_text()


def test_a_language_that_was_asked_for_and_lacks_a_plugin(stubs_all, checkout, tmp_path):
    # Nothing but what buf itself is started with.
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("node", "protoc"):
        (bare / name).symlink_to(shutil.which(name))
    done = stubs_all("csharp", "go", path=str(bare))
    assert done.returncode == 1
    csharp, go = done.stdout.splitlines()
    assert csharp.startswith("csharp  incomplete: no grpc_csharp_plugin; it comes from")
    assert (checkout / "stubs/csharp/Inference.cs").exists()
    assert go.startswith("go      not made: no protoc-gen-go; it comes from")
    assert "no protoc-gen-go-grpc" in go


def test_a_language_there_is_none_of(stubs_all):
    done = stubs_all("latin")
    assert done.returncode == 2
    assert "no such language: latin; there are python, go, node, java" in done.stderr


def test_no_buf(stubs_all):
    done = stubs_all("cpp", buf="no-such-buf")
    assert done.returncode == 2
    assert "no no-such-buf" in done.stderr
