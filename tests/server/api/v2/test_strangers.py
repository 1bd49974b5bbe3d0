"""Whatever bodies strangers send to the routes of existing clients: no 5xx, and all adds up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho_server.api.v2.filters import KEYS
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction
from tests.server.roll_ups import check_facts, check_roll_ups
from tests.server.strangers import json_values

# With a project in place of {p}; of those that read, both verbs.
ROUTES = [
    ("POST", "/v2/log/{p}"),
    ("POST", "/v2/tasks"),
    ("GET", "/v2/tasks/t1"),
    ("POST", "/v2/tasks/t1"),
    ("POST", "/v2/tasks/t1/flag"),
    ("POST", "/v2/tasks/early/human-eval"),
    ("POST", "/v2/sessions"),
    ("GET", "/v2/sessions/s1"),
    ("POST", "/v2/sessions/s1"),
    ("POST", "/v2/sessions/s1/tasks"),
    ("GET", "/v2/sessions/s1/transcript"),
    ("GET", "/v2/projects/{p}"),
    ("POST", "/v2/projects/{p}/sessions"),
    ("POST", "/v2/projects/{p}/tasks"),
    ("POST", "/v2/projects/{p}/tasks/flat"),
    ("POST", "/v2/projects/{p}/tasks/flat-update"),
    ("GET", "/v2/me"),
    ("POST", "/v3/log"),
    ("POST", "/v3/export/analytics"),
    ("POST", "/v3/export/projects/{p}/users"),
]

_texts = st.sampled_from(
    [
        "nb_messages",
        "sum",
        "avg",
        "day",
        "tagger_name",
        "t1",
        "s1",
        "x",
        "",
        "success",
        "\ud800",
        "a\0b",
        "é" * 600,
        "1e3",
    ]
)
_values = (
    json_values
    | _texts
    | st.lists(_texts, max_size=3)
    | st.dictionaries(_texts, json_values | _texts, max_size=3)
    | st.sampled_from([2**63, -(2**63), 10**400, -1, 0, 1, 1.5, True, False])
)
_messages = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["user", "assistant", "system", "tool", "", "USER"]) | _values,
            "content": _values,
            "created_at": _values,
            "tool_calls": _values,
        },
    )
    | _values,
    max_size=5,
)
_EVENT_KEYS = (
    *("input", "output", "task_id", "session_id", "user_id", "version_id", "flag", "created_at"),
    *("metadata", "raw_input", "prompt_tokens", "completion_tokens", "total_tokens"),
)
_event = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(_EVENT_KEYS, _values),
        "messages": _messages | _values,
        "merge_mode": st.sampled_from(["resolve", "append", "replace", None]) | _values,
    },
)
_row = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("task_id", "task_metadata", "task_metadata.plan", "task_eval", "task_eval_source"),
        _values,
    ),
)
_BODY_KEYS = (
    *("input", "output", "session_id", "sender_id", "additional_input", "additional_output"),
    *("data", "metadata", "notes", "preview", "flag", "flag_source", "human_eval", "source"),
    *("metric", "metric_metadata", "breakdown_by", "user_id_search"),
    *("limit", "with_events", "with_sessions", "with_removed_events"),
)
_bodies = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(_BODY_KEYS, _values),
        "filters": st.dictionaries(st.sampled_from(sorted(KEYS)), _values, max_size=4) | _values,
        "batched_log_events": st.lists(_event | _values, max_size=3) | _values,
        "flattened_tasks": st.lists(_row | _values, max_size=3) | _values,
    },
)


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[f"{m} {p}" for m, p in ROUTES])
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(bodies=st.lists(_bodies, min_size=1, max_size=2))
def test_any_body_is_answered_and_every_count_is_right(
    app: Flask,
    store: SqliteStore,
    project: Project,
    api_key: str,
    method: str,
    path: str,
    bodies: list[Any],
) -> None:
    if not _has_interactions(store):
        define(store, project)
    add(store, project, interaction("t1", user_id="ana", version_id="1"))
    client = app.test_client()
    for body in bodies:
        answer = client.open(
            path.format(p=project.id),
            method=method,
            data=json.dumps(body),
            headers={"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"},
        )
        assert answer.status_code < 500, answer.get_data(as_text=True)
        if path.endswith("/log") or "/log/" in path:
            is_batch = isinstance(body.get("batched_log_events"), list)
            assert answer.status_code == (200 if is_batch else 400)
        # What is answered can be read again, as texts that are whole.
        json.loads(answer.get_data()).__str__().encode()
    with store.read() as db:
        check_roll_ups(db)
        check_facts(db)


def _has_interactions(store: SqliteStore) -> bool:
    with store.read() as db:
        return db.row("select 1 from interactions") is not None
