"""What existing clients read is put together from texts: it reads as objects written as JSON do."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho.detectors.sentiment import feeling_of
from phospho_server.store import Connection, Row, detections, message_facts, records, reviews
from phospho_server.store import session_records as sessions
from phospho_server.store.feedback import add_feedback
from phospho_server.store.rows import NewInteraction, Project
from phospho_server.store.session_details import say_of_session
from phospho_server.store.sqlite import SqliteStore
from tests.server.api.v2.conftest import Program
from tests.server.builders import HOUR_MS, NOON_MS, add, define, interaction, verdict
from tests.server.strangers import json_values

Json = dict[str, Any]

# What reads as something else where it is pasted into a text, or is no text at all.
HOSTILE = (
    *(
        "",
        '"',
        "\\",
        '\\"',
        '","user_id":"eve',
        "}",
        "{}",
        "%s",
        "%(id)s",
        "{0}",
        "null",
        "\\u0041",
    ),
    *(
        "a\0b",
        "\ud800",
        "\udfff\ud800",
        "</script>",
        "\u2028\u2029",
        "\x7f\x1f",
        "\n\t\r",
        "é😀",
        "x" * 300,
    ),
)
OWN_NAMES = ("data", "test_id", "environment", "user_id", "version_id", "metadata", "d\\u0061ta")

_texts = st.sampled_from(HOSTILE + OWN_NAMES) | st.text(st.characters(), max_size=8)
_numbers = st.sampled_from([10**400, -(10**30), 2**63, 1e308, 5e-324, -0.0, 1.0, True])
_values = json_values | _texts | _numbers
_objects = st.dictionaries(_texts, _values | st.dictionaries(_texts, _values, max_size=2))
_events = st.fixed_dictionaries(
    {"input": _texts},
    optional={
        **dict.fromkeys(("task_id", "session_id", "output", "user_id", "version_id"), _texts),
        "metadata": _objects,
        "flag": st.sampled_from(["success", "failure"]),
        **dict.fromkeys(("raw_input", "raw_output"), _values | _objects),
    },
)


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON.")


def ask(app: Flask, path: str, api_key: str) -> Any:
    """Return what a route answers with, which must be JSON in every detail."""
    answer = app.test_client().get(path, headers={"Authorization": f"Bearer {api_key}"})
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.content_length == len(answer.data)
    return json.loads(answer.data.decode(), parse_constant=refuse)


def task_of(row: Row, position: int, length: int) -> Json:
    """Return an interaction without events and feedback as a task, made the plain way."""
    metadata = json.loads(row["metadata"] or "{}")
    told = {name: metadata.get(name) for name in ("data", "test_id", "environment")}
    if isinstance(told["data"], dict):
        del metadata["data"]
    named = {"user_id": row["user_id"], "version_id": row["version_id"]}
    raw = {name: json.loads(row[name] or "{}") for name in ("raw_input", "raw_output")}
    return {
        "id": row["task_id"],
        "task_id": row["task_id"],
        "created_at": row["created_at_ms"] // 1000,
        "org_id": "org_self_hosted",
        "project_id": row["project_id"],
        "session_id": row["session_id"],
        "input": row["input"],
        "output": row["output"],
        "additional_input": _as_object("raw_input", raw["raw_input"]),
        "additional_output": _as_object("raw_output", raw["raw_output"]),
        "metadata": {**metadata, **{k: v for k, v in named.items() if v is not None}},
        "data": told["data"] if isinstance(told["data"], dict) else None,
        "flag": row["flag"],
        "notes": row["notes"],
        "human_eval": row["flag"]
        and {
            "id": f"{row['task_id']}.eval",
            "created_at": row["created_at_ms"] // 1000,
            "flag": row["flag"],
        },
        "last_eval": None,
        "sentiment": None,
        "language": None,
        "test_id": told["test_id"] if isinstance(told["test_id"], str) else None,
        "environment": told["environment"]
        if told["environment"] and isinstance(told["environment"], str)
        else "default environment",
        "task_position": position,
        "is_last_task": position == length,
        "events": [],
    }


def _as_object(name: str, value: Any) -> Any:
    return value if isinstance(value, dict) else {name: value}


def list_plainly(db: Connection) -> list[Json]:
    """Return all interactions as tasks, the newest first."""
    rows = db.rows("select * from interactions order by created_at_ms, id")
    order = sorted(rows, key=lambda row: -int(row["id"]))
    of_session: dict[str, list[int]] = {}
    for row in rows:
        of_session.setdefault(row["session_id"], []).append(row["id"])
    return [
        task_of(
            row,
            of_session[row["session_id"]].index(row["id"]) + 1,
            len(of_session[row["session_id"]]),
        )
        for row in order
    ]


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(events=st.lists(_events, min_size=1, max_size=4))
def test_whatever_is_logged_is_read_back_as_it_would_be_from_objects(
    app: Flask, store: SqliteStore, project: Project, api_key: str, events: list[Json]
) -> None:
    app.test_client().post(
        f"/v2/log/{project.id}",
        data=json.dumps({"batched_log_events": events}),
        headers={"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"},
    )
    with store.read() as db:
        expected = list_plainly(db)
    assert ask(app, f"/v2/projects/{project.id}/tasks", api_key)["tasks"] == expected[:1000]
    found = ask(app, f"/v2/projects/{project.id}/sessions", api_key)["sessions"]
    assert {each["id"] for each in found} == {each["session_id"] for each in expected[:1000]}
    for each in found:
        (first,) = [
            task
            for task in expected
            if task["session_id"] == each["id"] and task["task_position"] == 1
        ]
        assert each["preview"] == (first["input"][:200] or "")
        assert set(each["metadata"]) <= {"user_id", "version_id"}


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        pytest.param(None, {}, id="nothing"),
        pytest.param("{}", {}, id="empty"),
        pytest.param("{ }", {}, id="a-space"),
        pytest.param('{"a":1}\n', {"a": 1}, id="a-line"),
        pytest.param("null", {}, id="null"),
        pytest.param("[1]", {}, id="list"),
        pytest.param('{"a": "é", "b": [1, 2]}', {"a": "é", "b": [1, 2]}, id="spaces"),
        pytest.param('{"a":"\\ud800\\u0000"}', {"a": "\ud800\0"}, id="escapes"),
        pytest.param('{"\\u0064ata":{"b":1},"c":2}', {"c": 2}, id="escaped-name"),
        pytest.param('{"data":[1]}', {"data": [1]}, id="data-that-is-no-object"),
        pytest.param('{"a":{"user_id":"eve"}}', {"a": {"user_id": "eve"}}, id="name-within"),
        pytest.param('{"a":1e400}', {"a": float("inf")}, id="no-number"),
        pytest.param('{"a":NaN}', None, id="nan"),
    ],
)
def test_json_that_was_stored_in_any_way_is_read(
    program: Program, store: SqliteStore, project: Project, stored: str | None, read: Json | None
) -> None:
    add(store, project, interaction(user_id="ana", version_id="1"))
    store.write(lambda db: db.execute("update interactions set metadata = :it", {"it": stored}))
    metadata = program.get(f"/projects/{project.id}/tasks")["tasks"][0]["metadata"]
    named = {"user_id": "ana", "version_id": "1"}
    if read is None:
        assert repr(metadata.pop("a")) == "nan"
    assert metadata == {**(read or {}), **named}


def fill(store: SqliteStore, project: Project) -> None:
    """Store sessions with all that can be known of them; some are as new as others."""
    new = [
        interaction(
            f"t{n}",
            session_id=f"s{n % 5}",
            created_at_ms=NOON_MS + (n // 5) * HOUR_MS,
            user_id=HOSTILE[n % 4],
            version_id=HOSTILE[-(n % 4) - 1] or None,
        )
        for n in range(20)
    ]
    add(store, project, *new)
    _find_events(store, project, new)
    given = [verdict(store, project, each, detected=True) for each in new]

    def tell(db: Connection) -> None:
        for n in range(0, 20, 3):
            flag = "failure" if n % 2 else "success"
            add_feedback(db, project.id, f"t{n}", flag=flag, notes=HOSTILE[n], source=HOSTILE[-n])
        message_facts.record(
            db,
            project.id,
            {
                "language": [_told(given[n], ("en", "de", '"')[n % 3]) for n in range(18)],
                "sentiment": [_told(given[n], (n - 8) / 10) for n in range(2, 18)],
            },
        )
        say_of_session(
            db, project.id, "s3", metadata={"user_id": "eve", "\ud7ff": 1}, data={"a": [None]}
        )
        say_of_session(db, project.id, "s4", notes=HOSTILE[2], preview=HOSTILE[3])

    store.write(tell)


def _told(given: Any, value: str | float) -> Any:
    return type(given)(**{**vars(given), "value": json.dumps(value)})


def _find_events(store: SqliteStore, project: Project, new: list[NewInteraction]) -> None:
    asked: tuple[Json, ...] = (
        {"name": 'a "name" </b>'},
        {"name": "mood", "answer": "score"},
        {"name": "topic", "answer": "category", "categories": ('"shoes"', "hats\\")},
    )
    values: tuple[Callable[[int], str | None], ...] = (
        lambda _: None,
        lambda n: json.dumps(float(n % 5)),
        lambda n: json.dumps(('"shoes"', "hats\\")[n % 2]),
    )
    for number, (definition, value) in enumerate(zip(asked, values, strict=True)):
        event = define(store, project, **definition)
        found = [
            verdict(store, project, each, detected=True, value=value(n), score=0.5 + n / 100)
            for n, each in enumerate(new)
            if n % (number + 1) == 0
        ]
        store.write(
            partial(detections.record, project_id=project.id, definition=event, verdicts=found)
        )
        denied = found[0].interaction_id
        place: Json = {
            "project_id": project.id,
            "definition_id": event.id,
            "interaction_id": denied,
        }
        store.write(partial(reviews.review, **place, occurred=False, source="audit"))


def test_a_list_has_of_each_what_it_has_by_itself(
    program: Program, store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, project)
    for path, name, module in (("tasks", "tasks", records), ("sessions", "sessions", sessions)):
        whole = program.get(f"/projects/{project.id}/{path}")[name]
        # One by one, they are found by their ids and not beside each other.
        assert whole == [program.get(f"/{path}/{each['id']}") for each in whole]
        monkeypatch.setattr(module, "_CHUNK", 2)
        assert program.get(f"/projects/{project.id}/{path}")[name] == whole
        with_flag = {"filters": {"flag": "success"}}
        some = program.post(f"/projects/{project.id}/{path}", with_flag)[name]
        assert 0 < len(some) <= len(whole)
        assert [each for each in whole if each in some] == some


def test_a_session_says_what_is_most_common_in_it(
    program: Program, store: SqliteStore, project: Project
) -> None:
    fill(store, project)
    tasks = program.get(f"/projects/{project.id}/tasks")["tasks"]
    for session in program.get(f"/projects/{project.id}/sessions")["sessions"]:
        mine = [task for task in tasks if task["session_id"] == session["id"]]
        scores = [task["sentiment"]["score"] for task in mine if task["sentiment"]]
        assert session["stats"] == {
            "avg_sentiment_score": pytest.approx(sum(scores) / len(scores)),
            "avg_magnitude_score": pytest.approx(sum(map(abs, scores)) / len(scores)),
            "most_common_sentiment_label": most_common(map(feeling_of, scores)),
            "most_common_language": most_common(task["language"] for task in mine),
            "most_common_flag": most_common(task["flag"] for task in mine),
            "human_eval": most_common(task["flag"] for task in mine),
        }
        names = [event["event_name"] for task in mine for event in task["events"]]
        assert [event["event_name"] for event in session["events"]] == sorted(
            set(names), key=lambda name: (-names.count(name), name)
        )


def most_common(values: Any) -> str | None:
    """Return the most frequent value; of two, the first by name."""
    known = sorted(value for value in values if value is not None)
    return max(known, key=known.count, default=None)


def test_a_task_with_all_there_is_reads_as_it_was_told(
    program: Program, store: SqliteStore, project: Project
) -> None:
    fill(store, project)
    task = program.get("/tasks/t6")
    place = {
        "org_id": "org_self_hosted",
        "project_id": project.id,
        "session_id": "s1",
        "task_id": "t6",
    }
    ids = {event["event_name"]: event.pop("id") for event in task["events"]}
    assert all(each.startswith("ev") and each.endswith(".t6") for each in ids.values())
    assert task["events"] == [
        {
            **place,
            "created_at": NOON_MS // 1000 + 3600,
            "event_name": name,
            "source": "phospho-rules",
            "confirmed": False,
            "removed": False,
            "removal_reason": None,
            "score_range": dict(
                zip(("score_type", "value", "min", "max", "label"), score, strict=True)
            ),
        }
        for name, score in {
            'a "name" </b>': ("confidence", 0.56, 0.0, 1.0, None),
            "mood": ("range", 1.0, 0.0, 1.0, None),
            "topic": ("category", 0.56, 0.0, 1.0, '"shoes"'),
        }.items()
    ]
    given = {key: task["last_eval"][key] for key in ("value", "source", "notes")}
    assert given == {"value": "success", "source": HOSTILE[-6], "notes": HOSTILE[6]}
    assert task["last_eval"].items() >= place.items()
    assert task["human_eval"]["id"] == task["last_eval"]["id"] == "t6.eval"
    assert (task["sentiment"], task["language"]) == (
        {"score": -0.2, "magnitude": 0.2, "label": feeling_of(-0.2)},
        "en",
    )
