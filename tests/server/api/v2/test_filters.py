"""The filters of existing clients: whatever is asked, a list equals a scan of all tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho_server.api.v2.filters import KEYS
from phospho_server.store import detections, message_facts
from phospho_server.store.definitions import create_definition
from phospho_server.store.feedback import add_feedback
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.api.v2.conftest import Program
from tests.server.builders import HOUR_MS, NOON_MS, add, definition, interaction, verdict
from tests.server.plans import Watch

Task = dict[str, Any]

USERS = ("ana", "ben", None)

# Definitions, each with the values that its verdicts have by turns, as JSON.
_EVENTS: tuple[tuple[dict[str, Any], tuple[str | None, ...]], ...] = (
    ({"name": "one"}, (None,)),
    ({"name": "mood", "answer": "score"}, ("4.0", "2.0")),
    (
        {"name": "topic", "answer": "category", "categories": ("shoes", "hats")},
        ('"shoes"', '"hats"'),
    ),
)


@pytest.fixture
def events(store: SqliteStore, project: Project) -> dict[str, str]:
    """Fill the project with interactions of every kind; return the ids of events by name."""
    new = [
        interaction(
            f"t{n}",
            session_id=f"s{n // 4}",
            created_at_ms=NOON_MS + n * HOUR_MS,
            user_id=USERS[n % 3],
            version_id=f"v{n % 2}",
            metadata=json.dumps({"plan": "pro" if n % 2 else "free", "rating": n / 2}),
        )
        for n in range(16)
    ]
    add(store, project, *new)
    made = {}
    for step, (asked, values) in enumerate(_EVENTS, start=2):
        event = store.write(
            partial(create_definition, project_id=project.id, definition=definition(**asked))
        )
        made[event.name] = event.id
        found = [
            verdict(store, project, each, detected=True, value=values[n % len(values)])
            for n, each in enumerate(new)
            if n % step == 0
        ]
        store.write(
            partial(detections.record, project_id=project.id, definition=event, verdicts=found)
        )
    facts = [verdict(store, project, each, detected=True) for each in new]

    def tell(db: Any) -> None:
        for n in range(0, 16, 3):
            add_feedback(
                db,
                project.id,
                f"t{n}",
                flag="failure" if n % 2 else "success",
                notes="a note" if n % 4 == 0 else None,
                source="owner" if n % 6 == 0 else None,
            )
        message_facts.record(
            db,
            project.id,
            {
                "language": [replace(each, value='"fr"') for each in facts[::2]],
                "sentiment": [replace(each, value="0.9") for each in facts[::5]],
            },
        )

    store.write(tell)
    return made


Holds = Callable[[Task, Any, dict[str, str]], bool]


def _events_of(task: Task) -> set[str]:
    return {each["event_name"] for each in task["events"]}


def _has_values(task: Task, asked: dict[str, Any], ids: dict[str, str], part: str) -> bool:
    names = {event_id: name for name, event_id in ids.items()}
    found = {each["event_name"]: each["score_range"] for each in task["events"]}
    return all(
        names.get(event_id) in found and found[names[event_id]][part] == value
        for event_id, value in asked.items()
    )


def _source(task: Task) -> str | None:
    return task["last_eval"]["source"] if task["last_eval"] else None


# What each filter means, of a task as JSON.
MEANING: dict[str, Holds] = {
    "created_at_start": lambda t, v, _: t["created_at"] >= v,
    "created_at_end": lambda t, v, _: t["created_at"] <= v,
    "event_name": lambda t, v, _: bool(_events_of(t) & set(v)),
    "event_id": lambda t, v, ids: bool({ids[name] for name in _events_of(t)} & set(v)),
    "flag": lambda t, v, _: t["flag"] == v,
    "scorer_value": lambda t, v, ids: _has_values(t, v, ids, "value"),
    "classifier_value": lambda t, v, ids: _has_values(t, v, ids, "label"),
    "metadata": lambda t, v, _: all(t["metadata"].get(key) == each for key, each in v.items()),
    "user_id": lambda t, v, _: t["metadata"].get("user_id") == v,
    "last_eval_source": lambda t, v, _: _source(t) == v,
    "sentiment": lambda t, v, _: (t["sentiment"] or {}).get("label") == v,
    "language": lambda t, v, _: t["language"] == v,
    "has_notes": lambda t, v, _: (t["notes"] is not None) == v,
    "tasks_ids": lambda t, v, _: t["id"] in v,
    "clustering_id": lambda *_: False,
    "clusters_ids": lambda *_: False,
    "is_last_task": lambda t, v, _: t["is_last_task"] == v,
    "sessions_ids": lambda t, v, _: t["session_id"] in v,
    "version_id": lambda t, v, _: t["metadata"].get("version_id") == v,
    "task_position": lambda t, v, _: t["task_position"] == v,
    "task_id_search": lambda t, v, _: v in t["id"],
    "session_id_search": lambda t, v, _: v in t["session_id"],
    "excluded_users": lambda t, v, _: t["metadata"].get("user_id") not in v,
}

_time = st.integers(-1, 17).map(lambda n: NOON_MS // 1000 + n * 3600)
_ids = st.lists(st.sampled_from(["t0", "t1", "t6", "t15", "t99"]), max_size=3)
# Events by their names, which the test turns into their ids.
_asked: dict[str, st.SearchStrategy[Any]] = {
    "created_at_start": _time,
    "created_at_end": _time,
    "event_name": st.lists(st.sampled_from(["one", "mood", "topic", "none"]), max_size=3),
    "event_id": st.lists(st.sampled_from(["one", "mood", "topic", "none"]), max_size=3),
    "flag": st.sampled_from(["success", "failure"]),
    "scorer_value": st.sampled_from([{"mood": 4}, {"mood": 1}, {}]),
    "classifier_value": st.sampled_from([{"topic": "shoes"}, {"topic": "hats"}, {"none": "x"}]),
    "metadata": st.sampled_from(
        [{"plan": "pro"}, {"rating": 2.5}, {"user_id": "ana"}, {"plan": "pro", "rating": 2.5}, {}]
    ),
    "user_id": st.sampled_from(["ana", "ben", "nobody"]),
    "last_eval_source": st.sampled_from(["owner", "user"]),
    "sentiment": st.sampled_from(["positive", "negative"]),
    "language": st.sampled_from(["fr", "de"]),
    "has_notes": st.booleans(),
    "tasks_ids": _ids,
    "clustering_id": st.just("c"),
    "clusters_ids": st.just(["c"]),
    "is_last_task": st.booleans(),
    "sessions_ids": st.lists(st.sampled_from(["s0", "s3", "s9"]), max_size=2),
    "version_id": st.sampled_from(["v0", "v1", "v2"]),
    "task_position": st.integers(0, 5),
    "task_id_search": st.sampled_from(["1", "t", "x"]),
    "session_id_search": st.sampled_from(["1", "s", "x"]),
    "excluded_users": st.lists(st.sampled_from(["ana", "ben", "x"]), max_size=2),
}


def _with_ids(filters: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    named = dict(filters)
    if "event_id" in named:
        named["event_id"] = [ids.get(name, name) for name in named["event_id"]]
    for key in ("scorer_value", "classifier_value"):
        if key in named:
            named[key] = {ids.get(name, name): value for name, value in named[key].items()}
    return named


def test_the_meaning_of_all_23_filters_is_tried() -> None:
    assert len(KEYS) == 23
    assert set(MEANING) == set(_asked) == KEYS


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    filters=st.sampled_from(sorted(_asked)).flatmap(
        lambda first: st.fixed_dictionaries(
            {first: _asked[first]}, optional={k: v for k, v in _asked.items() if k != first}
        )
    ),
    count=st.integers(1, 3),
    limit=st.sampled_from([None, 1, 3]),
)
def test_a_list_equals_a_scan(
    program: Program, events: dict[str, str], filters: dict[str, Any], count: int, limit: int | None
) -> None:
    asked = _with_ids(dict(list(filters.items())[:count]), events)
    path = f"/projects/{program.project_id}/tasks"
    every = program.post(path)["tasks"]
    assert len(every) == 16
    expected = [
        task["id"]
        for task in every
        if all(MEANING[key](task, value, events) for key, value in asked.items())
    ]
    off = {key: None for key in KEYS if key not in asked}
    found = program.post(path, {"filters": {**off, **asked}, "limit": limit})["tasks"]
    assert [task["id"] for task in found] == expected[:limit]


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        pytest.param([], "filters must be", id="list"),
        pytest.param({"user_id": 3}, "user_id must be text", id="number"),
        pytest.param({"tasks_ids": "t1"}, "tasks_ids must be a list", id="text"),
        pytest.param({"created_at_start": "soon"}, "created_at_start must be", id="time"),
        pytest.param({"has_notes": "yes"}, "has_notes must be true", id="truth"),
        pytest.param({"metadata": ["plan"]}, "metadata must be a JSON object", id="object"),
        pytest.param({"task_position": "1"}, "task_position must be", id="position"),
    ],
)
def test_a_filter_of_a_wrong_type_is_refused_by_name(
    program: Program, filters: Any, says: str
) -> None:
    path = f"/projects/{program.project_id}/tasks"
    error = program.post(path, {"filters": filters}, status=422)["error"]
    assert says in error["message"]


def test_a_thousand_users_may_be_excluded(program: Program, events: dict[str, str]) -> None:
    excluded = ["ana", *(f"nobody {n}" for n in range(2_000))]
    path = f"/projects/{program.project_id}/tasks"
    found = program.post(path, {"filters": {"excluded_users": excluded}})["tasks"]
    assert len(found) == 10
    assert events


def test_sessions_are_filtered_by_what_is_true_of_one_of_their_tasks(
    program: Program, events: dict[str, str]
) -> None:
    path = f"/projects/{program.project_id}/sessions"
    assert len(program.get(path)["sessions"]) == 4
    late = {"created_at_start": NOON_MS // 1000 + 13 * 3600, "event_name": ["one"]}
    assert [s["id"] for s in program.post(path, {"filters": late})["sessions"]] == ["s3"]
    assert events
    refused = program.post(path, {"filters": {"tasks_ids": ["t1"]}}, status=422)
    assert "Ask for tasks instead" in refused["error"]["message"]


def test_no_list_reads_a_growing_table_from_end_to_end(
    program: Program, events: dict[str, str], statements: Watch
) -> None:
    project = f"/projects/{program.project_id}"
    asked = [
        *({"user_id": "ana"}, {"event_name": ["one"]}, {"event_name": ["one", "mood"]}, {}),
        *({"tasks_ids": ["t1"]}, {"sessions_ids": ["s1"]}, {"task_position": 1}),
        {"created_at_start": NOON_MS // 1000, "has_notes": False},
    ]
    assert events
    for filters in asked:
        program.post(f"{project}/tasks", {"filters": filters})
    for path in ("/tasks/t1", "/sessions/s1", "/sessions/s1/tasks", "/sessions/s1/transcript"):
        program.get(path)
    program.get(f"{project}/sessions")
    program.get(project)
    program.post(f"{project}/tasks/flat", {"with_removed_events": True})
    assert statements.problems == []
