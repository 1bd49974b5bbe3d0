"""Databases of every schema there has been, opened by the newest phospho."""

from __future__ import annotations

import json
from pathlib import Path

from sqlite_utils import Database

from phospho_server.clock import DAY_MS, day_of, hour_of, now_ms
from phospho_server.migrations import migrations
from phospho_server.migrations.newest import newest_schema
from phospho_server.store import deliveries, llm, webhooks
from phospho_server.store.backfills import list_backfills
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Backfill, Project, Step
from phospho_server.store.schema import NEWEST
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.transcripts import list_transcript
from phospho_server.store.versions import VerdictCount, list_verdict_counts
from tests.server.builders import HOUR_MS, NOON_MS, add, interaction
from tests.server.roll_ups import check_roll_ups


def make_first_schema(path: Path) -> Project:
    """Make a database as the first step of the schema left it, with an interaction."""
    database = Database(path)
    migrations.apply(database, stop_before="m002_steps")
    project = Project("proj_old", "Old", NOON_MS)
    database.table("projects").insert(vars(project))
    database.table("interactions").insert(
        {
            "project_id": project.id,
            "task_id": "old",
            "session_id": "s1",
            "created_at_ms": NOON_MS,
            "received_at_ms": NOON_MS,
            "input": "before",
            "metadata": json.dumps({"steps": [{"name": "then metadata"}]}),
        }
    )
    database.close()
    return project


def test_interactions_from_before_there_were_steps_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "phospho.db"
    project = make_first_schema(path)
    store = SqliteStore(path)
    steps = json.dumps([{"kind": "tool", "name": "search"}])
    assert add(store, project, interaction("old"), interaction("new", steps=steps)) == 1
    with store.read() as db:
        old, new = list_transcript(db, project.id, "s1")
    assert (old.input, old.steps) == ("before", [])
    assert old.metadata == {"steps": [{"name": "then metadata"}]}
    assert new.steps == [Step(kind="tool", name="search")]
    store.close()


def test_a_new_database_has_the_schema_of_a_migrated_one(tmp_path: Path) -> None:
    make_first_schema(tmp_path / "old.db")
    schemas = []
    steps = []
    for name in ("old.db", "new.db"):
        store = SqliteStore(tmp_path / name)
        store.write(lambda db: create_project(db, "one"))
        with store.read() as db:
            # Of two indexes that are as good, SQLite takes the one that was made later.
            made = "select type, name, tbl_name, sql from sqlite_master order by rowid"
            schemas.append(db.tuples(made))
            steps.append(db.tuples("select migration_set, name from _sqlite_migrations order by 2"))
        store.close()
    assert schemas[0] == schemas[1]
    assert steps[0] == steps[1]


def test_the_newest_schema_is_what_all_steps_make() -> None:
    assert NEWEST.read_text(encoding="utf-8") == newest_schema(), "`make schema` writes it"


def test_verdicts_from_before_versions_were_counted_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "phospho.db"
    database = Database(path)
    migrations.apply(database, stop_before="m006_versions")
    project = Project("proj_old", "Old", NOON_MS)
    database.table("projects").insert(vars(project))
    fields = {"description": "d", "scope": "auto", "detector": "auto", "settings": "{}"}
    for event in ("whole", "underway"):
        database.table("event_definitions").insert(
            {
                **fields,
                "id": event,
                "project_id": project.id,
                "name": event,
                "version": 2,
                "color": 0,
                "created_at_ms": 1,
                "updated_at_ms": 1,
            }
        )
        for version in (1, 2):
            database.table("event_definition_versions").insert(
                {**fields, "definition_id": event, "version": version, "created_at_ms": version}
            )
    database.execute(
        "insert into jobs (id, project_id, kind, definition_id, payload, before_id, size, "
        "run_at_ms, created_at_ms) "
        "values ('j', 'proj_old', 'backfill', 'underway', '{\"version\": 2}', 3, 2, 1, 1)"
    )
    database.table("detections").insert_all(
        {
            "project_id": project.id,
            "definition_id": "underway",
            "interaction_id": n,
            "definition_version": 2 if n > 2 else 1,
            "detected": 0,
            "score": 0.5,
            # Of the sixth a person spoke before any detector had looked.
            "detector": "semantic" if n < 6 else "person",
            "embedder": None if n > 1 else "use-1",
            "created_at_ms": 1,
        }
        for n in range(1, 7)
    )
    database.close()
    store = SqliteStore(path)
    with store.read() as db:
        counts = list_verdict_counts(db, project.id)
        rows = db.rows(
            "select from_id from event_definition_versions order by definition_id, version"
        )
        assert list_backfills(db, project.id) == {"underway": Backfill(2, 2, 2, is_paused=False)}
    assert counts == {
        "underway": [
            VerdictCount(2, "semantic", "", 3),
            VerdictCount(1, "semantic", "", 1),
            VerdictCount(1, "semantic", "use-1", 1),
        ]
    }
    assert [row["from_id"] for row in rows] == [0, 3, 0, 0]
    store.close()


def test_the_migration_finds_the_facts_of_what_was_stored(tmp_path: Path) -> None:
    texts = {"plan": "pro", "seats": 5, "trial": True, "x": 0.5, "model": "m"}
    usages: list[dict[str, object]] = [
        {"total_tokens": 7},
        {"prompt_tokens": 1, "completion_tokens": 2},
        {"total_tokens": "x"},
    ]
    told = [
        interaction(
            f"t{n}",
            session_id=f"s{n // 2}",
            user_id="u" if n else None,
            version_id="v",
            flag="failure",
            notes="n",
            metadata=json.dumps({**(texts if n else {}), "usage": usage}),
        )
        for n, usage in enumerate(usages)
    ]
    fresh = SqliteStore(tmp_path / "fresh.db")
    project = fresh.write(lambda db: create_project(db, "one", project_id="proj_one"))
    add(fresh, project, *told)
    # An old database is one that lacks what the step adds, with the same rows.
    database = Database(tmp_path / "old.db")
    migrations.apply(database, stop_before="m011_facts")
    database.table("projects").insert(vars(project))
    for new in told:
        database.table("interactions").insert(
            {**vars(new), "project_id": project.id, "received_at_ms": NOON_MS}
        )
    with fresh.read() as db:
        for table in ("sessions", "users"):
            known = {column.name for column in database.table(table).columns}
            for row in db.rows(f"select * from {table}"):
                kept = {name: value for name, value in dict(row).items() if name in known}
                database.table(table).insert(kept)
    database.close()
    old = SqliteStore(tmp_path / "old.db")
    of_sessions = (
        "select f.fact, f.value, s.session_id, g.interactions, g.last_at_ms from session_facts g "
        "join facts f on f.id = g.fact_id join sessions s on s.id = g.session_row order by 1, 2, 3"
    )
    of_interactions = (
        "select f.fact, f.value, n.interaction_id from interaction_facts n "
        "join facts f on f.id = n.fact_id order by 1, 2, 3"
    )
    found = "select rowid from interactions_fts where interactions_fts match 'flight' order by 1"
    for sql in (
        "select fact, value, interactions, sessions from facts order by 1, 2",
        of_sessions,
        of_interactions,
        "select id, tokens from interactions order by id",
        "select user_id, tokens from users",
        "select * from interaction_days",
        found,
    ):
        with fresh.read() as db, old.read() as other:
            assert [dict(row) for row in other.rows(sql)] == [dict(row) for row in db.rows(sql)]
    fresh.close()
    old.close()


def test_the_roll_ups_of_the_dashboard_are_filled_from_what_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "phospho.db"
    database = Database(path)
    migrations.apply(database, stop_before="m012_dashboard")
    project = Project("proj_old", "Old", NOON_MS)
    database.table("projects").insert(vars(project))
    flags, versions = [None, "success", "failure"], [None, "", "1.0", "1.1"]
    rows = [
        {
            "id": n + 1,
            "project_id": project.id,
            "task_id": f"t{n}",
            "session_id": f"s{n % 5}",
            "user_id": [None, "ann", "ben"][n % 3],
            "version_id": versions[n % 4],
            "flag": flags[n % 3],
            "created_at_ms": NOON_MS - n * 7 * HOUR_MS,
            "received_at_ms": NOON_MS,
            "input": "hi",
        }
        for n in range(40)
    ]
    database.table("interactions").insert_all(rows)
    days = {(row["user_id"], day_of(int(str(row["created_at_ms"])))) for row in rows}
    database.table("user_days").insert_all(
        {"project_id": project.id, "day_ms": day_ms, "user_id": user_id}
        for user_id, day_ms in days
        if user_id
    )
    counters = {"interactions": 3, "active_users": 1}
    database.table("counters").insert_all(
        {"project_id": project.id, "metric": metric, "key": "", "hour_ms": hour, "value": value}
        for metric, value in counters.items()
        for hour in (day_of(NOON_MS), day_of(NOON_MS) + HOUR_MS)
    )
    fields = {"description": "d", "scope": "auto", "detector": "auto", "settings": "{}"}
    for event, deleted_at_ms in (("kept", None), ("gone", 1)):
        database.table("event_definitions").insert(
            {
                **fields,
                "id": event,
                "project_id": project.id,
                "name": event,
                "version": 1,
                "color": 0,
                "created_at_ms": 1,
                "updated_at_ms": 1,
                "deleted_at_ms": deleted_at_ms,
            }
        )
        database.table("detections").insert_all(
            {
                "project_id": project.id,
                "definition_id": event,
                "interaction_id": n,
                "definition_version": 1,
                "detected": n % 2,
                "score": 0.5,
                "detector": "semantic",
                "created_at_ms": 1,
            }
            for n in range(1, 41)
        )
    database.close()
    store = SqliteStore(path)
    with store.read() as db:
        check_roll_ups(db)
        assert db.row("select 1 from counters where metric = 'active_users'") is None
        assert [
            row["value"] for row in db.rows("select value from day_counters where key = ''")
        ] == [6]
    # What comes later is added to what was filled in.
    late = interaction("late", user_id="ann", version_id="1.0", flag="failure")
    add(store, project, late)
    with store.read() as db:
        check_roll_ups(db)
    store.close()


def test_an_llm_is_trusted_where_an_owner_of_the_server_has_set_it(tmp_path: Path) -> None:
    path = tmp_path / "phospho.db"
    database = Database(path)
    migrations.apply(database, stop_before="m015_llm_limits")
    for number, is_owner in enumerate((1, 0)):
        account = {"id": f"a{number}", "email": f"{'nb'[number]}@x.org", "password_hash": ""}
        database.table("accounts").insert({**account, "is_owner": is_owner, "created_at_ms": 0})
    # Who has saved the settings of each project, the latest last; nobody: before there was a log.
    saved = {
        "before": [],
        "link": ["one-time link"],
        "owner": ["b@x.org", "n@x.org"],
        "other": ["n@x.org", "b@x.org"],
        "gone": ["gone@x.org"],
    }
    number = 0
    for project_id, people in saved.items():
        settings = {"project_id": project_id, "is_off": 0, "base_url": "http://10.0.0.1/v1"}
        database.table("llm_settings").insert(
            {**settings, "model": "m", "api_key": "", "currency": "", "updated_at_ms": 0}
        )
        for who in people:
            for action, by in (("LLM settings changed", who), ("LLM resumed", "n@x.org")):
                number += 1
                entry = {"id": f"{number:03}", "project_id": project_id, "who": by}
                database.table("audit_log").insert(
                    {**entry, "action": action, "what": "", "at_ms": number}
                )
    database.close()
    store = SqliteStore(path)
    with store.read() as db:
        trusted = {
            project_id
            for project_id in saved
            if (held := llm.find_settings(db, project_id)) and held.is_trusted
        }
    assert trusted == {"before", "link", "owner"}
    store.close()


def test_alerts_know_the_newest_days_of_what_was_counted_by_the_hour(tmp_path: Path) -> None:
    path = tmp_path / "phospho.db"
    database = Database(path)
    migrations.apply(database, stop_before="m017_alerts")
    hour_ms = hour_of(now_ms())
    counted = [("interactions", "", hour_ms, 9), ("events", "e", hour_ms - 15 * DAY_MS, 2)]
    left_out = [("events", "e", hour_ms - 17 * DAY_MS, 5), ("sessions", "", hour_ms, 3)]
    for metric, key, at_ms, value in counted + left_out:
        database.execute(
            "insert into counters values ('p', ?, ?, ?, ?)", [metric, key, at_ms, value]
        )
    hook = {"url": "u", "shown_url": "s", "format": "json", "secret": "s", "page_url": "p"}
    database.table("webhooks").insert(
        {
            "id": "h",
            "project_id": "p",
            "created_at_ms": 0,
            "failures": 0,
            "rests_until_ms": 0,
            **hook,
        }
    )
    message = {"webhook_id": "h", "state": "sent", "attempts": 1, "run_at_ms": 0}
    for message_id, definition_id in (("event", "e"), ("test", "")):
        database.table("webhook_deliveries").insert(
            {"id": message_id, "project_id": "p", "definition_id": definition_id,
             "interaction_id": 1, "created_at_ms": 0, **message}
        )  # fmt: skip
    database.conn.commit()
    database.close()
    store = SqliteStore(path)
    with store.read() as db:
        kept = db.rows("select metric, key, minute_ms, value from minute_counters order by value")
        (known,) = webhooks.list_webhooks(db, "p")
        sent = {each.id: each.is_test for each in deliveries.list_log(db, "p", "h")}
    store.close()
    assert [tuple(dict(row).values()) for row in kept] == counted[::-1]
    # Those there are go on hearing of what they did.
    assert (known.hears_events, known.hears_alerts) == (True, False)
    assert sent == {"event": False, "test": True}
