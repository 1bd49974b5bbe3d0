"""`/v3/export`: figures that equal a count by hand, and users."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from phospho_server.api.v3 import pivot
from phospho_server.store import detections
from phospho_server.store.feedback import add_feedback
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import HOUR_MS, NOON_MS, add, define, interaction, verdict

DAY_S = 86_400


@pytest.fixture
def client(app: Flask, store: SqliteStore, project: Project) -> FlaskClient:
    new = [
        interaction(
            f"t{n}",
            session_id=f"s{n // 2}",
            created_at_ms=NOON_MS + n * 24 * HOUR_MS,
            user_id="ana" if n < 4 else "ben",
            metadata=json.dumps({"plan": "pro" if n % 2 else "free", "rating": n}),
        )
        for n in range(6)
    ]
    add(store, project, *new)
    event = define(store, project, name="Booking")
    found = [verdict(store, project, each, detected=True) for each in new[:3]]
    store.write(lambda db: detections.record(db, project.id, event, found))
    for task, flag in (("t0", "success"), ("t1", "failure"), ("t2", "success")):
        store.write(
            partial(
                add_feedback,
                project_id=project.id,
                task_id=task,
                flag=flag,
                notes=None,
                source="user",
            )
        )
    return app.test_client()


@pytest.fixture
def ask(client: FlaskClient, project: Project, api_key: str) -> Any:
    def post(path: str, status: int = 200, **body: Any) -> Any:
        answer = client.post(
            f"/v3/export/{path}",
            json={"project_id": project.id, **body},
            headers={"Authorization": f"Bearer {api_key}"},
        )
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer.get_json()

    return post


def table(rows: list[dict[str, Any]]) -> dict[Any, Any]:
    return {row["breakdown_by"]: row["metric"] for row in rows}


# 2026-11-20 is a Friday.
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(
            ("nb_messages", "week"), {"2026-11-16": 3, "2026-11-23": 3}, id="messages-by-week"
        ),
        pytest.param(("nb_messages", "month"), {"2026-11": 6}, id="messages-by-month"),
        pytest.param(
            ("nb_sessions", "day"),
            {**{f"2026-11-{20 + n}": 1 - n % 2 for n in range(6)}},
            id="sessions-by-day",
        ),
        pytest.param(("tags_count", "week"), {"2026-11-16": 3, "2026-11-23": 0}, id="events"),
        pytest.param(
            ("avg_success_rate", "month"), {"2026-11": pytest.approx(2 / 3)}, id="success"
        ),
        pytest.param(("nb_messages", "tagger_name"), {"Booking": 3}, id="by-event"),
        pytest.param(("nb_messages", "task_position"), {1: 3, 2: 3}, id="by-position"),
        pytest.param(("nb_messages", "plan"), {"free": 3, "pro": 3}, id="by-metadata"),
        pytest.param(("nb_messages", "user_id"), {"ana": 4, "ben": 2}, id="by-user"),
        pytest.param(("avg_session_length", None), {"all": 2}, id="session-length"),
        pytest.param(("nb_sessions", "None"), {"all": 3}, id="sessions"),
    ],
)
def test_a_figure_is_what_a_person_counts(
    ask: Any, asked: tuple[str, str | None], expected: dict[Any, Any]
) -> None:
    metric, breakdown_by = asked
    rows = ask("analytics", metric=metric, breakdown_by=breakdown_by)["pivot_table"]
    assert table(rows) == expected


@pytest.mark.parametrize(
    ("metric", "key", "expected"),
    [
        ("avg", "rating", 2.5),
        ("sum", "rating", 15),
        ("nb_unique", "plan", 2),
        ("avg", "plan", None),
    ],
)
def test_a_figure_may_be_of_metadata(ask: Any, metric: str, key: str, expected: Any) -> None:
    rows = ask("analytics", metric=metric, metric_metadata=key)["pivot_table"]
    assert table(rows) == {"all": expected}


def test_figures_of_what_a_filter_leaves(ask: Any) -> None:
    for filters, expected in (
        ({"user_id": "ben"}, {"2026-11": 2}),
        ({"created_at_start": NOON_MS // 1000 + 3 * DAY_S}, {"2026-11": 3}),
        ({"event_name": ["nobody defined it"]}, {}),
    ):
        rows = ask("analytics", metric="nb_messages", breakdown_by="month", filters=filters)
        assert table(rows["pivot_table"]) == expected


def test_what_cannot_be_counted_says_why(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nb_messages" in ask("analytics", 422, metric="anything")["error"]["message"]
    monkeypatch.setattr(pivot, "MOST", 5)
    error = ask("analytics", 422, metric="nb_messages", breakdown_by="plan")["error"]
    assert "created_at_start" in error["message"]


def test_users_are_listed_with_what_they_did(ask: Any, project: Project) -> None:
    path = f"projects/{project.id}/users"
    ben, ana = ask(path)["users"]
    assert (ben["user_id"], ana["user_id"]) == ("ben", "ana")
    assert (ana["nb_tasks"], ana["nb_sessions"], ana["avg_session_length"]) == (4, 2, 2)
    assert ana["first_message_ts"] == NOON_MS // 1000
    assert ask(path, limit=1)["users"] == [ben]
    assert ask(path, user_id_search="an")["users"] == [ana]
    assert ask(path, filters={"event_name": ["Booking"]})["users"] == [ana]
    assert ask(path, 422, filters={"task_position": 1})["error"]["code"] == "invalid"
