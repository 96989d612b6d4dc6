"""The arena signs the log by itself, and the log holds with it."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from pydantic import ValidationError
from vote_rounds import voted

from rostra.arena.errors import ArenaError
from rostra.arena.votes.log.checkpoints import SignedHead
from rostra.arena.votes.log.keys import make_key
from rostra.arena.votes.log.settings import CheckpointSettings
from rostra.arena.votes.log.signer import Signer
from rostra.arena.votes.log.verify import verify


def test_each_head_is_signed_once(store, votes_url, tmp_path):
    key = make_key(tmp_path / "key")
    signer = Signer(votes_url, CheckpointSettings(key=tmp_path / "key"))
    assert signer.sign() is None
    voted(store)
    first = signer.sign()
    assert (first.seq, first.public_key) == (1, key.public_key().public_bytes_raw())
    assert signer.sign() is None
    voted(store)
    assert signer.sign().seq == 2
    found = verify(store._engine, first.public_key, held=[first])
    assert (found.checkpoints, found.unsigned) == (2, 0)
    # After a restart the same head is not signed another time.
    Signer(votes_url, CheckpointSettings(key=tmp_path / "key")).sign()
    assert verify(store._engine).checkpoints == 2


async def test_it_signs_at_intervals_and_says_so_in_the_log(store, votes_url, tmp_path, caplog):
    make_key(tmp_path / "key")
    signer = Signer(votes_url, CheckpointSettings(key=tmp_path / "key", interval=0.01))
    with caplog.at_level(logging.INFO):
        running = asyncio.create_task(signer.run())
        while "checkpoint" not in caplog.text:
            await asyncio.to_thread(voted, store)
    running.cancel()
    await asyncio.wait([running])
    line = next(each.message for each in caplog.records if each.message.startswith("checkpoint "))
    held = SignedHead.from_json(json.loads(line.removeprefix("checkpoint ")))
    assert held.genuine
    assert verify(store._engine, held=[held]).signed is not None


def test_a_key_that_cannot_be_used_keeps_the_arena_from_starting(votes_url, tmp_path):
    with pytest.raises(ArenaError, match="cannot read the signing key"):
        Signer(votes_url, CheckpointSettings(key=tmp_path / "none"))
    make_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(ArenaError, match="others may read"):
        Signer(votes_url, CheckpointSettings(key=tmp_path / "key"))
    with pytest.raises(ValidationError):
        CheckpointSettings(key=tmp_path / "key", interval=0)
