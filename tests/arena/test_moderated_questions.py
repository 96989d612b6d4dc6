"""A question that may not be asked reaches no model and no store, in any language."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from moderation_server import moderation_server

from rostra.arena.access.voter import Voter
from rostra.arena.gateway_client import GatewayClient
from rostra.arena.moderation.settings import EndpointSettings, ModerationSettings
from rostra.arena.pages.battle import BattleView
from rostra.arena.settings import ArenaSettings
from rostra.arena.state import Arena
from rostra.arena.texts import LANGUAGES, texts
from rostra.arena.votes.models import RefusedPrompt
from rostra.arena.votes.store import VoteStore


@pytest.fixture
def opened(votes_url, tmp_path, pair):
    arenas = []

    def make(**given) -> Arena:
        settings = ArenaSettings(
            votes_url=votes_url,
            ratings_dir=tmp_path,
            contestants=(pair.a, pair.b),
            moderation=ModerationSettings(**given),
        )
        arenas.append(Arena.open(settings, GatewayClient(settings.gateway_url, None, 5)))
        return arenas[-1]

    yield make
    for arena in arenas:
        arena.store.close()
        arena.figures.close()


def refused(store: VoteStore) -> list[RefusedPrompt]:
    with store.reading() as session:
        return list(session.scalars(sa.select(RefusedPrompt)))


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_voter_is_told_and_nothing_is_kept(opened, tmp_path, votes_url, language):
    (tmp_path / "words").write_text("bluebird")
    arena = opened(lists={"projects": tmp_path / "words"})
    words = texts(language)
    view = BattleView(arena, arena.campaigns.default, Voter("cookie 7", "192.0.2.7"), words)
    await view._handle_msg({"action": "ask", "round": 0, "prompt": "tell me of BlueBird"})
    assert (view.phase, view.status) == ("empty", words("moderation.refused"))
    assert arena.store.counts().battles == 0
    (found,) = refused(arena.store)
    assert (found.rule, found.campaign) == ("list projects", "default")
    assert "cookie" not in found.voter
    with arena.store._engine.connect() as connection:
        dump = "\n".join(connection.connection.driver_connection.iterdump())
    assert "BlueBird" not in dump


async def test_an_endpoint_that_does_not_answer_is_said_plainly(opened):
    async with moderation_server() as server:
        server.status = 500
        arena = opened(endpoint=EndpointSettings(url=server.url))
        view = BattleView(arena, arena.campaigns.default, Voter("cookie 7", "::1"), texts("en"))
        await view._handle_msg({"action": "ask", "round": 0, "prompt": "hello"})
        await arena.moderation.close()
    assert view.status == texts("en")("moderation.unanswered")
    assert arena.store.counts().battles == 0
    assert [each.rule for each in refused(arena.store)] == ["endpoint: no verdict"]
