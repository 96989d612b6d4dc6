"""`[gateway.routing]` and `[gateway.model]` as operators write them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rostra.gateway.routing.settings import RoutingSettings
from rostra.mesh.cli.config import RostraConfig, default_text
from rostra.mesh.cli.up_plan import require_targets
from rostra.mesh.errors import RostraError

DOCUMENT = Path(__file__).parents[2] / "docs" / "routing.md"


def read(tmp_path: Path, text: str) -> RostraConfig:
    path = tmp_path / "rostra.toml"
    path.write_text(text)
    return RostraConfig.read(path)


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL))
def test_the_tables_of_the_document(tmp_path: Path, block: str) -> None:
    settings = read(tmp_path, block).gateway_settings()
    assert settings.models or settings.routing.policy == "prefix"


def test_the_default_file_names_every_setting_and_its_default() -> None:
    text = default_text()
    section = text.split("[gateway.routing]")[1].split("# Names that stand")[0]
    written = tomllib.loads("\n".join(line.removeprefix("# ") for line in section.splitlines()[2:]))
    assert written == RoutingSettings().model_dump()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[gateway.routing]\npolicy = "fastest"', "routing.policy"),
        ("[gateway.routing]\nload_bound = 0.9", "routing.load_bound"),
        ("[gateway.routing]\nload_bound = nan", "routing.load_bound"),
        ("[gateway.routing]\nindex_keys = 0", "routing.index_keys"),
        ('[gateway.routing]\nsticky = "yes"', "there is no such setting"),
        ("[gateway.model.a.split]\nb = inf", "model.a.split.b"),
        ('[gateway.model.a]\nfallback = ["a", "b"]\n[gateway.model.b]\nfallback = ["a"]', "leads"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(RostraError, match=re.escape(message)) as caught:
        read(tmp_path, table).gateway_settings(workers=["a:1"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        ({"front": {"split": {"own": 1, "ownn": 1}}}, "ownn"),
        ({"front": {"fallback": ["own"]}}, "front"),
        ({"own": {"fallback": ["alias", "pirate", "far"]}}, None),
        ({"front": {"split": {"inner": 1}}, "inner": {"split": {"own": 1}}}, None),
    ],
)
def test_up_knows_all_models(names: dict[str, Any], missing: str | None) -> None:
    file = RostraConfig.model_validate(
        {
            "worker": [
                {"model": "x", "name": "own", "aliases": ["alias"], "adapters": {"pirate": "/p"}}
            ],
            "gateway": {
                "model": names,
                "member": [{"name": "other", "url": "http://h/v1", "models": {"far": "x"}}],
            },
        }
    )
    settings = file.gateway_settings(workers=["127.0.0.1:1"])
    if missing is None:
        require_targets(settings, file)
    else:
        with pytest.raises(RostraError, match=f"there is no model '{missing}'"):
            require_targets(settings, file)
