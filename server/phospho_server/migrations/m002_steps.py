"""The calls that led to an answer, a JSON list; null where none were logged."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations


@migrations()
def m002_steps(db: Database) -> None:
    """The calls that led to an answer, a JSON list; null where none were logged."""
    db.execute("alter table interactions add column steps text")
