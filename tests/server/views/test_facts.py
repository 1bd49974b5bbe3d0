"""What pages show of the language and the sentiment of messages."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from phospho_server.clock import now_ms
from phospho_server.store import message_facts
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, interaction, verdict
from tests.server.views.conftest import Visitor, text_of


@pytest.fixture
def told(store: SqliteStore, project: Project) -> None:
    """A cross Spanish session, and one that is glad in English and in a plugin's language."""
    rows = [
        ("t1", "s1", "message one", "es", -0.82),
        ("t2", "s2", "message two", "en", 0.5),
        ("t3", "s2", "message three", "<b>", 0.0),
    ]
    new = [
        interaction(task_id, session_id=session_id, input=said, created_at_ms=now_ms())
        for task_id, session_id, said, _, _ in rows
    ]
    add(store, project, *new)
    answers = [verdict(store, project, each, detected=True) for each in new]
    languages = [
        replace(answer, value=json.dumps(row[3])) for answer, row in zip(answers, rows, strict=True)
    ]
    sentiments = [
        replace(answer, value=json.dumps(row[4])) for answer, row in zip(answers, rows, strict=True)
    ]
    store.write(
        lambda db: message_facts.record(
            db, project.id, {"language": languages, "sentiment": sentiments}
        )
    )


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("language=es", {"one"}),
        ("language=en", {"two"}),
        ("sentiment=negative", {"one"}),
        ("sentiment=neutral", {"two"}),
        ("language=es&sentiment=positive", set()),
        ("language=es&q=message", {"one"}),
        ("language=es&period=24h", {"one"}),
    ],
)
def test_filters_for_facts_stand_in_the_address(
    visitor: Visitor, home: str, query: str, shown: set[str]
) -> None:
    page = text_of(visitor.get(f"{home}/sessions?{query}"))
    assert {name for name in ("one", "two") if f"message {name}" in page} == shown


@pytest.mark.usefixtures("told")
def test_a_filter_offers_what_there_is_by_name(visitor: Visitor, home: str) -> None:
    page = visitor.get(f"{home}/sessions?language=es").get_data(as_text=True)
    assert '<option value="es" selected>Spanish</option>' in page
    assert '<option value="en">English</option>' in page
    assert '<option value="negative">Negative</option>' in page
    assert "French" not in page
    assert "<b>" not in page


@pytest.mark.usefixtures("told")
def test_a_value_that_cannot_be_chosen_is_named(visitor: Visitor, home: str) -> None:
    page = text_of(visitor.get(f"{home}/sessions?language=tlh&sentiment=furious"))
    assert "“tlh” is not a choice of “language”" in page
    assert "“furious” is not a choice of “sentiment”" in page
    assert "message one" in page


@pytest.mark.usefixtures("told")
def test_a_transcript_shows_the_facts_of_the_session_and_of_each_interaction(
    visitor: Visitor, home: str
) -> None:
    response = visitor.get(f"{home}/sessions/s1")
    page = text_of(response)
    assert "Language Spanish" in page
    assert "Sentiment Negative -0.82" in page
    assert f'href="{home}/sessions?language=es"' in response.get_data(as_text=True)
    both = text_of(visitor.get(f"{home}/sessions/s2"))
    assert "English \u00d71" in both


@pytest.mark.usefixtures("told")
def test_the_dashboard_counts_languages_and_sentiment(visitor: Visitor, home: str) -> None:
    response = visitor.get(f"{home}/dashboard?period=7d")
    page = text_of(response)
    assert "Languages of users' messages" in page
    assert "Spanish 1" in page
    assert "Positive 1 Neutral 1 Negative 1" in page
    assert "1 negative, 1 neutral, 1 positive" in page
    html = response.get_data(as_text=True)
    assert f'href="{home}/interactions?language=es&amp;period=7d"' in html
    assert f'href="{home}/interactions?sentiment=negative&amp;period=7d"' in html
    assert "<b>" not in html


def test_where_nothing_tells_facts_no_page_speaks_of_them(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction("t1", created_at_ms=now_ms()))
    for path in ("sessions", "sessions/s1", "dashboard"):
        page = text_of(visitor.get(f"{home}/{path}"))
        assert "anguage" not in page
        assert "entiment" not in page
