"""What a browser that is not ours may send to the battle page."""

from __future__ import annotations

from rostra.arena.access.voter import Voter
from rostra.arena.gateway_client import GatewayClient
from rostra.arena.pages.battle import BattleView
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
