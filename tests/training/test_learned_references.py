"""What is learned with the templates of well-known models, against TRL's editions of them.

Those mark the answers themselves (`{% generation %}`), for `assistant_only_loss` of its trainer.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import trl

from rostra.training.conversations import Message
from rostra.training.rendering import Renderer

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
SPECIAL = re.compile(r"<[|｜][^<>{}'\"\s]*?[|｜]>|<(?:start|end)_of_turn>|</?s>")
CHAT = (
    Message("user", "the then"),
    Message("assistant", "quick brown"),
    Message("user", "and them?"),
    Message("assistant", "over the lazy\n\ndog"),
)
BY_MARKERS = ("glm4moe", "phi3")
"""Templates that end no answer, or the conversation rather than the answer."""
SYSTEM = Message("system", "You are the fox.")


def of_the_model(tokenizer, name):
    """With the template of a model, and the tokens that stand in it."""
    from transformers import AddedToken

    plain, marked = ((TEMPLATES / f"{name}{end}.jinja").read_text() for end in ("", "_training"))
    found = copy.deepcopy(tokenizer)
    special = sorted(set(SPECIAL.findall(plain + marked)))
    found.add_tokens([AddedToken(each, special=True, normalized=False) for each in special])
    found.bos_token = special[0]
    found.chat_template = plain
    return found, marked


@pytest.mark.parametrize("system", [(), (SYSTEM,)], ids=["plain", "system"])
@pytest.mark.parametrize(
    "name",
    [
        *("cohere", "cohere2", "deepseekv3", "deepseek_r1_distill", "gemma3", "glm4moe", "gptoss"),
        *("lfm2", "llama3", "phi3", "qwen2_5_vl", "qwen3_instruct_2507"),
    ],
)
def test_as_the_markers_say(tiny_tokenizer, name, system):
    tokenizer, marked = of_the_model(tiny_tokenizer, name)
    messages = (*system, *CHAT)
    made = Renderer(tokenizer, name).encode(messages)
    wanted = tokenizer.apply_chat_template(
        [each.as_dict() for each in messages],
        chat_template=marked,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    assert made.ids == wanted["input_ids"]
    own, theirs = (
        tokenizer.decode([each for each, learned in zip(made.ids, mask, strict=True) if learned])
        for mask in (made.learned, wanted["assistant_masks"])
    )
    if name not in BY_MARKERS:
        # Some editions mark the line's end after that of the turn, which no model comes to write.
        theirs = re.sub(r"(?<=[>])\n(?=over)|\n$", "", theirs)
    assert own == theirs
    assert "quick brown<" in own
    assert own.endswith(">")


def test_an_answer_that_was_cut_off_where_the_template_ends_none(tiny_tokenizer):
    tokenizer, _ = of_the_model(tiny_tokenizer, "glm4moe")
    made = Renderer(tokenizer, "glm4moe").encode(CHAT[:2], ended=False)
    assert tokenizer.decode(made.ids).endswith("quick brown")
    assert made.learned[-1]
