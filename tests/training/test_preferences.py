"""From the vote log to pairs: what counts, what is filtered, and what is left out with a reason."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from rostra.arena.contestant import Contestant, Sampling
from rostra.arena.matchmaking import Pair
from rostra.arena.votes.database import open_existing
from rostra.arena.votes.records import EndedAnswer
from rostra.arena.votes.store import VoteStore
from rostra.arena.votes.transfer.export import Exporter, ExportOptions
from rostra.training.conversations import Message
from rostra.training.dpo import filters, prepare_dpo
from rostra.training.errors import TrainingError
from rostra.training.held_out import held_out
from rostra.training.preferences import preferences
from rostra.training.rendering import Renderer
from rostra.training.report import Report
from rostra.training.settings import DpoSettings
from rostra.training.votes import Answer, VotedBattle, read_file, read_store, reliabilities

LEFT, RIGHT = Answer("short", True), Answer("long and wordy", False)
BATTLE = VotedBattle(
    where="battle 1",
    left="ariel",
    right="puck",
    outcome="a",
    mode="battle",
    revealed=False,
    failed=False,
    campaign="default",
    voter="v",
    at=datetime(2026, 11, 1, tzinfo=UTC),
    imported=False,
    turns=1,
    questions=("Why?",),
    has_images=False,
    answers_left=(LEFT,),
    answers_right=(RIGHT,),
    tags={"language": "en", "code": "no"},
)


def settings(**given):
    return DpoSettings(out="run", votes_url="sqlite:///votes.sqlite3", **given)


def pairs(battle, known=None, /, **given):
    report = Report()
    found = list(preferences([battle], settings(**given), report, known))
    return found, report


def changed(**given):
    return dataclasses.replace(BATTLE, **given)


@pytest.mark.parametrize(("outcome", "chosen"), [("a", LEFT), ("b", RIGHT)])
def test_the_vote_says_which_is_chosen(outcome, chosen):
    (found,), report = pairs(changed(outcome=outcome))
    assert found.prompt == (Message("user", "Why?"),)
    assert {found.chosen, found.rejected} == {LEFT, RIGHT}
    assert found.chosen == chosen
    assert report == Report(rows=1)


def test_a_common_system_prompt_belongs_to_the_prompt():
    (found,), _ = pairs(changed(system_left="Be kind.", system_right="Be kind."))
    assert found.prompt[0] == Message("system", "Be kind.")
    (found,), report = pairs(changed(system_left="Be kind.", system_right="Be brief."))
    assert [each.role for each in found.prompt] == ["user"]
    assert sum(report.mended.values()) == 1


@pytest.mark.parametrize(
    ("battle", "reason"),
    [
        ({"judge": "gpt-4"}, "a model's verdict"),
        ({"outcome": "tie"}, "a tie"),
        ({"outcome": "both_bad"}, "both bad"),
        ({"mode": "side_by_side"}, "not blind"),
        ({"revealed": True}, "an answer says who wrote it"),
        ({"failed": True}, "a failed battle"),
        ({"questions": ()}, "without its texts"),
        ({"questions": ("",)}, "without its texts"),
        ({"has_images": True}, "a question with images"),
        ({"questions": ("Why?", "How?"), "turns": 2}, "several turns"),
        ({"answers_left": (None,)}, "an empty answer"),
        ({"answers_right": (Answer(" ", True),)}, "an empty answer"),
        ({"answers_right": (LEFT,)}, "two answers that are the same"),
    ],
)
def test_votes_without_a_pair_are_told_and_left_out(battle, reason):
    found, report = pairs(changed(**battle))
    assert found == []
    (left_out,) = report.left_out
    assert left_out.where == "battle 1"
    assert left_out.reason.startswith(reason)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"campaigns": ("default",)}, True),
        ({"campaigns": ("spring",)}, False),
        ({"categories": {"language": ("de", "en"), "code": ("no",)}}, True),
        ({"categories": {"language": ("en",), "code": ("yes",)}}, False),
        ({"categories": {"maths": ("no",)}}, False),
        ({"contestants": ("ariel", "puck")}, True),
        ({"contestants": ("ariel", "oberon")}, False),
        ({"since": "2026-11-01T00:00:00Z"}, True),
        ({"since": "2026-11-02T00:00:00Z"}, False),
        ({"until": "2026-11-01T00:00:00Z"}, False),
        ({"imported": False}, True),
    ],
)
def test_filters(given, taken):
    found, report = pairs(BATTLE, **given)
    assert len(found) == taken
    assert len(report.left_out) == (not taken)
    assert set(filters(settings(**given))) == set(given)


def test_imported_votes_can_be_left_out():
    assert not pairs(changed(imported=True), imported=False)[0]
    assert pairs(changed(imported=True))[0]


def test_reliability():
    assert pairs(BATTLE, {"v": 0.8}, min_reliability=0.5)[0]
    assert not pairs(BATTLE, {"v": 0.3}, min_reliability=0.5)[0]
    assert not pairs(BATTLE, {}, min_reliability=0.5)[0]


@pytest.mark.parametrize(("outcome", "given"), [("tie", {}), ("both_bad", {"both_bad": "tie"})])
def test_a_soft_tie_is_one_half(outcome, given):
    found, _ = pairs(changed(outcome=outcome), ties="soft", **given)
    assert [(each.chosen, each.rejected) for each in found] == [(LEFT, RIGHT), (RIGHT, LEFT)]
    assert all(each.tie for each in found)


def test_of_several_turns_the_first_can_be_taken():
    battle = changed(
        questions=("Why?", "How?"), turns=2, answers_left=(LEFT, LEFT), answers_right=(RIGHT, LEFT)
    )
    (found,), _ = pairs(battle, several_turns="first")
    assert (found.prompt[0].content, found.chosen, found.rejected) == ("Why?", LEFT, RIGHT)


def test_two_sources_are_refused():
    with pytest.raises(ValueError, match="two sources"):
        settings(votes="votes.jsonl")
    with pytest.raises(ValueError, match="no time zone"):
        settings(since="2026-11-01T00:00:00")


def test_the_held_out_groups_are_whole_and_stay_when_rows_come():
    groups = [f"question {number % 30}" for number in range(100)]
    kept = held_out(groups, 0.2, seed=1)
    assert 0.2 <= sum(kept) / len(kept) < 0.3
    of_group = {
        group: {out for each, out in zip(groups, kept, strict=True) if each == group}
        for group in groups
    }
    assert all(len(each) == 1 for each in of_group.values())
    more = held_out([*groups, "question 3"], 0.2, seed=1)
    moved = {group for group, a, b in zip(groups, kept, more, strict=False) if a != b}
    assert len(moved) <= 1
    assert held_out(groups, 0.2, seed=2) != kept
    assert not any(held_out(groups, 0.0, seed=1))
    assert held_out(["a", "b"], 0.01, seed=1).count(True) == 1
    assert held_out(["a"] * 5, 0.5, seed=1) == [False] * 5


@pytest.fixture
def votes_url(tmp_path):
    """Six votes for the shorter answer; on the last question two, one of them a tie."""
    url = f"sqlite:///{tmp_path / 'votes.sqlite3'}"
    store = VoteStore(url)
    sampling = Sampling(max_tokens=8)
    ends = [Contestant(name=name, model="tiny", sampling=sampling) for name in ("ariel", "puck")]
    for number in range(6):
        cast(store, Pair(*ends[:: 1 if number % 2 else -1]), f"what is {min(number, 4)}", number)
    store.close()
    return url


def cast(store, pair, question, number, outcome=None):
    ticket = store.open_battle(pair, question, f"voter {number}")
    texts = {"ariel": f"the fox {number}", "puck": f"the quick brown fox {number} jumps over"}
    for side in ("a", "b"):
        name = pair[side].name
        reason = "stop" if name == "ariel" else "length"
        store.end_answer(
            ticket.battle_id, 0, side, EndedAnswer(texts[name], 0.1, finish_reason=reason)
        )
    won = "a" if pair.a.name == "ariel" else "b"
    store.vote(ticket, outcome or ("tie" if number == 5 else won))


def test_the_store(votes_url):
    votes = read_store(votes_url)
    assert (votes.source.log_seq, len(votes.source.log_head)) == (6, 64)
    assert len(votes.battles) == 6
    first = votes.battles[0]
    assert first.questions == ("what is 0",)
    answers = {first.left: first.answers_left[0], first.right: first.answers_right[0]}
    assert answers["ariel"] == Answer("the fox 0", ended=True)
    assert not answers["puck"].ended


def test_an_exported_log_gives_the_same_pairs(votes_url, tmp_path):
    path = tmp_path / "votes.jsonl"
    engine = open_existing(votes_url)
    with path.open("wb") as file:
        Exporter(engine, ExportOptions("jsonl")).write(file)
    engine.dispose()
    report = Report()
    exported, stored = read_file(path, report), read_store(votes_url)
    assert (exported.source.log_seq, exported.source.log_head) == (
        stored.source.log_seq,
        stored.source.log_head,
    )
    assert not report.left_out
    chosen = [
        [(each.prompt, each.chosen, each.rejected) for each in preferences(v, settings(), Report())]
        for v in (exported.battles, stored.battles)
    ]
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 5
    lines = path.read_text().splitlines()
    lines[2] = lines[2].replace("the fox", "THE FOX")
    path.write_text("\n".join(lines))
    assert len(read_file(path, report).battles) == 5
    assert [each.where for each in report.left_out] == [f"{path}:3"]


def test_votes_without_their_texts_are_told(votes_url, tmp_path, tiny_tokenizer):
    path = tmp_path / "votes.jsonl"
    engine = open_existing(votes_url)
    with path.open("wb") as file:
        Exporter(engine, ExportOptions("jsonl", texts=False)).write(file)
    engine.dispose()
    given = DpoSettings(out="run", votes=path)
    with pytest.raises(TrainingError, match=r"none of 6 votes .*5 × without its texts; 1 × a tie"):
        prepare_dpo(given, Renderer(tiny_tokenizer, "tiny"))


def test_no_store_is_one_line(tmp_path):
    with pytest.raises(TrainingError, match="there is no vote store"):
        read_store(f"sqlite:///{tmp_path / 'none.sqlite3'}")


def test_prepared_rows(votes_url, tiny_tokenizer):
    given = settings(eval_share=0.2).model_copy(update={"votes_url": votes_url})
    prepared = prepare_dpo(given, Renderer(tiny_tokenizer, "tiny"))
    assert (len(prepared.train), len(prepared.evaluate)) == (4, 1)
    assert prepared.provenance["log_seq"] == 6
    decode = tiny_tokenizer.decode
    for row in (*prepared.train, *prepared.evaluate):
        assert decode(row["prompt_ids"]).endswith("<|im_start|>assistant\n")
        assert decode(row["chosen_ids"]).endswith("<|im_end|>")
        assert decode(row["rejected_ids"]).endswith("jumps over")  # which was cut off
    prompts = [
        {decode(row["prompt_ids"]) for row in rows} for rows in (prepared.train, prepared.evaluate)
    ]
    assert not prompts[0] & prompts[1]


def test_what_is_too_long_is_left_out(votes_url, tiny_tokenizer):
    given = settings(max_length=8).model_copy(update={"votes_url": votes_url})
    with pytest.raises(TrainingError, match="5 × longer than max_length of 8 tokens"):
        prepare_dpo(given, Renderer(tiny_tokenizer, "tiny"))


def test_what_cannot_fit_is_not_encoded_either(votes_url, tiny_tokenizer, monkeypatch):
    renderer = Renderer(tiny_tokenizer, "tiny")
    monkeypatch.setattr(renderer, "most_characters", lambda tokens: 3)
    monkeypatch.setattr(renderer, "encode", lambda *_, **__: pytest.fail("it was encoded"))
    given = settings().model_copy(update={"votes_url": votes_url})
    with pytest.raises(TrainingError, match="5 × longer than max_length"):
        prepare_dpo(given, renderer)


def test_a_resumed_run_sees_the_votes_it_began_with(votes_url, tiny_tokenizer):
    given = settings().model_copy(update={"votes_url": votes_url})
    renderer = Renderer(tiny_tokenizer, "tiny")
    before = prepare_dpo(given, renderer)
    store = VoteStore(votes_url)
    ends = [Contestant(name=name, model="tiny") for name in ("ariel", "puck")]
    cast(store, Pair(*ends), "what is new", 9)
    store.close()
    again = prepare_dpo(given, renderer, {"provenance": before.provenance})
    assert again.sha256 == before.sha256
    assert prepare_dpo(given, renderer).sha256 != before.sha256


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_contrary_voters_are_not_reliable():
    battles = [
        changed(left="ariel", right=other, voter=voter, outcome=outcome)
        for voter, outcome in (("x", "b"), *((name, "a") for name in "abcdef"))
        for other in ("puck", "oberon")
        for _ in range(10)
    ]
    found = reliabilities(battles, seed=1)
    assert found["x"] < 0.1
    assert min(found[name] for name in "abcdef") > 0.9
    with pytest.raises(TrainingError, match="no vote says who cast it"):
        reliabilities([changed(voter=None)], seed=1)
