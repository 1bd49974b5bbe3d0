"""What SQLite alone can do: the same rows, in one table with three indexes, one writer, no HTTP."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from traffic import Interaction

_SCHEMA = """
create table interactions (
    id integer primary key, project_id text not null, task_id text not null,
    session_id text not null, user_id text, created_at_ms integer not null, input text not null,
    output text, metadata text
) strict;
create unique index by_task on interactions (project_id, task_id);
create index by_session on interactions (project_id, session_id, created_at_ms);
create index by_user on interactions (project_id, user_id, created_at_ms);
"""


def insert_all(folder: Path, sent: Sequence[Interaction], batch: int) -> float:
    """Insert rows in durable transactions of a batch each; return CPU microseconds of one row."""
    rows = [
        (one.task_id, one.session_id, one.user_id, one.number, one.input, one.output, "{}")
        for one in sent
    ]
    db = sqlite3.connect(folder / f"raw-{batch}.db", isolation_level=None)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.executescript(_SCHEMA)
    started_s = time.process_time()
    for at in range(0, len(rows), batch):
        db.execute("begin immediate")
        db.executemany(
            "insert into interactions values (null, 'proj_0123456789', ?, ?, ?, ?, ?, ?, ?)",
            rows[at : at + batch],
        )
        db.execute("commit")
    spent_s = time.process_time() - started_s
    db.close()
    return spent_s / len(rows) * 1e6
