"""How values read on a page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from jinja2.filters import do_truncate
from markupsafe import escape

from phospho.visible import visible
from phospho_server.store.rows import EventCount
from phospho_server.views.formats import (
    LONG_TEXT,
    counted,
    duration,
    elapsed,
    error_words,
    iso,
    lay_out,
    pretty_json,
)
from phospho_server.views.parts import badge, time


@pytest.mark.parametrize(
    ("length_ms", "text"),
    [
        (0, "\u2013"),
        (-5, "\u2013"),
        (1, "1 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (3_600_000, "1 h"),
        (3_660_000, "1 h 1 min"),
        (90_000_000, "1 d 1 h"),
        (86_460_000, "1 d"),
    ],
)
def test_a_duration_names_its_largest_units(length_ms: int, text: str) -> None:
    assert duration(length_ms) == text


@pytest.mark.parametrize(
    ("length_ms", "text"),
    [
        (0, "0 ms"),
        (0.7, "1 ms"),
        (340.2, "340 ms"),
        (999.6, "1.0 s"),
        (1234, "1.2 s"),
        (59_940, "59.9 s"),
        (59_960, "1 min"),
        (3_660_000.5, "1 h 1 min"),
    ],
)
def test_the_length_of_a_call_is_told_finely_where_it_is_short(length_ms: float, text: str) -> None:
    assert elapsed(length_ms) == text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param({"type": "KeyError", "message": "'a'"}, "KeyError: 'a'", id="both"),
        pytest.param({"type": "CancelledError", "message": ""}, "CancelledError", id="type"),
        pytest.param({"message": "no"}, "no", id="message"),
        pytest.param({"type": 5, "message": [1]}, "", id="no-texts"),
        pytest.param("no", "no", id="text"),
        pytest.param(None, "", id="none"),
        pytest.param("x" * 2000, "x" * 1000 + " \u2026", id="long"),
    ],
)
def test_an_error_reads_as_its_type_and_message(error: object, words: str) -> None:
    assert error_words(error) == words


@given(st.text(alphabet="ab <é", max_size=400), st.integers(1, 3))
def test_a_badge_says_as_much_of_a_description_as_templates_do(text: str, count: int) -> None:
    event = EventCount("id", "<name>", text, color=14, events=count)
    short = do_truncate(Environment(autoescape=True), visible(text), 200)
    times = f'<span class="times"> \u00d7{count}</span>' if count > 1 else ""
    assert badge(event, count) == (
        f'<span class="badge hue-2" title="{escape(short)}"><bdi>&lt;name&gt;</bdi>{times}</span>'
    )


def test_a_time_is_told_in_utc() -> None:
    assert time(1_795_176_000_000) == (
        '<time datetime="2026-11-20T12:00:00Z" title="20 Nov 2026, 12:00 UTC">'
        "20 Nov 2026, 12:00 UTC</time>"
    )
    assert iso(1_795_176_000_000) == "2026-11-20T12:00:00Z"
    assert iso(10**20).startswith("9999")
    assert iso(-1).startswith("1970")


def test_a_noun_follows_its_number() -> None:
    assert [counted(n, "session") for n in (0, 1, 1234)] == [
        "0 sessions",
        "1 session",
        "1,234 sessions",
    ]


def test_what_cannot_be_seen_is_shown_by_its_code() -> None:
    assert visible("a\u202eb\x00\x1b\u200b\r\nc\td") == "a⟦U+202E⟧b⟦U+0000⟧⟦U+001B⟧⟦U+200B⟧\nc\td"
    assert visible("\u3164\u115f\u1160\uffa0\u180e") == ("⟦U+3164⟧⟦U+115F⟧⟦U+1160⟧⟦U+FFA0⟧⟦U+180E⟧")
    assert visible("مرحبا 👩‍👩‍👧") == "مرحبا 👩‍👩‍👧"


def test_json_is_indented_and_never_endless() -> None:
    assert pretty_json({"a": "é"}) == '{"a": "é"}'
    assert pretty_json({"a": "é" * 60}).startswith('{\n  "a": "éé')
    assert pretty_json("plain") == "plain"
    assert pretty_json("x" * 200_000).endswith("x …")


def test_overlapping_evidence_is_marked_once() -> None:
    message = lay_out("thanks a lot", [("thanks a", "hue-1"), ("a lot", "hue-2"), ("", "hue-3")])
    assert [(p.text, p.hue) for p in message.start] == [("thanks a", "hue-1"), (" lot", None)]


@given(st.text(max_size=LONG_TEXT * 3), st.integers(0, 50), st.integers(0, 3 * LONG_TEXT))
def test_cutting_and_marking_lose_nothing(word: str, length: int, at: int) -> None:
    text = word + " and so on" * 400
    quoted = text[at : at + length]
    message = lay_out(text, [(quoted, "hue-1")])
    assert "".join(p.text for p in [*message.start, *message.rest]) == text
    assert message.rest_length == sum(len(p.text) for p in message.rest)
    if quoted:
        marked = [p.text for p in [*message.start, *message.rest] if p.hue]
        assert "".join(marked) == quoted
