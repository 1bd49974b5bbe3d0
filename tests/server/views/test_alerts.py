"""Alert rules on the pages: made, edited, paused, deleted, and where they are seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from phospho.models import EventDefinition
from phospho_server.alerts.worker import AlertWorker
from phospho_server.clock import now_ms
from phospho_server.store import alert_rules, alerts, detections, webhooks
from phospho_server.store.alert_rules import AlertRule, Terms
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction, verdict
from tests.server.views import people
from tests.server.views.conftest import Visitor, text_of


@pytest.fixture
def event(store: SqliteStore, project: Project) -> EventDefinition:
    return define(store, project, name="refund")


def happen(store: SqliteStore, project: Project, event: EventDefinition, events: int) -> None:
    new = [interaction(f"t{n}", session_id=f"s{n}", created_at_ms=now_ms()) for n in range(events)]
    add(store, project, *new)
    found = [verdict(store, project, each, detected=True) for each in new]
    store.write(lambda db: detections.record(db, project.id, event, found))


def rules(store: SqliteStore, project: Project) -> list[AlertRule]:
    with store.read() as db:
        return alert_rules.list_rules(db, project.id)


def make(visitor: Visitor, home: str, event: EventDefinition, **fields: object) -> str:
    """Make a rule; return its address."""
    typed = {"event_id": event.id, "at_least": "3", "window": "60", "factor": "", **fields}
    response = visitor.post(f"{home}/alerts", **typed)
    assert response.status_code == 303
    return response.headers["Location"]


def test_a_rule_is_made_seen_edited_paused_and_deleted(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, event: EventDefinition
) -> None:
    assert "There is no alert yet" in text_of(visitor.get(f"{home}/settings"))
    address = make(visitor, home, event)
    (rule,) = rules(store, project)
    assert rule.terms == Terms(60, 3)
    for page in (f"{home}/settings", f"{home}/events/{event.id}", address):
        said = text_of(visitor.get(page))
        assert "3 or more in an hour" in said
        assert "Quiet" in said
        assert "0 in the last hour" in said
    assert visitor.post(address, at_least="5", window="1440", factor="2").status_code == 303
    assert rules(store, project)[0].terms == Terms(1_440, 5, 2)
    said = text_of(visitor.get(address))
    assert "5 or more in 24 hours, and 2 times the usual number" in said
    assert "Learning what is usual, 7 more days" in said
    visitor.post(f"{address}/toggle", enabled="0")
    assert "Paused" in text_of(visitor.get(address))
    visitor.post(f"{address}/toggle", enabled="1")
    assert "Paused" not in text_of(visitor.get(address))
    assert visitor.post(f"{address}/delete").status_code == 303
    assert rules(store, project) == []
    assert visitor.get(address).status_code == 404


def test_what_fires_is_seen_on_the_dashboard_until_it_is_over(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, event: EventDefinition
) -> None:
    happen(store, project, event, 4)
    address = make(visitor, home, event)
    assert "Alert since" not in text_of(visitor.get(f"{home}/dashboard"))
    AlertWorker(store).run_once()
    assert visitor.get(f"{home}/pulse").get_json()["firing"] == 1
    said = text_of(visitor.get(f"{home}/dashboard"))
    assert "refund Alert since" in said
    assert "4 in the last hour" in said
    own = text_of(visitor.get(address))
    assert "Firing since" in own
    assert "over when there was no more reason for it for 30 min" in own
    visitor.post(f"{address}/toggle", enabled="0")
    assert "Alert since" not in text_of(visitor.get(f"{home}/dashboard"))
    (alert,) = store_log(store, project)
    assert alert.ended_at_ms is not None
    # The log outlives the rule.
    visitor.post(f"{address}/delete")
    for page in (f"{home}/settings", f"{home}/events/{event.id}"):
        said = text_of(visitor.get(page))
        assert "4 in the last hour" in said[said.index("The newest alert ") :]


def store_log(store: SqliteStore, project: Project) -> list[alerts.Alert]:
    with store.read() as db:
        return alerts.list_log(db, project.id)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        pytest.param({"event_id": ""}, "Choose the event", id="no-event"),
        pytest.param({"at_least": "0"}, "a number of events from 1", id="none"),
        pytest.param({"at_least": "-3"}, "a number of events from 1", id="below-none"),
        pytest.param({"at_least": "9" * 400}, "a number of events from 1", id="far-too-many"),
        pytest.param({"at_least": "²"}, "a number of events from 1", id="no-number"),
        pytest.param({"window": "61"}, "no such window", id="window"),
        pytest.param({"factor": "1.5"}, "no such comparison", id="factor"),
        pytest.param({"window": "10080", "factor": "2"}, "Choose a shorter window", id="week"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_do(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, event: EventDefinition,
    typed: dict[str, str], says: str,
) -> None:  # fmt: skip
    fields = {"event_id": event.id, "at_least": "3", "window": "60", "factor": "", **typed}
    response = visitor.post(f"{home}/alerts", **fields)
    assert response.status_code == 422
    assert says in text_of(response)
    assert rules(store, project) == []
    address = make(visitor, home, event)
    if "event_id" not in typed:
        response = visitor.post(address, **fields)
        assert response.status_code == 422
        assert says in text_of(response)
        assert [each.terms for each in rules(store, project)] == [Terms(60, 3)]


def test_the_same_rule_is_not_made_twice_and_there_are_not_too_many(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, event: EventDefinition
) -> None:
    for n in range(1, alert_rules.MOST + 1):
        make(visitor, home, event, at_least=str(n))
    for at_least, says in (("1", "which is the most"), ("99", "which is the most")):
        typed = {"event_id": event.id, "at_least": at_least, "window": "60", "factor": ""}
        assert says in text_of(visitor.post(f"{home}/alerts", **typed))
    newest = rules(store, project)[-1]
    visitor.post(f"{home}/alerts/{newest.id}/delete")
    response = visitor.post(
        f"{home}/alerts", event_id=event.id, at_least="1", window="60", factor=""
    )
    assert "has the same alert rule already" in text_of(response)


def test_a_viewer_sees_and_an_editor_changes(
    visitor: Visitor, new_visitor: Callable[[], Visitor], store: SqliteStore, project: Project,
    home: str, event: EventDefinition,
) -> None:  # fmt: skip
    address = make(visitor, home, event)
    people.make(store, "owner@example.com")
    viewer = people.member(store, project, new_visitor(), "viewer", "v@example.com")
    for page in (f"{home}/settings", f"{home}/events/{event.id}", address):
        said = text_of(viewer.get(page))
        assert "3 or more in an hour" in said
        assert "Add the alert" not in said
        assert "Pause" not in said
    editor = people.member(store, project, new_visitor(), "editor", "e@example.com")
    assert "Add the alert" in text_of(editor.get(f"{home}/settings"))
    assert editor.post(f"{address}/toggle", enabled="0").status_code == 303


def test_a_page_says_where_nobody_is_told(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, event: EventDefinition
) -> None:
    address = make(visitor, home, event)
    pages = (f"{home}/settings", f"{home}/events/{event.id}", address)
    for page in pages:
        assert "No webhook is told" in text_of(visitor.get(page))

    def add_hook(hears: str) -> None:
        store.write(
            lambda db: webhooks.add_webhook(
                db, project.id, url="sealed:x", shown_url="https://example.com", secret="sealed:x",
                format_name="json", definition_ids=None, page_url="http://here", hears=hears,
            )
        )  # fmt: skip

    add_hook("events")
    for page in pages:
        assert "No webhook is told" in text_of(visitor.get(page))
    add_hook("alerts")
    for page in pages:
        assert "No webhook is told" not in text_of(visitor.get(page))


def test_each_act_is_named_in_the_audit_log(
    visitor: Visitor, home: str, event: EventDefinition
) -> None:
    address = make(visitor, home, event, factor="3")
    visitor.post(f"{address}/toggle", enabled="0")
    visitor.post(f"{address}/delete")
    said = text_of(visitor.get(f"{home}/settings/audit-log"))
    for action in ("created", "paused", "deleted"):
        assert f"Alert rule {action}: refund: 3 or more in an hour, and 3 times" in said
