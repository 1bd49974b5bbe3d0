"""Interactions that are removed: all that is known of them goes, and counts follow."""

from __future__ import annotations

import json

from phospho.models import Embedded
from phospho_server.clock import DAY_MS, hour_of
from phospho_server.store import (
    Connection,
    counters,
    definitions,
    detections,
    jobs,
    llm_unasked,
    message_facts,
    quality,
    reviews,
    vectors,
)
from phospho_server.store.erasing import remove_interactions
from phospho_server.store.facts import Fact
from phospho_server.store.feedback import add_feedback
from phospho_server.store.filters import Filter
from phospho_server.store.interactions import find_ids
from phospho_server.store.projects import create_project
from phospho_server.store.rows import NewInteraction, Project, StoredDetection
from phospho_server.store.sessions import list_sessions
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import HOUR_MS, NOON_MS, add, define, interaction, totals, verdict
from tests.server.tables import check_words


def remove(store: SqliteStore, project: Project, *task_ids: str) -> int:
    with store.read() as db:
        ids = [*find_ids(db, project.id, task_ids).values()]
    return store.write(lambda db: remove_interactions(db, project.id, ids))


def rows(store: SqliteStore, table: str) -> list[dict[str, object]]:
    with store.read() as db:
        return [dict(row) for row in db.rows(f"select * from {table}")]


def tell(store: SqliteStore, project: Project, new: NewInteraction, language: str) -> None:
    told = verdict(store, project, new, detected=True, value=json.dumps(language))
    store.write(lambda db: message_facts.record(db, project.id, {"language": [told]}))


def test_all_that_is_known_of_an_interaction_goes(store: SqliteStore, project: Project) -> None:
    event = define(store, project)
    new = interaction(user_id="u", flag="success", input="unheard words")
    add(store, project, new)
    found = verdict(store, project, new, detected=True)
    row_id = found.interaction_id
    store.write(lambda db: detections.record(db, project.id, event, [found]))
    tell(store, project, new, "en")

    def tell_more(db: Connection) -> None:
        reviews.review(db, project.id, event.id, row_id, occurred=True, source="audit")
        add_feedback(db, project.id, "t1", flag="failure", notes="no", source=None)
        vectors.keep(
            db,
            project.id,
            {row_id: Embedded(made_by="m", input=b"i", output=b"o")},
            {row_id: "Which date?"},
        )
        llm_unasked.note(db, project.id, [row_id], definition_id=event.id, version=1)

    store.write(tell_more)
    assert remove(store, project, "t1") == 1
    assert remove(store, project, "t1") == 0
    for table in (
        *("interactions", "detections", "reviews", "feedback", "vectors", "llm_unasked"),
        *("sessions", "facts", "session_facts", "interaction_facts"),
        *("users", "user_days", "verdict_counts"),
    ):
        assert rows(store, table) == [], table
    with store.read() as db:
        assert list_sessions(db, project.id, Filter(text="unheard")).sessions == []
        assert counters.count_stored(db, project.id) == 0
    check_words(store)


def test_hourly_counts_stay_as_they_were(store: SqliteStore, project: Project) -> None:
    event = define(store, project)
    new = interaction()
    add(store, project, new)
    found = verdict(store, project, new, detected=True)
    store.write(lambda db: detections.record(db, project.id, event, [found]))
    before = totals(store, project)
    remove(store, project, "t1")
    after = totals(store, project)
    assert (after.interactions, after.events, after.sessions) == (
        before.interactions,
        before.events,
        before.sessions,
    )
    with store.read() as db:
        assert [row.events for row in definitions.list_definitions(db, project.id)] == [1]
        measured = quality.measure(db, project.id, event, at_ms=NOON_MS)
        assert measured.known.found == 0


def test_a_session_is_that_of_what_is_left(store: SqliteStore, project: Project) -> None:
    add(
        store,
        project,
        interaction("t1", input="first", flag="success", user_id="u1", version_id="v1"),
        interaction("t2", input="second", created_at_ms=NOON_MS + HOUR_MS, flag="failure"),
        interaction(
            "t3",
            input="third",
            created_at_ms=NOON_MS + 2 * HOUR_MS,
            user_id="u2",
            version_id="v2",
        ),
    )
    remove(store, project, "t1")
    (session,) = rows(store, "sessions")
    assert session["version_id"] == "v2"
    assert session["first_input"] == "second"
    assert session["first_at_ms"] == NOON_MS + HOUR_MS
    assert (session["interactions"], session["successes"], session["failures"]) == (2, 0, 1)
    assert session["user_id"] == "u2"
    remove(store, project, "t3")
    (session,) = rows(store, "sessions")
    assert (session["last_at_ms"], session["user_id"]) == (NOON_MS + HOUR_MS, None)
    assert session["version_id"] is None
    assert rows(store, "users") == []


def test_a_session_stays_counted_where_it_began(store: SqliteStore, project: Project) -> None:
    add(
        store,
        project,
        interaction("t1"),
        interaction("t2", created_at_ms=NOON_MS + 5 * HOUR_MS),
    )
    remove(store, project, "t1")

    def counted() -> dict[object, object]:
        return {
            r["hour_ms"]: r["value"]
            for r in rows(store, "counters")
            if r["metric"] == "sessions" and r["value"]
        }

    assert counted() == {hour_of(NOON_MS): 1}
    add(store, project, interaction("t3", created_at_ms=NOON_MS + 2 * HOUR_MS))
    assert counted() == {hour_of(NOON_MS): 1}
    add(store, project, interaction("t4", created_at_ms=NOON_MS - 2 * HOUR_MS))
    add(store, project, interaction("t5", created_at_ms=NOON_MS - HOUR_MS))
    assert counted() == {hour_of(NOON_MS - 2 * HOUR_MS): 1}


def test_a_user_is_that_of_what_is_left(store: SqliteStore, project: Project) -> None:
    at = [NOON_MS, NOON_MS + HOUR_MS, NOON_MS + DAY_MS]
    new = [interaction(f"t{n}", user_id="u", created_at_ms=ms) for n, ms in enumerate(at)]
    add(store, project, *new)
    remove(store, project, "t0")
    (user,) = rows(store, "users")
    assert (user["first_at_ms"], user["last_at_ms"], user["interactions"]) == (at[1], at[2], 2)
    assert len(rows(store, "user_days")) == 2
    remove(store, project, "t1")
    assert [row["day_ms"] for row in rows(store, "user_days")] == [at[2] - at[2] % DAY_MS]


def test_an_event_of_a_session_passes_to_the_next_interaction_that_has_it(
    store: SqliteStore, project: Project
) -> None:
    event = define(store, project, scope="session")
    new = [interaction(f"t{n}", created_at_ms=NOON_MS + n * HOUR_MS) for n in range(3)]
    add(store, project, *new)
    found = [verdict(store, project, each, detected=True) for each in new]
    store.write(lambda db: detections.record(db, project.id, event, found))
    remove(store, project, "t0")
    stands = [r["interaction_id"] for r in rows(store, "detections") if r["detected"]]
    assert stands == [found[1].interaction_id]
    # It is the same event still, and is counted once.
    assert totals(store, project).events == 1
    (known,) = [row for row in rows(store, "facts") if row["fact"] == "event"]
    assert (known["interactions"], known["sessions"]) == (1, 1)


def test_facts_of_a_session_are_those_of_what_is_left(store: SqliteStore, project: Project) -> None:
    new = [interaction(f"t{n}", created_at_ms=NOON_MS + n) for n in range(3)]
    add(store, project, *new)
    for each, language in zip(new, ("en", "es", "es"), strict=True):
        tell(store, project, each, language)
    remove(store, project, "t0", "t2")
    with store.read() as db:
        counted = message_facts.count_in_session(db, project.id, "s1")["language"]
        assert [(each.value, each.interactions) for each in counted] == [("es", 1)]
        spanish = list_sessions(db, project.id, Filter(has=[Fact("language", "es")]))
        assert [session.last_at_ms for session in spanish.sessions] == [NOON_MS + 1]


def test_another_project_is_left_alone(store: SqliteStore, project: Project) -> None:
    other = store.write(lambda db: create_project(db, "Other"))
    add(store, other, interaction())
    assert store.write(lambda db: remove_interactions(db, project.id, [1])) == 0
    assert len(rows(store, "interactions")) == 1


def test_a_verdict_on_what_was_removed_meanwhile_is_not_kept(
    store: SqliteStore, project: Project
) -> None:
    event = define(store, project)
    new = [interaction("t1"), interaction("t2", session_id="s2")]
    add(store, project, *new)
    found: list[StoredDetection] = [verdict(store, project, each, detected=True) for each in new]
    embedded = Embedded(made_by="m", input=b"i", output=b"o")
    remove(store, project, "t2")

    def keep(db: Connection) -> list[int]:
        vectors.keep(
            db,
            project.id,
            {each.interaction_id: embedded for each in found},
            {each.interaction_id: "Which date?" for each in found},
        )
        ids = [each.interaction_id for each in found]
        llm_unasked.note(db, project.id, ids, definition_id=event.id, version=1)
        return detections.record(db, project.id, event, found)

    assert store.write(keep) == [found[0].interaction_id]
    for table in ("detections", "vectors", "llm_unasked"):
        assert [r["interaction_id"] for r in rows(store, table)] == [found[0].interaction_id]
    (known,) = [row for row in rows(store, "facts") if row["fact"] == "event"]
    assert (known["interactions"], known["sessions"]) == (1, 1)


def test_an_id_is_never_given_twice(store: SqliteStore, project: Project) -> None:
    add(store, project, interaction("t1"), interaction("t2"))
    remove(store, project, "t1", "t2")
    add(store, project, interaction("t3"), interaction("t4"))
    assert [row["id"] for row in rows(store, "interactions")] == [3, 4]
    add(store, project, interaction("t5"))
    assert [row["id"] for row in rows(store, "interactions")] == [3, 4, 5]


def test_the_past_is_as_long_as_what_is_left(store: SqliteStore, project: Project) -> None:
    add(store, project, *(interaction(f"t{n}", session_id=f"s{n}") for n in range(5)))
    remove(store, project, "t1", "t2")
    define(store, project)
    (backfill,) = (r for r in rows(store, "jobs") if r["kind"] == "backfill")
    assert backfill["size"] == 3
    with store.read() as db:
        assert jobs.count_all_pending(db, project.id) == 5 + 3
