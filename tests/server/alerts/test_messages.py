"""What is sent of alerts, and in which words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from phospho.models import EventDefinition
from phospho_server.alerts.wording import say_terms, say_usual
from phospho_server.store.alert_rules import Terms
from phospho_server.store.alerts import Alert
from phospho_server.webhooks.alert_messages import ToldAlert, make_alert_body
from tests.server.builders import NOON_MS
from tests.server.webhooks.test_messages import PROJECT

ALERT = Alert(
    id="alert_1", project_id="proj_1", rule_id="rule_1", definition_id="event_1", event="book<ing>",
    color=0, terms=Terms(60, 5, 3), count=1_042, usual=6.0, fired_at_ms=NOON_MS,
)  # fmt: skip


def told(message: str = "alert.fired", **changes: Any) -> ToldAlert:
    definition = EventDefinition(id="event_1", name="book<ing>", description="d")
    alert = replace(ALERT, **changes)
    return ToldAlert(PROJECT, alert, definition, "http://here:8000", message)


def test_an_alert_is_told_with_what_is_usual_and_where_to_look() -> None:
    body = json.loads(make_alert_body(told(), "json"))
    assert (body["type"], body["timestamp"]) == ("alert.fired", "2026-11-20T12:00:00.000Z")
    assert body["data"]["url"] == "http://here:8000/projects/proj_1/events/event_1"
    assert body["data"]["event"]["name"] == "book<ing>"
    assert body["data"]["alert"] == {
        "id": "alert_1",
        "rule_id": "rule_1",
        "text": "1,042 in the last hour, usually 6",
        "count": 1_042,
        "usual": 6.0,
        "window_minutes": 60,
        "at_least": 5,
        "factor": 3,
        "fired_at": "2026-11-20T12:00:00.000Z",
        "ended_at": None,
    }


@pytest.mark.parametrize(
    ("count", "says"), [(4, "4 in the last hour"), (None, "somebody ended it")]
)
def test_the_end_of_an_alert_is_told_with_what_is_left(count: int | None, says: str) -> None:
    ended = told("alert.ended", ended_at_ms=NOON_MS + 60_000, ended_count=count)
    body = json.loads(make_alert_body(ended, "json"))
    assert (body["type"], body["timestamp"]) == ("alert.ended", "2026-11-20T12:01:00.000Z")
    alert = body["data"]["alert"]
    assert (alert["text"], alert["count"]) == (says, count)
    assert alert["ended_at"] == "2026-11-20T12:01:00.000Z"
    assert f"is over in Support &amp; more: {says}." in slack(ended)


def slack(alert: ToldAlert) -> str:
    return str(json.loads(make_alert_body(alert, "slack"))["text"])


def test_an_alert_that_fired_is_told_as_such_also_after_it_ended() -> None:
    body = json.loads(make_alert_body(told(ended_at_ms=NOON_MS + 1, ended_count=0), "json"))
    assert (body["type"], body["data"]["alert"]["count"]) == ("alert.fired", 1_042)


def test_nothing_comes_alive_in_slack() -> None:
    text = slack(told())
    assert "*book&lt;ing&gt;* fired in Support &amp; more: 1,042 in the last hour" in text
    assert text.count("<") == 1


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (Terms(15, 1), "1 or more in 15 minutes"),
        (Terms(60, 1_000), "1,000 or more in an hour"),
        (Terms(1_440, 5, 2), "5 or more in 24 hours, and 2 times the usual number"),
    ],
)
def test_a_rule_is_said_in_a_line(terms: Terms, says: str) -> None:
    assert say_terms(terms) == says


@pytest.mark.parametrize(
    ("usual", "says"),
    [(0.0, "0"), (6.0, "6"), (5.5, "5.5"), (0.04, "0"), (10.4, "10"), (12_345.6, "12,346")],
)
def test_what_is_usual_is_said_no_more_precisely_than_it_is_known(usual: float, says: str) -> None:
    assert say_usual(usual) == says
