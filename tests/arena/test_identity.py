from __future__ import annotations

import pytest

from rostra.arena.contestant import Contestant
from rostra.arena.identity import give_aways, reveals

PHRASES = give_aways(
    [
        Contestant(
            name="puck-3b-lora",
            label="Puck, tuned",
            model="example/Mustard-3B-Chat",
            adapter="mischief_v2",
            aliases=("Robin Goodfellow",),
        ),
        Contestant(name="o1", model="7b"),
    ]
)


@pytest.mark.parametrize(
    "text",
    [
        "I am puck-3b-lora.",
        "I am PUCK 3B LoRA!",
        "Call me **Puck, tuned**",
        "As example/Mustard-3B-Chat, I",
        "I'm Mustard, a language model",
        "mischief-v2 at your service",
        "they call me Robin\nGoodfellow",
        "this is o1 speaking",
        "I am Mus\u200btard",
        "I am \u202eM\u2066us\u00adtard",
        "I am Ｍｕｓｔａｒｄ",
        "I am 𝐌𝐮𝐬𝐭𝐚𝐫𝐝",
        "I am Мuѕtаrd",
        "I am MUЅТАRD",
        "I am M\u0301u\u0335stárd",
        "p\u2060uck\ufeff-3b-l\U000e0061ora",
    ],
)
def test_names_give_an_answer_away(text):
    assert reveals(text, PHRASES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I am a language model.",
        "custards and mustardy things",
        "robin sings",
        "o1o",
        "lora",
        "горчица",
        "마스터",
    ],
)
def test_other_words_do_not(text):
    assert not reveals(text, PHRASES)
