"""What a search result shows of a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho_server.views.excerpts import excerpt
from phospho_server.views.formats import Piece


def said(text: str, words: str) -> str:
    """Return an excerpt with its marks in brackets."""
    return "".join(f"[{p.text}]" if p.hue else p.text for p in excerpt(text, words))


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("", "x", ""),
        ("A plain text", "", "A plain text"),
        ("A plain text", "other", "A plain text"),
        ("Find it, find IT.", "it FIND", "[Find] [it], [find] [IT]."),
        ("Ça coûte", "ca coute", "[Ça] [coûte]"),
        ("Stra\u00dfe", "strasse", "[Stra\u00dfe]"),
        ("finding", "find", "finding"),
        ("snake_case", "case", "snake_[case]"),
        ("42-7", "42-7", "[42]-[7]"),
    ],
)
def test_words_are_marked_as_the_search_compares_them(text: str, words: str, expected: str) -> None:
    assert said(text, words) == expected


def test_a_long_text_is_shown_around_its_first_word() -> None:
    text = "before " * 200 + "needle " + "after " * 200
    shown = said(text, "needle")
    assert shown.startswith("\u2026 before before")
    assert shown.endswith(" \u2026")
    assert "[needle]" in shown
    assert shown.index("[") <= 90
    assert len(shown) < 300


def test_a_text_without_spaces_is_shown_too() -> None:
    shown = excerpt("x" * 5000 + "-needle-" + "y" * 5000, "needle")
    assert Piece("needle", "hue-6") in shown
    assert sum(len(piece.text) for piece in shown) < 300


WORDS = st.sampled_from(
    ["a", "Ab", "\u00e9", "e\u0301", "\u00df", "\u0130", "\ufb01n", "x" * 90, "7"]
)
GAPS = st.sampled_from([" ", ", ", "-", "_", "\n", "\u2026 ", "\U0001f600", " <b> ", "\u202e"])
TEXTS = st.text(max_size=400) | st.lists(WORDS | GAPS, max_size=200).map("".join)


@given(text=TEXTS, words=st.text(max_size=20) | st.lists(WORDS, max_size=3).map(" ".join))
def test_an_excerpt_is_a_part_of_the_text_and_marks_nothing_else(text: str, words: str) -> None:
    pieces = excerpt(text, words)
    joined = "".join(piece.text for piece in pieces)
    assert joined.removeprefix("\u2026 ").removesuffix(" \u2026") in text or joined in text
    assert all(piece.text for piece in pieces)
    assert len(joined) <= 280 + 4
    for marked in (piece.text for piece in pieces if piece.hue):
        assert marked.isalnum() or not marked.isascii()
        assert said(marked, words) == f"[{marked}]"
    if text and not any(piece.hue for piece in pieces):
        assert joined.startswith(text[:100]) or text[:100].startswith(joined)


@given(words=st.lists(WORDS, min_size=1, max_size=3))
def test_each_word_of_a_text_is_marked_when_it_is_asked_for(words: list[str]) -> None:
    text = "before " * 30 + " ".join(words) + " after" * 60
    assert any(piece.hue for piece in excerpt(text, words[0]))
