"""The dashboard: numbers, chart, events, and how it looks before there is anything."""

from __future__ import annotations

import re

import pytest

from phospho_server.clock import DAY_MS, HOUR_MS, now_ms
from phospho_server.store import detections, queues
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction, verdict
from tests.server.views.conftest import Visitor, text_of


@pytest.fixture
def busy(store: SqliteStore, project: Project) -> None:
    """Three interactions now, one in the period before; one event."""
    now = now_ms()
    add(
        store,
        project,
        *(
            interaction(f"t{n}", session_id=f"s{n}", user_id=f"u{n}", created_at_ms=at)
            for n, at in enumerate([now, now, now, now - 40 * DAY_MS])
        ),
    )
    event = define(store, project, name="booking")
    found = verdict(
        store, project, interaction("t0", session_id="s0", created_at_ms=now), detected=True
    )
    store.write(lambda db: detections.record(db, project.id, event, [found]))


def test_an_empty_project_teaches_how_to_send_something(
    visitor: Visitor, project: Project, home: str
) -> None:
    page = text_of(visitor.get(f"{home}/dashboard"))
    assert "pip install phospho" in page
    assert f'export PHOSPHO_PROJECT_ID="{project.id}"' in page
    assert 'export PHOSPHO_BASE_URL="http://localhost"' in page
    assert "Waiting for the first interaction" in page


@pytest.mark.usefixtures("busy")
def test_the_numbers_of_a_period_stand_beside_those_of_the_one_before(
    visitor: Visitor, home: str
) -> None:
    page = text_of(visitor.get(f"{home}/dashboard?period=30d"))
    assert "Interactions 3 ↑ 200 %" in page
    assert "Events 1 in this period" in page
    assert "Interactions by day in UTC" in page


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("period=24h", "by hour in UTC"),
        ("period=7d&show=sessions", "Sessions by day in UTC"),
        ("period=all", "Interactions 4 since the first interaction"),
        ("period=24h&show=users", "Interactions by hour"),
        ("period=soon", "“soon” is not a choice of “period”"),
        ("show=<b>", "“<b>” is not a choice of “show”"),
    ],
)
def test_the_address_says_what_is_shown(
    visitor: Visitor, home: str, query: str, words: str
) -> None:
    response = visitor.get(f"{home}/dashboard?{query}")
    assert response.status_code == 200
    assert words in text_of(response)


@pytest.mark.usefixtures("busy")
def test_an_event_leads_to_its_interactions(visitor: Visitor, home: str) -> None:
    page = visitor.get(f"{home}/dashboard").get_data(as_text=True)
    assert f'href="{home}/interactions?event=booking&amp;period=30d"' in page


def test_interactions_of_the_distant_past_and_future_do_not_break_the_chart(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(
        store,
        project,
        interaction("old", created_at_ms=0),
        interaction("new", created_at_ms=253_402_300_799_999, session_id="s2"),
    )
    for period in ("24h", "7d", "30d", "all"):
        response = visitor.get(f"{home}/dashboard?period={period}&show=users")
        assert response.status_code == 200
        assert len(response.data) < 150_000
    assert visitor.get(f"{home}/sessions").status_code == 200
    assert visitor.get(f"{home}/sessions/s2").status_code == 200


@pytest.mark.usefixtures("busy")
def test_the_pulse_counts_what_there_is(visitor: Visitor, home: str) -> None:
    pulse = visitor.get(f"{home}/pulse").get_json()
    assert pulse["interactions"] == 4
    assert pulse["events"] == 1
    assert pulse["pending"] > 0
    assert pulse["firing"] == 0


def test_a_dashboard_without_events_offers_to_define_one(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction(created_at_ms=now_ms() - HOUR_MS))
    assert "No event is defined yet" in text_of(visitor.get(f"{home}/dashboard"))


def test_the_events_of_a_project_have_colours_of_their_own(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction("t1"))
    for n in range(12):
        define(store, project, name=f"event {n}")
    page = visitor.get(f"{home}/events").get_data(as_text=True)
    assert len(set(re.findall(r'class="badge (hue-[0-9]+)"', page))) == 12


def wait_for(store: SqliteStore, waited_ms: int) -> None:
    store.write(
        lambda db: db.execute("update jobs set run_at_ms = :at", {"at": now_ms() - waited_ms})
    )


def test_detection_that_is_behind_says_by_how_much(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction("t1"), interaction("t2"))
    wait_for(store, 30_000)
    assert "behind" not in text_of(visitor.get(f"{home}/dashboard"))
    settings = text_of(visitor.get(f"{home}/settings"))
    assert re.search(r"2 new interactions wait to be looked at, the oldest for \d+ s\.", settings)
    wait_for(store, 125_000)
    page = text_of(visitor.get(f"{home}/dashboard"))
    assert "Detection is 2 min behind: 2 new interactions wait to be looked at" in page
    store.write(lambda db: db.execute("update jobs set parked_at_ms = 1"))
    for shown in ("dashboard", "settings"):
        assert "wait to be looked at" not in text_of(visitor.get(f"{home}/{shown}"))


def test_a_backlog_beyond_what_is_counted_says_that_there_is_more(
    visitor: Visitor,
    store: SqliteStore,
    project: Project,
    home: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queues, "MOST", 1)
    for name in ("t1", "t2"):
        add(store, project, interaction(name))
    wait_for(store, 65_000)
    page = text_of(visitor.get(f"{home}/dashboard"))
    assert "Detection is 1 min behind: more than 1 new interaction wait to be looked at" in page
