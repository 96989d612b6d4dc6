"""Which tokens are learned, one by one, against a plain reference."""

from __future__ import annotations

import copy

import pytest

from rostra.training.conversations import Message
from rostra.training.errors import TrainingError
from rostra.training.rendering import NotRenderedError, Renderer
from rostra.training.splitting import TooLongError, parts

SYSTEM = Message("system", "You are the fox.")
CHAT = (
    Message("user", "the then"),
    Message("assistant", "quick brown"),
    Message("user", "and them?"),
    Message("assistant", "over the lazy\n\ndog"),
)
MARKED = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content }}<|im_end|>"
    "{% endgeneration %}{% else %}{{ message.content }}<|im_end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FORGETFUL = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' and not loop.last %}{{ message.content | upper }}"
    "{% else %}{{ message.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Renders an answer differently once another turn follows."""
DEFAULT_SYSTEM = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nthe default<|im_end|>\n{% endif %}"
)


def by_hand(tokenizer, messages, before=""):
    """(ids, learned), piece by piece, of a template in ChatML."""
    found = []
    if before:
        found += [(each, False) for each in tokenizer.encode(before, add_special_tokens=False)]
    for message in messages:
        pieces = [
            (f"<|im_start|>{message.role}\n", False),
            (f"{message.content}<|im_end|>", message.role == "assistant"),
            ("\n", False),
        ]
        for text, learned in pieces:
            ids = tokenizer.encode(text, add_special_tokens=False)
            found += [(each, learned) for each in ids]
    ids, learned = zip(*found, strict=True)
    return list(ids), list(learned)


def encoded(tokenizer, messages, **options):
    made = Renderer(tokenizer, "tiny").encode(messages, **options)
    return made.ids, made.learned


def with_template(tokenizer, template):
    changed = copy.deepcopy(tokenizer)
    changed.chat_template = template
    return changed


@pytest.mark.parametrize("messages", [CHAT[:2], CHAT, (SYSTEM, *CHAT)])
def test_answers_and_their_ends_are_learned_and_nothing_else(tiny_tokenizer, messages):
    assert encoded(tiny_tokenizer, messages) == by_hand(tiny_tokenizer, messages)


def test_what_the_template_puts_first_is_not_learned(tiny_tokenizer):
    changed = with_template(tiny_tokenizer, DEFAULT_SYSTEM + tiny_tokenizer.chat_template)
    before = "<|im_start|>system\nthe default<|im_end|>\n"
    assert encoded(changed, CHAT) == by_hand(changed, CHAT, before)


def test_the_same_as_by_the_markers_of_a_template_that_has_them(tiny_tokenizer):
    changed = with_template(tiny_tokenizer, MARKED)
    made = changed.apply_chat_template(
        [each.as_dict() for each in CHAT], return_dict=True, return_assistant_tokens_mask=True
    )
    ids, learned = encoded(changed, CHAT)
    assert ids == made["input_ids"]
    assert learned == [bool(each) for each in made["assistant_masks"]]


def test_markers_serve_where_beginnings_are_rendered_differently(tiny_tokenizer):
    forgetful = MARKED.replace(
        "{% generation %}{{ message.content }}",
        "{% generation %}{% if loop.last %}{{ message.content }}"
        "{% else %}{{ message.content | upper }}{% endif %}",
    )
    ids, learned = encoded(with_template(tiny_tokenizer, forgetful), CHAT)
    own = [each for each, is_own in zip(ids, learned, strict=True) if is_own]
    assert tiny_tokenizer.decode(own) == "QUICK BROWN<|im_end|>over the lazy\n\ndog<|im_end|>"


def test_without_markers_such_a_conversation_is_refused(tiny_tokenizer):
    changed = with_template(tiny_tokenizer, FORGETFUL)
    with pytest.raises(NotRenderedError, match="no generation markers"):
        encoded(changed, CHAT)
    assert encoded(changed, CHAT[:2]) == by_hand(changed, CHAT[:2])


def test_an_answer_that_was_cut_off_has_no_end(tiny_tokenizer):
    ids, learned = encoded(tiny_tokenizer, CHAT[:2], ended=False)
    whole, of_whole = by_hand(tiny_tokenizer, CHAT[:2])
    assert ids == whole[:-2]  # without the end of the turn and the line's
    assert learned == of_whole[:-2]
    assert learned[-1]


def test_labels_are_what_the_trainers_take(tiny_tokenizer):
    made = Renderer(tiny_tokenizer, "tiny").encode(CHAT)
    for label, each, learned in zip(made.labels, made.ids, made.learned, strict=True):
        assert label == (each if learned else -100)


def test_a_template_that_refuses_a_conversation_says_why(tiny_tokenizer):
    changed = with_template(tiny_tokenizer, "{{ raise_exception('no such roles') }}")
    with pytest.raises(NotRenderedError, match="no such roles"):
        encoded(changed, CHAT)


def test_a_model_without_a_template_is_one_line(tiny_tokenizer):
    with pytest.raises(TrainingError, match="tiny has no chat template"):
        Renderer(with_template(tiny_tokenizer, None), "tiny")


@pytest.mark.e2e
def test_the_demo_model(demo_home):
    from transformers import AutoTokenizer

    from rostra.mesh.store import DEMO_MODEL, resolve

    tokenizer = AutoTokenizer.from_pretrained(resolve(DEMO_MODEL, demo_home).path)
    before = tokenizer.apply_chat_template([CHAT[0].as_dict()], tokenize=False)
    before = before[: before.index("<|im_start|>user")]
    assert encoded(tokenizer, CHAT) == by_hand(tokenizer, CHAT, before)
    assert encoded(tokenizer, (SYSTEM, *CHAT)) == by_hand(tokenizer, (SYSTEM, *CHAT))


def test_long_conversations_are_split_between_exchanges(tiny_tokenizer):
    renderer = Renderer(tiny_tokenizer, "tiny")
    exchanges = [
        (Message("user", f"what is {number}"), Message("assistant", f"the {number} fox"))
        for number in range(9)
    ]
    messages = (SYSTEM, *(each for exchange in exchanges for each in exchange))
    longest = max(len(renderer.encode((SYSTEM, *exchange)).ids) for exchange in exchanges)
    found = list(parts(messages, renderer.encode, 2 * longest, len(str(messages))))
    assert 3 <= len(found) < len(exchanges)
    texts = [tiny_tokenizer.decode(each.ids) for each in found]
    for each, text in zip(found, texts, strict=True):
        assert len(each.ids) <= 2 * longest
        assert text.startswith(f"<|im_start|>system\n{SYSTEM.content}")
    asked = "".join(texts).count("what is")
    assert asked == len(exchanges)
    whole = [renderer.encode(messages)]
    assert list(parts(messages, renderer.encode, 10_000, 10_000)) == whole


def test_an_exchange_that_fits_into_no_part_is_refused(tiny_tokenizer):
    renderer = Renderer(tiny_tokenizer, "tiny")
    with pytest.raises(TooLongError, match="exchange 2 has"):
        list(
            parts((*CHAT[:2], CHAT[2], Message("assistant", "x" * 500)), renderer.encode, 120, 999)
        )


def test_what_cannot_fit_is_not_encoded(tiny_tokenizer):
    """A line of 100 MB would take a tokenizer minutes, and gigabytes."""
    encoded_texts: list[int] = []
    renderer = Renderer(tiny_tokenizer, "tiny")

    def encode(messages):
        encoded_texts.append(sum(len(each.content) for each in messages))
        return renderer.encode(messages)

    most = renderer.most_characters(64)
    huge = (*CHAT[:2], CHAT[2], Message("assistant", "word " * 1_000_000))
    with pytest.raises(TooLongError, match=r"exchange 2 has 5,\d{3},\d{3} characters"):
        list(parts(huge, encode, 64, most))
    assert max(encoded_texts) <= most


def test_no_text_of_more_characters_fits(tiny_tokenizer):
    vocabulary = tiny_tokenizer.get_vocab()
    longest = max(vocabulary, key=len)
    renderer = Renderer(tiny_tokenizer, "tiny")
    assert renderer.most_characters(3) == 3 * len(longest)
    for text in (longest * 5, "the quick brown fox " * 9, "é ü 語 " * 30):
        count = len(tiny_tokenizer(text, add_special_tokens=False)["input_ids"])
        assert len(text) <= renderer.most_characters(count)
