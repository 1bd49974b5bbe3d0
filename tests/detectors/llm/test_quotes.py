"""Evidence must occur in the message; how models copy is forgiven, words of their own are not."""

# ruff: noqa: RUF001 - typographic characters are what models change

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors.llm.quotes import find_quote

TEXT = "Hello,  I can’t log in — it says “Error 42”.\nPlease help me NOW! Straße 5, naïve 你好世界"


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        pytest.param("Please help me NOW!", "Please help me NOW!", id="exact"),
        pytest.param("please HELP me now", "Please help me NOW", id="case"),
        pytest.param("I can't log in", "I can’t log in", id="apostrophe"),
        pytest.param('it says "Error 42"', "it says “Error 42", id="quotation-marks"),
        pytest.param('"it says "Error 42""', "it says “Error 42", id="quoted-again"),
        pytest.param("log in - it says", "log in — it says", id="dash"),
        pytest.param("Hello, I can't", "Hello,  I can’t", id="spaces"),
        pytest.param("42”. Please", "42”.\nPlease", id="line-break"),
        pytest.param("STRASSE 5", "Straße 5", id="folded-letters"),
        pytest.param("你好", "你好", id="no-spaces-between-words"),
        pytest.param(
            "log in ... help me", "log in — it says “Error 42”.\nPlease help me", id="dots"
        ),
        pytest.param(
            "log in […] help me", "log in — it says “Error 42”.\nPlease help me", id="cut"
        ),
        pytest.param("Please help me… now", "Please help me NOW", id="ellipsis"),
        pytest.param("help me ... log in", None, id="other-order"),
        pytest.param("I cannot log in", None, id="other-words"),
        pytest.param("elp m", None, id="inside-of-words"),
        pytest.param("I", None, id="one-letter"),
        pytest.param("...", None, id="only-dots"),
        pytest.param("—", None, id="punctuation"),
        pytest.param("", None, id="empty"),
        pytest.param("  \n ", None, id="blank"),
    ],
)
def test_a_quote_is_the_words_of_the_message_letter_for_letter(
    quote: str, found: str | None
) -> None:
    assert find_quote(quote, TEXT) == found


@pytest.mark.parametrize("text", ["k", "👍", "?", "no", " ok "])
def test_a_short_message_may_be_quoted_whole(text: str) -> None:
    assert find_quote(text, text) == text.strip()


def test_a_long_quote_is_shortened() -> None:
    text = "word " * 500
    quote = find_quote(text, text)
    assert quote is not None
    assert len(quote) == 300
    assert quote in text


def test_of_a_quote_that_left_out_much_the_first_part_is_shown() -> None:
    text = f"It began well. {'x ' * 400} And it ended badly."
    assert find_quote("It began well ... it ended badly", text) == "It began well"


@given(st.text(max_size=80), st.text(max_size=200))
def test_whatever_is_found_occurs_in_the_message(quote: str, text: str) -> None:
    found = find_quote(quote, text)
    assert found is None or (found in text and found)


@given(st.text(alphabet=st.characters(categories=["L", "Zs", "P", "N"]), max_size=100), st.data())
def test_words_of_the_message_are_found_in_it(text: str, data: st.DataObject) -> None:
    words = [word for word in text.split() if sum(map(str.isalnum, word)) > 2 and word.isalnum()]
    if words:
        assert find_quote(data.draw(st.sampled_from(words)), text) is not None
