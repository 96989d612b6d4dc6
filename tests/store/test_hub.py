"""Downloads from a hub: a small server that answers as the Hugging Face hub does."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub.constants
import pytest

from rostra.mesh.errors import RostraError
from rostra.mesh.store import DEMO_MODEL, ModelStore, SilentProgress, resolve, sources
from rostra.mesh.store.hub import HubUnreachable, download, is_needed

COMMIT = "5" * 40


class Hub:
    """Serves `files` as one repository, and notes what was asked for."""

    def __init__(self, files):
        self.files = files
        self.served = []
        self.status = 200
        self.error_code = None
        self.cut = {}
        """Bytes after which the connection is dropped, by name; once each."""
        self.wrong = set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_HEAD(self):
                hub.answer(self, body=False)

            def do_GET(self):
                hub.answer(self, body=True)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, request, *, body):
        if self.status != 200:
            request.send_response(self.status)
            if self.error_code:
                request.send_header("X-Error-Code", self.error_code)
            request.send_header("Content-Length", "0")
            request.end_headers()
        elif request.path.startswith("/api/models/"):
            self._send(request, json.dumps(self._info(request.path)).encode(), body=body)
        else:
            self._file(request, request.path.rpartition("/")[2], body=body)

    def _info(self, path):
        siblings = []
        for name, data in self.files.items():
            entry = {"rfilename": name, "size": len(data), "blobId": "b"}
            if name.endswith(".safetensors"):
                digest = "0" * 64 if name in self.wrong else hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 100}
            siblings.append(entry)
        return {"id": path.removeprefix("/api/models/"), "sha": COMMIT, "siblings": siblings}

    def _file(self, request, name, *, body):
        data = self.files[name]
        start = 0
        if wanted := request.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
        if body:
            self.served.append((name, start))
        headers = {
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
            "Accept-Ranges": "bytes",
        }
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(
            request,
            data[start:],
            body=body,
            status=206 if start else 200,
            headers=headers,
            cut=self.cut.pop(name, None) if body else None,
        )

    def _send(self, request, data, *, body, status=200, headers=None, cut=None):
        request.send_response(status)
        for key, value in (headers or {}).items():
            request.send_header(key, value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if body:
            request.wfile.write(data[:cut])
        if cut is not None:
            request.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def hub(tiny_gguf, home, monkeypatch):
    folder = resolve(str(tiny_gguf), home).path
    files = {
        file.name: file.read_bytes() for file in folder.iterdir() if file.name != "rostra.json"
    }
    hub = Hub(
        files | {"README.md": b"no", "pytorch_model.bin": b"no", "consolidated.safetensors": b""}
    )
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", "")
    yield hub
    hub.close()


class Counting(SilentProgress):
    def __init__(self):
        self.total = 0
        self.done = 0

    def task(self, description, total):
        self.total += total
        return super().task(description, total)

    def advance(self, count):
        self.done += count


def test_only_what_is_needed_is_fetched(hub, home, tiny_gguf):
    progress = Counting()
    models = ModelStore(home)
    folder = models.resolve("org/tiny", progress)
    assert folder.source == f"hub org/tiny@{COMMIT[:12]}"
    assert folder.revision == models.resolve(str(tiny_gguf)).revision
    assert {name for name, _ in hub.served} == {
        *("config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json"),
    }
    assert sorted(file.name for file in folder.path.iterdir()) == sorted(
        {name for name, _ in hub.served} | {"rostra.json"}
    )
    assert progress.done == progress.total
    hub.status = 500
    assert models.resolve("org/tiny") == folder


def test_a_download_goes_on_where_it_stopped(hub, home, monkeypatch):
    # What is written at once; a broken chunk is lost.
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    hub.cut["model.safetensors"] = 5000
    folder = resolve("org/tiny", home)
    assert (folder.path / "model.safetensors").read_bytes() == hub.files["model.safetensors"]
    starts = [start for name, start in hub.served if name == "model.safetensors"]
    assert starts[0] == 0
    assert starts[-1] > 0


def test_damaged_weights_are_refused_and_dropped(hub, home):
    hub.wrong.add("model.safetensors")
    with pytest.raises(RostraError, match=r"model\.safetensors of org/tiny arrived damaged"):
        resolve("org/tiny", home)
    hub.wrong.clear()
    hub.served.clear()
    assert resolve("org/tiny", home).path.is_dir()
    assert hub.served == [("model.safetensors", 0)]


def test_a_repository_without_safetensors_is_refused(hub, home):
    del hub.files["model.safetensors"], hub.files["consolidated.safetensors"]
    with pytest.raises(RostraError, match="has no safetensors files"):
        resolve("org/tiny", home)


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        (404, "RepoNotFound", RostraError, "The hub has no model 'org/tiny'"),
        (403, "GatedRepo", RostraError, "is gated: accept its terms"),
        (503, None, HubUnreachable, "The hub refuses org/tiny"),
    ],
)
def test_what_the_hub_refuses_is_one_clear_line(hub, home, status, code, kind, reason):
    hub.status, hub.error_code = status, code
    with pytest.raises(kind, match=reason) as caught:
        resolve("org/tiny", home)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


def test_no_hub_is_one_clear_line(home, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubUnreachable, match="The hub cannot be reached for org/tiny") as caught:
        resolve("org/tiny", home)
    assert "\n" not in str(caught.value)
    assert not (home.models / ".partial" / "org--tiny").exists()


def test_a_hub_that_never_answers_is_given_up(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(HubUnreachable, match="cannot be reached"):
            download("org/tiny", tmp_path / "model", SilentProgress(), timeout=0.2)


def test_the_demo_model_comes_from_the_hub_when_there_is_one(hub, home):
    folder = ModelStore(home).resolve(DEMO_MODEL)
    assert folder.source == f"hub {sources.BUILT_IN[DEMO_MODEL].repository}@{COMMIT[:12]}"
    assert folder.name == DEMO_MODEL


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("model-00001-of-00002.safetensors", True),
        ("model.safetensors.index.json", True),
        ("tokenizer.model", True),
        ("chat_template.jinja", True),
        ("additional_chat_templates/tool_use.jinja", True),
        ("consolidated.safetensors", False),
        ("1_Pooling/config.json", True),
        ("onnx/model.safetensors", False),
        ("onnx/config.json", False),
        ("original/params.json", False),
        ("pytorch_model.bin", False),
        ("pytorch_model.bin.index.json", False),
        ("model.Q4_K_M.gguf", False),
        ("modeling_custom.py", False),
    ],
)
def test_files_that_are_needed(name, needed):
    assert is_needed(name) is needed
