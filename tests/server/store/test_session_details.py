"""What is said of sessions as a whole: kept with them, and gone with them."""

from __future__ import annotations

import pytest

from phospho_server.clock import DAY_MS, now_ms
from phospho_server.errors import InvalidError, NotFoundError
from phospho_server.store import Store, erasing, retention
from phospho_server.store.interactions import find_ids
from phospho_server.store.rows import Project
from phospho_server.store.session_details import (
    create_session,
    list_details,
    list_empty,
    say_of_session,
)
from phospho_server.store.session_records import get_session_record
from tests.server.builders import add, interaction
from tests.server.databases import on_each_database

pytestmark = on_each_database


def names(store: Store, project: Project) -> list[str]:
    with store.read() as db:
        rows = db.rows("select session_id from session_details order by session_id")
    return [row["session_id"] for row in rows]


def test_what_is_said_later_is_added_and_null_leaves_what_there_is(
    store: Store, project: Project
) -> None:
    add(store, project, interaction(session_id="s1"))
    store.write(
        lambda db: say_of_session(db, project.id, "s1", metadata={"a": 1, "b": 1}, notes="one")
    )
    store.write(lambda db: say_of_session(db, project.id, "s1", metadata={"b": 2}, data={"c": 3}))
    with store.read() as db:
        said = list_details(db, project.id, ["s1", "s2"])["s1"]
        record = get_session_record(db, project.id, "s1")
    assert (said.metadata, said.data, said.notes) == ({"a": 1, "b": 2}, {"c": 3}, "one")
    assert record.details == said


def test_a_session_that_is_not_there_is_not_made_by_a_note(store: Store, project: Project) -> None:
    with pytest.raises(NotFoundError, match="POST /v2/sessions"):
        store.write(lambda db: say_of_session(db, project.id, "s9", notes="a note"))
    with pytest.raises(InvalidError, match="at most 256,000"):
        store.write(lambda db: create_session(db, project.id, {"text": "x" * 300_000}))
    assert names(store, project) == []


def test_a_session_is_empty_until_something_is_said_in_it(store: Store, project: Project) -> None:
    first, second = (store.write(lambda db: create_session(db, project.id, None)) for _ in "12")
    with store.read() as db:
        assert [each.session_id for each in list_empty(db, project.id, limit=5)] == [second, first]
    add(store, project, interaction(session_id=first))
    with store.read() as db:
        assert [each.session_id for each in list_empty(db, project.id, limit=5)] == [second]


def test_what_is_said_of_a_session_goes_with_its_last_interaction(
    store: Store, project: Project
) -> None:
    add(store, project, interaction("t1", session_id="s1"), interaction("t2", session_id="s1"))
    store.write(lambda db: say_of_session(db, project.id, "s1", notes="about somebody"))
    with store.read() as db:
        ids = find_ids(db, project.id, ["t1", "t2"])
    store.write(lambda db: erasing.remove_interactions(db, project.id, [ids["t1"]]))
    assert names(store, project) == ["s1"]
    store.write(lambda db: erasing.remove_interactions(db, project.id, [ids["t2"]]))
    assert names(store, project) == []


def test_empty_sessions_that_are_too_old_are_removed(store: Store, project: Project) -> None:
    old, new = (store.write(lambda db: create_session(db, project.id, None)) for _ in "12")
    store.write(
        lambda db: db.execute(
            "update session_details set created_at_ms = :at where session_id = :old",
            {"at": now_ms() - 9 * DAY_MS, "old": old},
        )
    )
    add(store, project, interaction(session_id="kept"))
    store.write(lambda db: say_of_session(db, project.id, "kept", notes="said"))
    before_ms = retention.oldest_kept_ms(7, now_ms())
    removed = store.write(
        lambda db: retention.remove_rest(db, project.id, before_ms=before_ms, most=10)
    )
    assert removed == 1
    assert names(store, project) == sorted([new, "kept"])
