"""What a browser that is not ours may send to the battle page."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from rostra.arena.access.proof import leading_zeros
from rostra.arena.access.voter import Voter
from rostra.arena.gateway_client import Delta, End, GatewayClient
from rostra.arena.pages.battle import BattleView
from rostra.arena.rendering import AnswerStream, render
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


class LongAnswers:
    """A gateway's client whose every answer comes at once."""

    TEXT = "\n\n".join(f"Paragraph {number}." for number in range(12))

    async def answer(self, *_: object) -> Any:
        yield Delta(self.TEXT)
        yield End("stop")

    async def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture
def hurried(monkeypatch):
    """Each update of an answer has no time, so that it draws one block and leaves the rest."""
    update = AnswerStream.update

    def without_time(
        stream: AnswerStream, text: str, *, ended: bool = False, budget: float | None = 0
    ) -> Any:
        return update(stream, text, ended=ended, budget=budget)

    monkeypatch.setattr(AnswerStream, "update", without_time)


def drawn(said: list[dict[str, Any]]) -> dict[tuple[int, str], str]:
    """The settled blocks by turn and side."""
    html: dict[tuple[int, str], str] = {}
    for part in [part for message in said for part in message.get("parts", ())]:
        place = part["turn"], part["side"]
        html[place] = part["html"] if part["at"] == 0 else html[place] + part["html"]
    return html


async def until(view: BattleView, phase: str) -> None:
    async with asyncio.timeout(30):
        while view.phase != phase:
            await asyncio.sleep(0.01)


async def test_an_answer_can_be_voted_on_when_all_of_it_is_drawn(
    votes_url, tmp_path, pair, monkeypatch, hurried
):
    settings = ArenaSettings(
        votes_url=votes_url, ratings_dir=tmp_path, contestants=(pair.a, pair.b)
    )
    arena = Arena.open(settings, LongAnswers())
    voter = Voter("cookie 7", "192.0.2.7")
    view = BattleView(arena, arena.campaigns.default, voter, texts("en"))
    said: list[dict[str, Any]] = []
    monkeypatch.setattr(view, "_send_msg", said.append)
    whole = render(LongAnswers.TEXT)
    for turn in range(2):
        await view._handle_msg({"action": "ask", "round": 0, "prompt": f"question {turn}"})
        await until(view, "ended")
        assert drawn(said)[turn, "a"] == drawn(said)[turn, "b"] == whole

    # So are the answers of a round that is taken up again.
    claim = next(message["claim"] for message in said if "claim" in message)
    again = BattleView(arena, arena.campaigns.default, voter, texts("en"))
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(again, "_send_msg", seen.append)
    await again._handle_msg({"action": "resume", "round": 0, "claim": claim})
    await until(again, "ended")
    assert set(drawn(seen).values()) == {whole}
    assert len(drawn(seen)) == 4
    await arena.live.close()
    arena.store.close()
