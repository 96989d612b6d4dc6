"""What a browser that is not ours may send to the battle page."""

from __future__ import annotations

import itertools
from typing import Any

from rostra.arena.access.proof import leading_zeros
from rostra.arena.access.voter import Voter
from rostra.arena.gateway_client import GatewayClient
from rostra.arena.pages.battle import BattleView
from rostra.arena.round import Round
from rostra.arena.settings import ArenaSettings
from rostra.arena.state import Arena
from rostra.arena.texts import texts


async def test_the_longest_question_is_not_the_browsers_to_choose(votes_url, tmp_path, pair):
    settings = ArenaSettings(
        votes_url=votes_url,
        ratings_dir=tmp_path,
        contestants=(pair.a, pair.b),
        max_prompt_chars=20,
    )
    arena = Arena.open(settings, GatewayClient(settings.gateway_url, None, 5))
    view = BattleView(arena, arena.campaigns.default, Voter("cookie 7", "192.0.2.7"), texts("en"))
    view.max_chars = 10**6
    await view._handle_msg({"action": "ask", "round": 0, "prompt": "x" * 21})
    assert (view.phase, arena.store.counts().battles) == ("empty", 0)
    assert "shorten it to 20" in view.status
    arena.store.close()


async def test_questions_of_a_program_are_counted_and_proven(
    votes_url, tmp_path, pair, monkeypatch
):
    settings = ArenaSettings.model_validate(
        {
            "votes_url": votes_url,
            "ratings_dir": tmp_path,
            "contestants": (pair.a, pair.b),
            "access": {
                "limits": {"questions_per_minute": 1},
                "proof_of_work": {"bits": 4, "questions": 1},
            },
        }
    )
    asked: list[str] = []

    async def ask(_round: Round, prompt: str, _images: object) -> None:
        asked.append(prompt)

    monkeypatch.setattr(Round, "ask", ask)
    monkeypatch.setattr(BattleView, "_begin", lambda *_: None)
    arena = Arena.open(settings, GatewayClient(settings.gateway_url, None, 5))
    view = BattleView(arena, arena.campaigns.default, Voter("cookie 7", "192.0.2.7"), texts("en"))
    said: list[dict[str, Any]] = []
    monkeypatch.setattr(view, "_send_msg", said.append)

    async def send(prompt: str, **more: str) -> str:
        await view._handle_msg({"action": "ask", "round": 0, "prompt": prompt, **more})
        return view.status

    assert "short sum" in await send("one")
    challenge = said[-1]["prove"]
    assert said[-1]["prompt"] == "one"
    assert "was not taken" in await send("one", challenge=challenge + "0", proof="0")
    numbers = map(str, itertools.count())
    solution = next(n for n in numbers if leading_zeros(f"{challenge}:{n}") >= 4)
    await send("one", challenge=challenge, proof=solution)
    assert asked == ["one"]
    assert "was not taken" in await send("two", challenge=challenge, proof=solution)
    await send("two")
    challenge = said[-1]["prove"]
    numbers = map(str, itertools.count())
    solution = next(n for n in numbers if leading_zeros(f"{challenge}:{n}") >= 4)
    assert "Ask again in" in await send("two", challenge=challenge, proof=solution)
    assert asked == ["one"]
    arena.store.close()
