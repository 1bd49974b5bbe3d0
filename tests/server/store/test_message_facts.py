"""Finding sessions by the language and sentiment of their messages."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from phospho_server.database import open_store
from phospho_server.store import Connection, Store, message_facts
from phospho_server.store.facts import Fact
from phospho_server.store.filters import Filter
from phospho_server.store.interactions import find_ids
from phospho_server.store.rows import Project, StoredDetection
from phospho_server.store.sessions import list_sessions
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import HOUR_MS, NOON_MS, add, interaction
from tests.server.databases import address_of, on_each_database, on_sqlite
from tests.server.roll_ups import check_facts

pytestmark = on_each_database


def tell(store: Store, project: Project, fact: str, values: dict[str, str | None]) -> None:
    """Record a fact, by task id, of interactions in the session that its first letter names."""
    with store.read() as db:
        ids = find_ids(db, project.id, list(values))
    answers = [
        StoredDetection(
            interaction_id=ids[task_id],
            session_id=task_id[0],
            created_at_ms=NOON_MS,
            detected=True,
            score=1,
            detector=fact,
            evidence=None,
            value=value,
        )
        for task_id, value in values.items()
    ]
    store.write(lambda db: message_facts.record(db, project.id, {fact: answers}))


@pytest.fixture
def three_sessions(store: Store, project: Project) -> None:
    """`a` is the oldest: Spanish and cross. `b` is Spanish and English, `c` English and glad."""
    add(
        store,
        project,
        *(
            interaction(task_id, session_id=task_id[0], created_at_ms=NOON_MS + hour * HOUR_MS)
            for task_id, hour in (("a1", 0), ("b1", 1), ("b2", 1), ("c1", 2))
        ),
    )
    tell(store, project, "language", {"a1": '"es"', "b1": '"es"', "b2": '"en"', "c1": '"en"'})
    tell(store, project, "sentiment", {"a1": "-0.8", "b1": "0.1", "b2": None, "c1": "0.8"})


def ids(store: Store, project: Project, wanted: Mapping[str, object]) -> list[str]:
    of_filter = {name: wanted[name] for name in wanted.keys() & {"text", "since_ms", "until_ms"}}
    has = [Fact(name, str(wanted[name])) for name in sorted(wanted.keys() - of_filter.keys())]
    with store.read() as db:
        page = list_sessions(db, project.id, Filter(has=has, **of_filter))  # type: ignore[arg-type]
    return [session.session_id for session in page.sessions]


@pytest.mark.usefixtures("three_sessions")
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"language": "es"}, ["b", "a"]),
        ({"language": "en"}, ["c", "b"]),
        ({"language": "fi"}, []),
        ({"sentiment": "negative"}, ["a"]),
        ({"sentiment": "neutral"}, ["b"]),
        ({"language": "en", "sentiment": "positive"}, ["c"]),
        ({"language": "es", "sentiment": "positive"}, []),
        ({"language": "es", "text": "flight"}, ["b", "a"]),
        ({"language": "es", "since_ms": NOON_MS + 1}, ["b"]),
        ({"language": "es", "until_ms": NOON_MS + 1}, ["a"]),
        ({"language": "en", "user": "nobody"}, []),
    ],
)
def test_a_session_is_found_by_any_of_its_messages(
    store: Store, project: Project, wanted: dict[str, object], found: list[str]
) -> None:
    assert ids(store, project, wanted) == found


@pytest.mark.usefixtures("three_sessions")
def test_pages_of_a_filtered_list_follow_each_other(store: Store, project: Project) -> None:
    seen: list[str] = []
    cursor = None
    with store.read() as db:
        for _ in range(2):
            page = list_sessions(
                db, project.id, Filter(has=[Fact("language", "es")]), cursor=cursor, limit=1
            )
            seen += [session.session_id for session in page.sessions]
            cursor = page.next_cursor
    assert (seen, cursor) == (["b", "a"], None)


@pytest.mark.usefixtures("three_sessions")
def test_a_session_that_goes_on_moves_up_in_every_filtered_list(
    store: Store, project: Project
) -> None:
    add(
        store,
        project,
        interaction("a2", session_id="a", created_at_ms=NOON_MS + 5 * HOUR_MS, input="ok"),
    )
    tell(store, project, "language", {"a2": None})
    assert ids(store, project, {"language": "es"}) == ["a", "b"]
    assert ids(store, project, {"sentiment": "negative"}) == ["a"]


@pytest.mark.usefixtures("three_sessions")
def test_only_values_that_there_are_can_be_chosen(store: Store, project: Project) -> None:
    with store.read() as db:
        assert message_facts.list_values(db, project.id, "language") == ["en", "es"]
        assert message_facts.list_values(db, project.id, "sentiment") == [
            "negative",
            "neutral",
            "positive",
        ]
        assert message_facts.list_values(db, "another", "language") == []


@on_sqlite
@pytest.mark.usefixtures("three_sessions")
def test_a_rare_language_is_looked_up_and_not_searched_for(
    store: SqliteStore, project: Project
) -> None:
    wanted = Filter(has=[Fact("language", "es"), Fact("sentiment", "negative")])
    with store.read() as db:
        asked: list[str] = []
        db.raw.set_trace_callback(asked.append)
        list_sessions(db, project.id, wanted)
        db.raw.set_trace_callback(None)
        statements = [each for each in asked if "session_facts l" in each]
        plans = [
            [row["detail"] for row in db.rows(f"explain query plan {each}")] for each in statements
        ]
    assert len(plans) == 2
    for plan in plans:
        assert any("session_facts_by_fact" in step for step in plan), plan
        assert not any(step.startswith("SCAN") or "B-TREE" in step for step in plan), plan


def test_an_older_database_sums_up_what_was_told(
    store: Store, project: Project, three_sessions: None
) -> None:
    tell(store, project, "sentiment", {"b2": "-0.123", "a1": "-0.1234565"})
    with store.read() as db:
        check_facts(db)

    def go_back(db: Connection) -> None:
        for name in ("language", "feeling", "sentiments", "sentiment_sum", "sentiment_size"):
            db.execute(f"alter table sessions drop column {name}")
        is_file = isinstance(store, SqliteStore)
        steps = "_sqlite_migrations" if is_file else "_migrations"
        db.execute(f"delete from {steps} where name like '%told_of_sessions'")

    store.write(go_back)
    newer = open_store(address_of(store))
    try:
        with newer.read() as db:
            check_facts(db)
    finally:
        newer.close()
