"""Texts of grammars, and what is refused before anything is compiled."""

from __future__ import annotations

import json

import pytest

from rostra.mesh import grammar as forms
from rostra.mesh.engine.grammar_table import MOST_COMPILED, Grammars
from rostra.mesh.grammar import GrammarError
from rostra.mesh.grammar.compiled import Vocabulary
from rostra.mesh.grammar.errors import one_line
from rostra.mesh.grammar.limits import MAX_LITERAL_BYTES, MAX_SOURCE_BYTES
from rostra.mesh.text import Tokenizer

LONG = "x" * (MAX_LITERAL_BYTES + 1)
LARGE = json.dumps({"enum": [f"value {i}" for i in range(MAX_SOURCE_BYTES // 8)]})
REFUSED = [
    (forms.json_schema, "[]", "must be a JSON object"),
    (forms.json_schema, "true", "must be a JSON object"),
    (forms.json_schema, "{", "is no JSON"),
    (forms.json_schema, '{"const": NaN}', "is no JSON"),
    (forms.json_schema, '{"const": "\\ud800"}', "is no JSON"),
    (forms.json_schema, '{"a":' * 500 + "1" + "}" * 500, "is no JSON"),
    (forms.json_schema, '{"a":' * 9000 + "1" + "}" * 9000, "nested|no JSON"),
    (forms.json_schema, '{"x-guidance": {"lenient": true}}', "x-guidance"),
    (forms.json_schema, json.dumps({"const": LONG}), "a string of 8193 bytes"),
    (forms.json_schema, LARGE, f"at most {MAX_SOURCE_BYTES} are taken"),
    (forms.json_schema, '{"items": {"minProperties": 2}}', "minProperties is 2 with 0 required"),
    (forms.regex, LONG, "at most 8192 are taken"),
    (forms.choices, [], "at least one choice"),
    (forms.choices, ["a", LONG], "a string of 8193 bytes"),
    (forms.lark, f"start: /{LONG}/", "a string of 8193 bytes"),
    (forms.lark, f'start: "{LONG}', "a string of 8193 bytes"),
    (forms.lark, 'start: x\nx[temperature=0.5]: "a"', "the option temperature"),
    (forms.lark, 'start: x\nx[capture, stop="b"]: /a+/', "the option stop"),
    (forms.lark, 'root ::= "a', "cannot be converted from GBNF"),
    (forms.lark, "root ::= " + "(" * 5000, "nested too deeply"),
]


@pytest.mark.parametrize(("form", "source", "reason"), REFUSED)
def test_refusals(form, source, reason):
    with pytest.raises(GrammarError, match=reason):
        form(source)


def test_many_short_strings_are_no_long_one():
    forms.json_schema(json.dumps({"enum": ["a/b", 'c"', "\\\\"] * 1000}))
    forms.lark("start: " + '"a" | /b/ | ' * 1000 + '"c"')


def test_counts_of_keys_that_hold_anyway():
    required = {"required": ["a", "b"], "minProperties": 3}
    forms.json_schema(json.dumps({"properties": {"minProperties": required}}))
    forms.json_schema('{"const": {"minProperties": 9}}')


def test_options_in_strings_are_no_options():
    forms.lark('start: "x[temperature=1]:" /[a]/')
    forms.lark('start: x\nx[lazy]: /a+/\ny[max_tokens=3]: "b"')


@pytest.fixture(scope="module")
def vocabulary(folder) -> Vocabulary:
    return Vocabulary.load(folder, 460)


UNFOLLOWED = [
    (forms.json_schema('{"not": {}}'), 'Unimplemented keys: ["not"]'),
    (forms.json_schema('{"type": "string", "format": "nothing"}'), "Unknown format: nothing"),
    (forms.json_schema('{"$ref": "#"}'), "no text follows the grammar from here on"),
    (forms.json_schema('{"type": "integer", "minimum": 3, "maximum": 1}'), "Unsatisfiable schema"),
    (forms.regex("a(?=b)"), "look-around, including look-ahead and look-behind"),
    (forms.regex(r"(a)\1"), "backreferences are not supported"),
    (forms.lark("start: /a"), "2(1): lexer error"),
    (forms.lark("start: @other"), "unknown grammar @other"),
]


@pytest.mark.parametrize(("text", "reason"), UNFOLLOWED)
def test_what_cannot_be_followed_has_a_reason_of_one_line(vocabulary, text, reason):
    with pytest.raises(GrammarError) as refused:
        vocabulary.compile(text)
    assert str(refused.value).startswith(reason)
    assert "\n" not in str(refused.value)


def test_reasons_without_a_line_are_still_said():
    assert one_line("") == one_line("<non-verbose/>\n") == "the grammar is not valid"


def test_tokens_have_the_bytes_that_they_are_written_with(folder, demo_model):
    for path, size in ((folder, 460), (demo_model, 49152)):
        tokenizer, library = Tokenizer.load(path), Vocabulary.load(path, size)._tokenizer
        assert library.vocab_size == size
        assert set(library.eos_tokens) == tokenizer.eos_token_ids
        for token_id in range(tokenizer.vocab_size):
            data = tokenizer.token_bytes(token_id)
            # The library marks special tokens by a byte that no UTF-8 has.
            if not tokenizer.is_special(token_id) and b"\xff" not in data:
                assert library.decode_bytes([token_id]) == data


def test_a_model_without_an_end_token_follows_none(folder, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    with pytest.raises(GrammarError, match="no end token"):
        Vocabulary.load(tmp_path, 460)


def test_grammars_are_compiled_once_and_the_oldest_unused_let_go(vocabulary):
    loads = []
    grammars = Grammars(lambda: loads.append(1) or vocabulary)
    first = forms.regex("a")
    assert grammars.compile(first) is grammars.compile(first)
    grammars.begin(first, "r")
    texts = [forms.choices([f"c{i}"]) for i in range(MOST_COMPILED + 5)]
    for text in texts:
        grammars.compile(text)
    assert loads == [1]
    assert grammars.is_compiled(first), "it is in use"
    assert not grammars.is_compiled(texts[0])
    assert grammars.is_compiled(texts[-1])
    grammars.end("r")
    grammars.compile(forms.regex("b"))
    assert not grammars.is_compiled(first)
