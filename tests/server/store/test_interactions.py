"""Keeping interactions, and the roll-ups that must always equal a recount."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from phospho_server.clock import hour_of
from phospho_server.store import Connection, Store, counters
from phospho_server.store.feedback import add_feedback
from phospho_server.store.interactions import add_interactions
from phospho_server.store.projects import create_project
from phospho_server.store.rows import NewInteraction, Project, Totals
from phospho_server.store.sessions import get_session
from phospho_server.store.transcripts import list_transcript
from tests.server.builders import HOUR_MS, NOON_MS, add, interaction, totals
from tests.server.databases import new_store, on_each_database
from tests.server.roll_ups import check_roll_ups

pytestmark = on_each_database


def test_a_repeated_task_is_ignored(store: Store, project: Project) -> None:
    assert add(store, project, interaction("t1"), interaction("t2"), interaction("t1")) == 2
    assert add(store, project, interaction("t2", input="changed"), interaction("t3")) == 1
    assert totals(store, project).interactions == 3


def test_one_task_id_may_stand_in_two_projects(store: Store, project: Project) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    assert add(store, project, interaction("t1")) == 1
    assert add(store, other, interaction("t1")) == 1


def test_more_than_one_chunk_is_kept_in_one_go(store: Store, project: Project) -> None:
    many = [interaction(f"t{n}", session_id=f"s{n % 7}") for n in range(1234)]
    assert add(store, project, *many) == 1234
    assert totals(store, project) == Totals(sessions=7, interactions=1234, users=0, events=0)


def test_a_session_begins_with_its_earliest_interaction(store: Store, project: Project) -> None:
    add(store, project, interaction("t2", created_at_ms=NOON_MS, input="second"))
    add(store, project, interaction("t1", created_at_ms=NOON_MS - 2 * HOUR_MS, input="first"))
    with store.read() as db:
        session = get_session(db, project.id, "s1")
        series = counters.get_series(
            db,
            project.id,
            since_ms=NOON_MS - 3 * HOUR_MS,
            until_ms=NOON_MS + HOUR_MS,
            step_ms=HOUR_MS,
        )
    assert session.first_input == "first"
    assert session.duration_ms == 2 * HOUR_MS
    assert series.values["sessions"] == [0, 1, 0, 0]
    assert series.values["interactions"] == [0, 1, 0, 1]
    assert "users" not in series.values


def test_feedback_may_come_first_and_the_newest_counts(store: Store, project: Project) -> None:
    def say(flag: str | None, notes: str | None) -> None:
        store.write(
            lambda db: add_feedback(db, project.id, "t1", flag=flag, notes=notes, source="user")
        )

    say("failure", "wrong city")
    say(None, None)
    add(store, project, interaction("t1", flag="success"))
    with store.read() as db:
        line = list_transcript(db, project.id, "s1")[0]
        session = get_session(db, project.id, "s1")
    assert (line.flag, line.notes) == ("failure", "wrong city")
    assert (session.successes, session.failures) == (0, 1)

    say("success", None)
    with store.read() as db:
        line = list_transcript(db, project.id, "s1")[0]
        session = get_session(db, project.id, "s1")
    assert (line.flag, line.notes) == ("success", "wrong city")
    assert (session.successes, session.failures) == (1, 0)


def test_notes_that_come_first_leave_the_flag_of_the_interaction(
    store: Store, project: Project
) -> None:
    store.write(
        lambda db: add_feedback(db, project.id, "t1", flag=None, notes="nice", source="user")
    )
    add(store, project, interaction("t1", flag="success"))
    with store.read() as db:
        line = list_transcript(db, project.id, "s1")[0]
        session = get_session(db, project.id, "s1")
    assert (line.flag, line.notes, session.successes) == ("success", "nice", 1)


arrivals = st.lists(
    st.lists(
        st.builds(
            interaction,
            task_id=st.sampled_from([f"t{n}" for n in range(12)]),
            session_id=st.sampled_from(["a", "b", "c"]),
            user_id=st.sampled_from([None, "u1", "u2"]),
            version_id=st.sampled_from([None, "1.0", "1.1"]),
            flag=st.sampled_from([None, "success", "failure"]),
            created_at_ms=st.integers(NOON_MS - 200 * HOUR_MS, NOON_MS),
        ),
        max_size=8,
    ),
    max_size=5,
)


said = st.lists(
    st.tuples(
        st.sampled_from([f"t{n}" for n in range(12)]), st.sampled_from(["success", "failure"])
    )
)


@settings(max_examples=60, deadline=None)
@given(arrivals, said)
def test_roll_ups_equal_a_recount(
    batches: list[list[NewInteraction]], flags: list[tuple[str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = new_store(Path(folder, "phospho.db"))
        project = store.write(lambda db: create_project(db, "p"))
        for batch in batches:
            add(store, project, *batch)
            for task_id, flag in flags:
                store.write(
                    lambda db, t=task_id, f=flag: add_feedback(  # type: ignore[misc]
                        db, project.id, t, flag=f, notes=None, source=None
                    )
                )
        with store.read() as db:
            assert _kept_counters(db) == _recounted(db)
            check_roll_ups(db)
            assert _kept_sessions(db) == _recounted_sessions(db)
        store.close()


def _kept_counters(db: Connection) -> dict[tuple[str, int], int]:
    rows = db.rows("select metric, hour_ms, value from counters where value != 0 and key = ''")
    return {(row["metric"], row["hour_ms"]): row["value"] for row in rows}


def _recounted(db: Connection) -> dict[tuple[str, int], int]:
    counts: dict[tuple[str, int], int] = {}
    first: dict[str, int] = {}
    for row in db.rows("select session_id, created_at_ms from interactions"):
        at = row["created_at_ms"]
        key = ("interactions", hour_of(at))
        counts[key] = counts.get(key, 0) + 1
        first[row["session_id"]] = min(at, first.get(row["session_id"], at))
    for at in first.values():
        key = ("sessions", hour_of(at))
        counts[key] = counts.get(key, 0) + 1
    return counts


def _kept_sessions(db: Connection) -> list[tuple[object, ...]]:
    rows = db.rows(
        "select session_id, first_at_ms, last_at_ms, interactions, successes, failures "
        "from sessions order by session_id"
    )
    return [tuple(dict(row).values()) for row in rows]


def _recounted_sessions(db: Connection) -> list[tuple[object, ...]]:
    rows = db.rows(
        "select session_id, min(created_at_ms), max(created_at_ms), count(*), "
        "sum(coalesce(flag, '') = 'success'), sum(coalesce(flag, '') = 'failure') "
        "from interactions group by session_id order by session_id"
    )
    return [tuple(dict(row).values()) for row in rows]


def test_an_empty_batch_is_nothing_to_do(store: Store, project: Project) -> None:
    assert store.write(lambda db: add_interactions(db, project.id, [])) == 0
