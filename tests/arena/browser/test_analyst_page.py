from __future__ import annotations

import urllib.error
import urllib.request

import pytest

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("plot?name=nothing", "no figure 'nothing'"),
        ("plot?name=difference&rope=wide", "rope 'wide' is not a number"),
        ("contestant?name=yak", "'yak' is not a contestant"),
        ("table?level=poetry", "no strengths at level 'poetry'"),
        ("everything", "no 'everything' here"),
    ],
)
def test_a_question_without_an_answer_is_refused_in_one_line(
    arena, ratings, question: str, line: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{arena.url}/results/{question}", timeout=60)
    text = refused.value.read().decode()
    assert refused.value.code == 400
    assert line in text
    assert text.count("\n") == 1
