"""`[[gateway.member]]` tables of rostra.toml."""

from __future__ import annotations

import tomllib

import pytest

from rostra.mesh.cli.config import RostraConfig, default_text
from rostra.mesh.errors import RostraError


def test_the_commented_example_is_what_it_says():
    text = default_text()
    begin, end = text.index("# [[gateway.member]]"), text.index("\n[arena]")
    lines = [line.removeprefix("# ") for line in text[begin:end].splitlines()]
    settings = RostraConfig.model_validate(tomllib.loads("\n".join(lines))).gateway_settings()
    (member,) = settings.members
    assert member.model("large").prices.output == 2.0
    assert member.model("eyes").images
    # What stands there is what holds without it, where there is a default at all.
    examples = {"name", "url", "key_env", "models", "prices", "ca_file"}
    examples |= {"max_concurrent", "requests_per_minute"}
    fields = type(member).model_fields
    assert member.model_fields_set == fields.keys()
    for name in fields.keys() - examples:
        assert getattr(member, name) == fields[name].default, name


def test_a_mistake_is_named(tmp_path):
    path = tmp_path / "rostra.toml"
    path.write_text('[[gateway.member]]\nname = "a"\nurl = "nowhere"\nmodels = { x = "y" }\n')
    with pytest.raises(RostraError, match=r"\[gateway\]: member\.0\.url: 'nowhere' is no address"):
        RostraConfig.read(path).gateway_settings()
