"""`rostra.toml`: what it says, and what it may not say."""

from __future__ import annotations

import re

import pytest

from rostra.mesh.cli.config import RostraConfig, WorkerEntry, checked, default_text
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.errors import RostraError

WORKERS = ["127.0.0.1:50051"]


def written(tmp_path, text):
    path = tmp_path / "rostra.toml"
    path.write_text(text)
    return path


def test_the_default_is_the_documented_demo():
    config = RostraConfig.read(None)
    assert [entry.served_name for entry in config.worker] == ["smollm2-135m-instruct"]
    arena = config.arena_settings(votes_url="sqlite://", ratings_dir="ratings")
    assert len(arena.contestants) == 3
    assert {contestant.model for contestant in arena.contestants} == {"smollm2-135m-instruct"}
    assert arena.port == 8001
    assert config.gateway_settings(workers=WORKERS).port == 8000


def test_every_setting_that_the_default_shows_commented_out_exists(tmp_path):
    text = "\n".join(
        line.removeprefix("# ") if re.match(r"# (\[|[a-z_]+ = )", line) else line
        for line in default_text().splitlines()
    )
    config = RostraConfig.read(written(tmp_path, text))
    assert config.worker[0].engine_config(tmp_path).max_num_seqs == 64
    settings = config.gateway_settings()
    assert settings.workers
    assert [member.name for member in settings.members] == ["other"]


def test_the_default_shows_every_setting_of_a_worker():
    # The number of blocks is the other way to say how much memory the cache may take.
    for name in set(WorkerEntry.model_fields) - {"num_blocks"}:
        assert re.search(rf"^(# )?{name} = ", default_text(), re.MULTILINE), name


def test_settings_of_the_engine_reach_it(tmp_path):
    settings = {
        "quantization": "int8",
        "kv_cache_dtype": "fp8",
        "speculation": "ngram",
        "num_draft_tokens": 7,
        "graphs": False,
        "overlap": False,
    }
    entry = WorkerEntry(model="a", stall_timeout=5, **settings)
    config = entry.engine_config(tmp_path)
    assert {name: getattr(config, name) for name in settings} == settings
    unset = WorkerEntry(model="a").engine_config(tmp_path)
    assert unset == EngineConfig(model_path=str(tmp_path))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"quantization": "int3"}, "quantization.*'none', 'int8', 'int4' or 'fp8'"),
        ({"kv_cache_dtype": "int8"}, "kv_cache_dtype.*'auto' or 'fp8'"),
        ({"speculation": "medusa"}, "speculation.*'off' or 'ngram'"),
        ({"num_draft_tokens": 0}, "num_draft_tokens.*greater than or equal to 1"),
        ({"stall_timeout": 0}, "stall_timeout.*greater than 0"),
        ({"graphs": "maybe"}, "graphs.*boolean"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_one_line_with_the_choices(setting, message):
    with pytest.raises(RostraError, match=f"^worker: {message}") as caught:
        checked(WorkerEntry, {"model": "a"} | setting, "worker")
    assert "\n" not in str(caught.value)


def test_flags_win_over_the_file():
    config = RostraConfig.read(None)
    assert config.gateway_settings(workers=WORKERS, port=9).port == 9
    assert config.gateway_settings(workers=WORKERS, port=None).port == 8000


def test_the_default_model_name_is_the_last_part(tmp_path):
    path = written(
        tmp_path, '[[worker]]\nmodel = "some/Model-1B"\n[[worker]]\nmodel = "/x/y.gguf"\n'
    )
    assert [entry.served_name for entry in RostraConfig.read(path).worker] == ["Model-1B", "y"]


def test_a_folder_is_named_even_where_one_stands_in_it(tmp_path, monkeypatch):
    folder = tmp_path / "My-Model"
    (folder / "inner").mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert WorkerEntry(model=".").served_name == "My-Model"
    monkeypatch.chdir(folder / "inner")
    assert WorkerEntry(model="../").served_name == "My-Model"


def test_workers_are_found_by_number_and_by_name(tmp_path):
    path = written(tmp_path, '[[worker]]\nmodel = "a"\n[[worker]]\nmodel = "b"\nname = "c"\n')
    config = RostraConfig.read(path)
    assert config.find_worker("2") is config.find_worker("c") is config.worker[1]
    with pytest.raises(RostraError, match="the file has: a, c"):
        config.find_worker("b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[worker]\n", "not valid TOML.*line 1"),
        ('[[worker]]\nmodel = "a"\nmodle = 1\n', r"worker\.0\.modle: there is no such setting"),
        ("[[worker]]\n", r"worker\.0\.model: Field required"),
        ('[[worker]]\nmodel = "a"\nmax_num_seqs = 0\n', r"worker\.0\.max_num_seqs"),
        ("[gatway]\nport = 1\n", "gatway: there is no such setting"),
    ],
)
def test_mistakes_are_one_line_with_the_key(tmp_path, text, message):
    with pytest.raises(RostraError, match=message) as caught:
        RostraConfig.read(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_mistakes_in_other_rooms_tables(tmp_path):
    config = RostraConfig.read(written(tmp_path, '[gateway]\nport = "x"\n[arena]\ncolour = 1\n'))
    with pytest.raises(RostraError, match=r"\[gateway\]: port"):
        config.gateway_settings()
    with pytest.raises(RostraError, match=r"\[arena\]"):
        config.arena_settings()


def test_a_missing_file(tmp_path):
    with pytest.raises(RostraError, match="No such file"):
        RostraConfig.read(tmp_path / "none.toml")


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF\xff\xfe")
    with pytest.raises(RostraError, match="not valid TOML") as caught:
        RostraConfig.read(path)
    assert "\n" not in str(caught.value)
