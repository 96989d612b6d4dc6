from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from rostra.arena.contestant import Contestant
from rostra.arena.gateway_client import Message, request_body
from rostra.arena.settings import ArenaSettings

HERE = {"votes_url": "sqlite:///votes.sqlite3", "ratings_dir": Path("ratings")}


def contestant(**fields: object) -> dict[str, object]:
    return {"name": "one", "model": "m", **fields}


def test_label_defaults_to_the_name_and_the_adapter_is_what_is_asked_for():
    plain = Contestant(name="one", model="m")
    assert (plain.label, plain.served_name) == ("one", "m")
    assert Contestant(name="one", model="m", adapter="tuned").served_name == "tuned"


def test_settings_validate_from_plain_data():
    settings = ArenaSettings.model_validate(
        {**HERE, "gateway_url": "http://h:1/", "contestants": [contestant(), contestant(name="2")]}
    )
    assert settings.gateway_url == "http://h:1"
    assert [entry.label for entry in settings.contestants] == ["one", "2"]


@pytest.mark.parametrize(
    ("contestants", "message"),
    [
        ([contestant()], "at least 2"),
        ([contestant(), contestant()], "share the name one"),
        ([contestant(), contestant(name="two", label="one")], "share the label one"),
        ([contestant(), contestant(name="")], "at least 1 character"),
        ([contestant(), contestant(name="2", url="javascript:alert(1)")], "pattern"),
        ([contestant(), contestant(name="2", temprature=1)], "Extra inputs"),
        ([contestant(), contestant(name="2", sampling={"temperature": 3})], "less than or equal"),
    ],
)
def test_mistakes_are_named(contestants, message):
    with pytest.raises(ValidationError, match=message):
        ArenaSettings.model_validate({**HERE, "contestants": contestants})


def test_request_carries_the_whole_configuration_and_nothing_unset():
    one = Contestant(
        name="one", model="m", system_prompt="Be brief.", sampling={"top_k": 5, "seed": 7}
    )
    body = request_body(one, [Message(role="user", content="hello")])
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hello"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "top_k": 5,
        "max_tokens": 1024,
        "seed": 7,
    }
