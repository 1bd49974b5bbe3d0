"""Databases of every schema there has been, opened by the newest phospho."""

from __future__ import annotations

import json
from pathlib import Path

from sqlite_utils import Database

from phospho_server.migrations import migrations
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project, Step
from phospho_server.store.sessions import list_transcript
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import NOON_MS, add, interaction


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
    schemas: list[dict[str, str]] = []
    for name in ("old.db", "new.db"):
        store = SqliteStore(tmp_path / name)
        store.write(lambda db: create_project(db, "one"))
        with store.read() as db:
            rows = db.rows("select name, sql from sqlite_master order by name")
            schemas.append({row["name"]: row["sql"] for row in rows})
        store.close()
    assert schemas[0] == schemas[1]
