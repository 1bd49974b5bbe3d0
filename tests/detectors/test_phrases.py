"""Phrases and keywords as they stand in texts of many scripts."""

# Typographic and foreign characters are what is tested.
# ruff: noqa: RUF001

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors.phrases import Phrase

# Scripts with blanks between their words.
LETTERS = st.characters(categories=("Lu", "Ll", "Nd"), max_codepoint=0x52F)
WORDS = st.text(LETTERS, min_size=1, max_size=12)
ANY_TEXT = st.text(st.characters(codec=None), max_size=60)


def is_in(words: str, text: str) -> bool:
    return Phrase(words).at("anywhere", text) is not None


@pytest.mark.parametrize(
    ("words", "text", "expected"),
    [
        pytest.param("refund", "a REFUND.", True, id="case"),
        pytest.param("refund", "refunds", True, id="plural"),
        pytest.param("refund", "refunded", True, id="past"),
        pytest.param("refund", "refunding", True, id="participle"),
        pytest.param("cancel", "cancelled", True, id="doubled"),
        pytest.param("cancel", "cancellation", False, id="another-word"),
        pytest.param("charge", "charged", True, id="after-e"),
        pytest.param("box", "boxes", True, id="after-x"),
        pytest.param("not", "notes", False, id="no-plural"),
        pytest.param("can", "caned", False, id="short-is-no-verb"),
        pytest.param("cancel my order", "cancel my orders", True, id="last-word"),
        pytest.param("user's", "the users", False, id="possessive"),
        pytest.param("user", "the user's", True, id="possessive-after"),
        pytest.param("fund", "refund", False, id="end-of-a-word"),
        pytest.param("refund", "refund_id", True, id="underscore"),
        pytest.param("mail", "e-mail", True, id="part-of-a-compound"),
        pytest.param("e-mail", "e–mail", True, id="dash"),
        pytest.param("don't", "don’t", True, id="apostrophe"),
        pytest.param("dont", "don't", False, id="no-apostrophe"),
        pytest.param("not working", "not\r\n  working", True, id="line-break"),
        pytest.param("not working", "not\u00a0working", True, id="hard-blank"),
        pytest.param("not working", "notworking", False, id="no-blank"),
        pytest.param("$5.00", "for $5.00!", True, id="amount"),
        pytest.param("$5.00", "for $5.001", False, id="longer-amount"),
        pytest.param("a.c", "abc", False, id="no-pattern"),
        pytest.param(r"\d", "5", False, id="no-class"),
        pytest.param("[x]", "an [x]", True, id="brackets"),
        pytest.param("c++", "C++ or c", True, id="plus"),
        pytest.param("c#", "C#", True, id="hash"),
        pytest.param("straße", "STRASSE", False, id="sharp-s"),
        pytest.param("über", "ÜBER alles", True, id="umlaut"),
        pytest.param("cafe", "cafe\u0301", False, id="accent-of-its-own"),
        pytest.param("café", "un cafe\u0301 svp", True, id="decomposed"),
        pytest.param("cafe\u0301", "un café svp", True, id="composed"),
        pytest.param("हिन्द", "हिन्दी", False, id="vowel-sign"),
        pytest.param("हिन्दी", "मैं हिन्दी बोलता हूँ", True, id="hindi"),
        pytest.param("возврат", "Мне нужен ВОЗВРАТ.", True, id="cyrillic"),
        pytest.param("возврат", "возвратный", False, id="cyrillic-word"),
        pytest.param("שלום", "אמר שלום!", True, id="hebrew"),
        pytest.param("退款", "我要退款谢谢", True, id="chinese"),
        pytest.param("返金", "返金してください", True, id="japanese"),
        pytest.param("환불", "환불을 원해요", True, id="korean"),
        pytest.param("คืนเงิน", "ขอคืนเงินด้วย", True, id="thai"),
        pytest.param("👍", "ok👍🏽", True, id="emoji"),
        pytest.param("wait...", "well, wait…", True, id="ellipsis"),
    ],
)
def test_a_phrase_is_whole_words(words: str, text: str, expected: bool) -> None:
    assert is_in(words, text) is expected


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        (Phrase("refund", "exact"), "refunds", False),
        (Phrase("refund", "exact"), "Refund", True),
        (Phrase("fun", "letters"), "refunds", True),
        (Phrase("Stop", has_case=True), "stop", False),
        (Phrase("Stop", has_case=True), "Stop", True),
        (Phrase("Stop", has_case=True), "Stops", False),
    ],
)
def test_a_phrase_may_be_meant_more_or_less_exactly(
    phrase: Phrase, text: str, expected: bool
) -> None:
    assert (phrase.at("anywhere", text) is not None) is expected


@pytest.mark.parametrize(
    ("words", "text", "starts", "ends", "whole"),
    [
        ("ok", "ok", True, True, True),
        ("ok", '"OK!"', True, True, True),
        ("ok", "**ok** then", True, False, False),
        ("ok", "so ok.", False, True, False),
        ("ok", "okay", False, False, False),
        ("?", "is it?", False, True, False),
        ("?", "is it?)", False, True, False),
        ("?", "is it?!", False, False, False),
        ("it?", "is it? yes", False, False, False),
    ],
)
def test_a_phrase_may_stand_at_the_edge_of_a_message(
    words: str, text: str, starts: bool, ends: bool, whole: bool
) -> None:
    found = [Phrase(words).at(place, text) for place in ("start", "end", "whole")]
    assert [quote is not None for quote in found] == [starts, ends, whole]


@given(WORDS, WORDS, WORDS)
def test_a_word_is_found_between_blanks_in_either_case(word: str, before: str, after: str) -> None:
    for shown in (word, word.upper() if word.upper().lower() == word.lower() else word):
        assert is_in(word, f"{before} {shown} {after}")


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_what_is_found_stands_in_the_text(words: str, before: str, after: str) -> None:
    if not words.strip():
        return
    text = f"{before} {words} {after}"
    for place in ("anywhere", "start", "end", "whole"):
        quote = Phrase(words, "letters").at(place, text)
        assert quote is None or quote in text
    if unicodedata.is_normalized("NFC", text) and "..." not in words:
        assert Phrase(words, "letters").at("anywhere", text) is not None


@given(WORDS, st.integers(min_value=0, max_value=20))
def test_a_phrase_is_counted(word: str, times: int) -> None:
    text = " | ".join([word] * times)
    assert len(list(Phrase(word, "exact").spans(text))) == times


@given(WORDS, WORDS)
def test_a_part_of_a_word_is_not_that_word(word: str, other: str) -> None:
    exact = Phrase(word, "exact")
    assert exact.at("anywhere", other + word) is None
    assert exact.at("anywhere", word + other) is None
    assert Phrase(word, "letters").at("anywhere", other + word) is not None
