"""Log events from strangers: kept as well as can be, or refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.snapshot import MAX_METADATA_CHARS, MAX_RAW_CHARS, MAX_TEXT_CHARS
from phospho_server.clock import DAY_MS
from phospho_server.errors import InvalidError
from phospho_server.incoming import read_interaction
from phospho_server.limits import MAX_DEPTH
from phospho_server.store.rows import NewInteraction
from tests.server.builders import NOON_MS
from tests.server.strangers import json_values


def read(**event: Any) -> NewInteraction:
    return read_interaction({"input": "hi", **event}, received_at_ms=NOON_MS)


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        pytest.param("text", "must be a JSON object", id="no-object"),
        pytest.param({}, "input must be text, not missing", id="no-input"),
        pytest.param({"input": {"a": 1}}, "input must be text, not an object", id="object"),
        pytest.param({"input": "hi", "output": [1]}, "output must be text, not a list", id="list"),
        pytest.param({"input": "hi", "task_id": True}, "task_id must be text", id="bool-id"),
        pytest.param({"input": "hi", "session_id": {}}, "session_id must be text", id="object-id"),
        pytest.param({"input": "hi", "user_id": "u" * 513}, "at most 512", id="long-id"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_reason(event: object, problem: str) -> None:
    with pytest.raises(InvalidError, match=problem):
        read_interaction(event, received_at_ms=NOON_MS)


@pytest.mark.parametrize("name", ["metadata", "raw_input", "raw_output", "other"])
def test_values_nested_too_deeply_are_refused(name: str) -> None:
    value: Any = {}
    for _ in range(MAX_DEPTH - 2):
        value = {"a": value}
    assert read(**{name: value}).input == "hi"
    for _ in range(2):
        value = {"a": value}
    with pytest.raises(InvalidError, match="more than 100 levels"):
        read(**{name: [value]})


@pytest.mark.parametrize(
    ("times", "expected_ms"),
    [
        pytest.param({}, NOON_MS, id="none"),
        pytest.param({"client_created_at": 1795176001}, 1795176001000, id="client-seconds"),
        pytest.param({"client_created_at_ms": 1795176001234}, 1795176001234, id="milliseconds"),
        pytest.param(
            {"created_at": 1795170000, "client_created_at": 1}, 1795170000000, id="created-at-wins"
        ),
        pytest.param(
            {"created_at": 1795170000, "created_at_ms": 1795170000250}, 1795170000250, id="both"
        ),
        pytest.param({"created_at": 1795170000.5}, 1795170000500, id="fraction"),
        pytest.param({"created_at": "2026-11-20T10:00:00Z"}, NOON_MS - 7_200_000, id="iso"),
        pytest.param({"created_at": "2026-11-20T12:00:00+02:00"}, NOON_MS - 7_200_000, id="zone"),
        # As seconds in a float, it is of the millisecond before.
        pytest.param({"created_at": "2004-06-22T13:28:38.574Z"}, 1087910918574, id="iso-to-the-ms"),
        pytest.param({"created_at": "soon"}, NOON_MS, id="no-time"),
        pytest.param({"created_at": -5}, NOON_MS, id="negative"),
        pytest.param({"created_at": (NOON_MS + 2 * DAY_MS) // 1000}, NOON_MS, id="future"),
        pytest.param({"created_at": 10**400}, NOON_MS, id="huge"),
        pytest.param({"created_at": 1e308}, NOON_MS, id="huge-float"),
        pytest.param({"created_at": True}, NOON_MS, id="bool"),
    ],
)
def test_the_first_time_that_can_be_true_is_taken(times: dict[str, Any], expected_ms: int) -> None:
    assert read(**times).created_at_ms == expected_ms


def test_unknown_keys_become_metadata_unless_metadata_has_them() -> None:
    kept = read(metadata={"plan": "pro"}, plan="free", rating=4.5, nothing=None)
    assert json.loads(kept.metadata or "") == {"plan": "pro", "rating": 4.5}


def test_metadata_that_is_no_object_is_kept_too() -> None:
    assert json.loads(read(metadata=["a"]).metadata or "") == {"metadata": ["a"]}


def test_steps_are_kept_apart_and_what_is_none_of_them_in_metadata() -> None:
    kept = read(steps=[{"name": "search", "kind": "tool"}, "walk"], plan="pro")
    assert json.loads(kept.steps or "") == [{"kind": "tool", "name": "search"}]
    assert json.loads(kept.metadata or "") == {"plan": "pro", "steps": ["walk"]}


@pytest.mark.parametrize("steps", [None, [], "three", ["walk"]])
def test_without_steps_there_is_nothing_to_keep(steps: object) -> None:
    assert read(steps=steps).steps is None


def test_a_step_nested_too_deeply_refuses_nothing() -> None:
    deep: Any = {}
    for _ in range(MAX_DEPTH * 2):
        deep = {"a": deep}
    kept = read(steps=[{"name": "search", "input": deep}, deep])
    assert "search" in (kept.steps or "")
    assert "deeper than" in (kept.metadata or "")


def test_users_and_versions_are_found_in_metadata() -> None:
    kept = read(metadata={"user_id": "u1", "version_id": 7})
    assert (kept.user_id, kept.version_id) == ("u1", "7")


def test_ids_are_made_where_there_are_none() -> None:
    first, second = read(), read(task_id="")
    assert len({first.task_id, second.task_id, first.session_id, second.session_id}) == 4


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("hi", None, id="same-as-the-text"),
        pytest.param({}, None, id="empty"),
        pytest.param({"more": "details"}, '{"more":"details"}', id="object"),
        pytest.param("other", '"other"', id="other-text"),
    ],
)
def test_raw_values_are_kept_where_they_say_more(raw: object, expected: str | None) -> None:
    assert read(raw_input=raw).raw_input == expected


def test_a_raw_value_that_was_only_cleaned_says_no_more_than_the_text() -> None:
    assert read(input="a\ud800\0", raw_input="a\ud800\0").raw_input is None


def test_what_is_too_large_is_cut_and_says_so() -> None:
    kept = read(
        input="x" * (MAX_TEXT_CHARS + 1),
        raw_output="y" * (MAX_RAW_CHARS + 1),
        metadata={"small": 1, "large": "z" * MAX_METADATA_CHARS, "last": 2},
    )
    metadata = json.loads(kept.metadata or "")
    assert len(kept.input) == MAX_TEXT_CHARS
    assert "[cut by phospho, 1000001 characters]" in kept.input[-60:]
    assert kept.raw_output is None
    assert (metadata["small"], metadata["last"]) == (1, 2)
    assert "large" not in metadata
    assert "metadata_cut" in metadata


def test_a_flag_is_success_or_failure_or_nothing() -> None:
    assert [read(flag=f).flag for f in ("success", "failure", "meh", 1)] == [
        "success",
        "failure",
        None,
        None,
    ]


names = st.sampled_from(
    [
        *("input", "output", "task_id", "session_id", "user_id", "version_id", "flag", "metadata"),
        *("raw_input", "raw_output", "created_at", "client_created_at", "steps", "other"),
    ]
)


@given(st.dictionaries(names, json_values))
def test_any_json_is_kept_or_refused(event: dict[str, Any]) -> None:
    try:
        kept = read_interaction(event, received_at_ms=NOON_MS)
    except InvalidError as exc:
        assert str(exc)
        return
    for text in (kept.input, kept.output, kept.metadata, kept.task_id, kept.raw_input, kept.steps):
        assert text is None or "\x00" not in text
        (text or "").encode("utf-8")
    assert 0 <= kept.created_at_ms <= NOON_MS + DAY_MS
