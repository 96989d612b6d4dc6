"""What a stream holds: rules, texts, tokens, ends, usage."""

from __future__ import annotations

import pytest
from tiny_model import MAX_MODEL_LEN
from worker_harness import ENDLESS, Service, chat, collect, generate, message

from rostra.mesh.text import Tokenizer
from rostra.mesh.worker.sampling import derive_seed
from rostra.v1 import chat_pb2, inference_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

IM_END = 2


@pytest.fixture(scope="session")
def tokenizer(tiny_model):
    return Tokenizer.load(tiny_model)


@pytest.mark.parametrize("n", [1, 2, 3])
async def test_chat_keeps_the_rules_of_the_stream(service: Service, n: int):
    got = await collect(service.inference.Chat(chat(n=n, max_tokens=12, **ENDLESS)), n)
    assert [got.reason(index) for index in range(n)] == ["LENGTH"] * n
    assert got.usage.completion_tokens == 12 * n
    assert got.tokens == {index: [] for index in range(n)}, "log-probabilities were not asked for"


@pytest.mark.parametrize("n", [1, 3])
async def test_generate_keeps_the_rules_of_the_stream(service: Service, tokenizer, n: int):
    got = await collect(service.inference.Generate(generate(n=n, max_tokens=9, **ENDLESS)), n)
    for index in range(n):
        assert len(got.tokens[index]) == 9
        assert got.texts[index] == tokenizer.decode(got.ids(index), skip_special_tokens=True)
    assert got.usage.completion_tokens == 9 * n


async def test_outputs_of_one_request_differ_and_repeat(service: Service):
    request = generate(n=3, max_tokens=16, ignore_eos=True, seed=7)
    first = await collect(service.inference.Generate(request), 3)
    second = await collect(service.inference.Generate(request), 3)
    assert first.texts == second.texts
    assert len({tuple(first.ids(index)) for index in range(3)}) == 3


async def test_output_i_of_n_is_that_of_its_derived_seed(service: Service):
    many = await collect(
        service.inference.Generate(generate(n=2, max_tokens=16, ignore_eos=True, seed=7)), 2
    )
    for index in range(2):
        alone = await collect(
            service.inference.Generate(
                generate(max_tokens=16, ignore_eos=True, seed=derive_seed(7, index))
            )
        )
        assert alone.ids() == many.ids(index)


async def test_without_a_seed_answers_differ(service: Service):
    request = generate(max_tokens=16, ignore_eos=True)
    answers = {tuple((await collect(service.inference.Generate(request))).ids()) for _ in range(3)}
    assert len(answers) == 3


async def test_log_probabilities_align_with_tokens(service: Service):
    request = chat(max_tokens=10, temperature=0.0, logprobs=3, ignore_eos=True)
    got = await collect(service.inference.Chat(request))
    assert len(got.tokens[0]) == 10
    for token in got.tokens[0]:
        assert len(token.candidates) == 3
        assert token.logprob <= 0.0
        # Greedy: the token is the best candidate.
        assert (token.candidates[0].id, token.candidates[0].text) == (token.id, token.text)
        assert token.candidates[0].logprob == token.logprob
        logprobs = [candidate.logprob for candidate in token.candidates]
        assert logprobs == sorted(logprobs, reverse=True)
    joined = b"".join(token.raw for token in got.tokens[0])
    assert joined.decode(errors="replace") == got.texts[0]


async def test_no_candidates_with_logprobs_zero(service: Service):
    got = await collect(service.inference.Chat(chat(max_tokens=4, logprobs=0, ignore_eos=True)))
    assert all(token.HasField("logprob") and not token.candidates for token in got.tokens[0])


@pytest.mark.parametrize("n", [1, 3])
async def test_prompt_log_probabilities_come_once_and_first(service: Service, tokenizer, n: int):
    request = generate("the lazy dog", n=n, max_tokens=4, prompt_logprobs=2, **ENDLESS)
    got = await collect(service.inference.Generate(request), n)
    assert [token.id for token in got.prompt] == tokenizer.encode("the lazy dog")
    assert not got.prompt[0].HasField("logprob")
    assert all(token.HasField("logprob") and len(token.candidates) == 2 for token in got.prompt[1:])


async def test_token_ids_are_used_as_they_are(service: Service, tokenizer):
    ids = tokenizer.encode("the quick brown fox")
    by_ids = generate(tokens=inference_pb2.TokenIds(ids=ids), max_tokens=8, **ENDLESS)
    by_text = generate("the quick brown fox", max_tokens=8, **ENDLESS)
    a = await collect(service.inference.Generate(by_ids))
    b = await collect(service.inference.Generate(by_text))
    assert (a.ids(), a.prompt_tokens) == (b.ids(), len(ids))


async def test_the_end_token_ends_and_counts_and_has_no_text(service: Service):
    request = generate(temperature=0.0, logit_bias={IM_END: 100.0}, max_tokens=5, min_tokens=3)
    got = await collect(service.inference.Generate(request))
    assert got.reason() == "STOP"
    assert got.finishes[0].stop_token_id == IM_END
    assert got.ids()[-1] == IM_END
    assert got.usage.completion_tokens == len(got.ids()) == 4
    assert "<|im_end|>" not in got.texts[0]


async def test_ignore_eos_goes_on_past_it(service: Service):
    request = generate(temperature=0.0, logit_bias={IM_END: 100.0}, ignore_eos=True, max_tokens=5)
    got = await collect(service.inference.Generate(request))
    assert (got.reason(), got.ids()) == ("LENGTH", [IM_END] * 5)


async def test_a_stop_token_ends(service: Service):
    plain = generate(temperature=0.0, max_tokens=12, ignore_eos=True)
    ids = (await collect(service.inference.Generate(plain))).ids()
    stop = ids[6]
    request = generate(temperature=0.0, max_tokens=12, ignore_eos=True, stop_token_ids=[stop])
    got = await collect(service.inference.Generate(request))
    assert got.ids() == ids[: ids.index(stop) + 1]
    assert (got.reason(), got.finishes[0].stop_token_id) == ("STOP", stop)


async def test_a_stop_string_across_tokens_cuts_text_tokens_and_usage(service: Service, tokenizer):
    plain = chat(temperature=0.0, max_tokens=40, ignore_eos=True, logprobs=0)
    whole = await collect(service.inference.Chat(plain))
    # The end of one token's text and the beginning of a later one's.
    place = next(
        index
        for index in range(8, 30)
        if len(whole.tokens[0][index].text) == len(whole.tokens[0][index + 1].text) == 1
        and "�" not in whole.tokens[0][index].text + whole.tokens[0][index + 1].text
    )
    stop = whole.tokens[0][place].text + whole.tokens[0][place + 1].text
    begin = whole.texts[0].index(stop)
    request = chat(
        temperature=0.0, max_tokens=40, ignore_eos=True, logprobs=0, stop=[stop, "no such text"]
    )
    got = await collect(service.inference.Chat(request))
    assert got.texts[0] == whole.texts[0][:begin]
    assert (got.reason(), got.finishes[0].stop_string) == ("STOP", stop)
    ids = [token.id for token in whole.tokens[0]]
    needed = next(k for k in range(len(ids) + 1) if stop in tokenizer.decode(ids[:k], True))
    assert got.usage.completion_tokens == needed
    assert got.ids() == ids[: len(got.ids())]


async def test_a_stop_string_that_never_comes_holds_nothing_back(service: Service):
    plain = generate(temperature=0.0, max_tokens=20, ignore_eos=True)
    whole = await collect(service.inference.Generate(plain))
    last = whole.texts[0][-1]
    request = generate(temperature=0.0, max_tokens=20, ignore_eos=True, stop=[last + "\0"])
    got = await collect(service.inference.Generate(request))
    assert (got.texts, got.ids(), got.reason()) == (whole.texts, whole.ids(), "LENGTH")


async def test_max_tokens_defaults_to_the_rest_of_the_context(service: Service, tokenizer):
    ids = tokenizer.encode("fox" * MAX_MODEL_LEN)[: MAX_MODEL_LEN - 5]
    request = generate(tokens=inference_pb2.TokenIds(ids=ids), **ENDLESS)
    got = await collect(service.inference.Generate(request))
    assert (len(got.ids()), got.reason()) == (5, "LENGTH")


async def test_a_repeated_prompt_is_found_in_the_prefix_cache(service: Service):
    request = generate("brown dog over the lazy fox " * 8, max_tokens=2, **ENDLESS)
    first = await collect(service.inference.Generate(request))
    second = await collect(service.inference.Generate(request))
    assert first.usage.cached_prompt_tokens == 0
    assert 0 < second.usage.cached_prompt_tokens < second.prompt_tokens
    request.cache_salt = "another"
    other = await collect(service.inference.Generate(request))
    assert other.usage.cached_prompt_tokens == 0
    assert first.ids() == second.ids() == other.ids()


async def test_the_template_writes_the_prompt(service: Service, tokenizer):
    request = chat(
        message("be brief", chat_pb2.ROLE_SYSTEM),
        message("the fox"),
        template_variables={"mood": '"calm"'},
        max_tokens=1,
    )
    got = await collect(service.inference.Chat(request))
    prompt = (
        "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nthe fox<|im_end|>\n"
        "calm<|im_start|>assistant\n"
    )
    assert got.prompt_tokens == len(tokenizer.encode(prompt))


async def test_a_final_message_can_be_continued(service: Service, tokenizer):
    request = chat(
        message("go on"),
        message("the quick", chat_pb2.ROLE_ASSISTANT),
        continue_final_message=True,
        max_tokens=1,
    )
    got = await collect(service.inference.Chat(request))
    prompt = "<|im_start|>user\ngo on<|im_end|>\n<|im_start|>assistant\nthe quick"
    assert got.prompt_tokens == len(tokenizer.encode(prompt))


async def test_a_request_keeps_the_id_it_was_given(service: Service):
    got = await collect(service.inference.Chat(chat(request_id="mine/7", max_tokens=1)))
    assert got.request_id == "mine/7"
