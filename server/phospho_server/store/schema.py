"""Which steps of the schema there are, and which a database has; carries out none of them.

Nearly every start finds the newest schema, or an empty file that gets it at once, and needs nothing
of what brings an older one up to date.
"""

from __future__ import annotations

import pkgutil
import sqlite3
from datetime import datetime, timezone
from pathlib import Path

_STEPS = Path(__file__).parents[1] / "migrations"

# What all steps make of an empty file; see `migrations/newest.py`.
NEWEST = _STEPS / "newest.sql"


def known_steps() -> frozenset[str]:
    """Return the names of all steps: each is a module of its name."""
    names = {module.name for module in pkgutil.iter_modules([str(_STEPS)])}
    return frozenset(name for name in names if name[1:4].isdigit())


def applied_steps(raw: sqlite3.Connection) -> frozenset[str]:
    """Return the names of the steps that a database has; none where it is not one of phospho."""
    table = "select 1 from sqlite_master where name = '_sqlite_migrations'"
    if raw.execute(table).fetchone() is None:
        return frozenset()
    rows = raw.execute("select name from _sqlite_migrations where migration_set = 'phospho'")
    return frozenset(name for (name,) in rows)


def is_empty(raw: sqlite3.Connection) -> bool:
    """Tell whether there is nothing in a database."""
    return raw.execute("select 1 from sqlite_master").fetchone() is None


def make_newest(raw: sqlite3.Connection) -> None:
    """Make the newest schema in an empty database, in the transaction of the caller."""
    statement = ""
    for line in NEWEST.read_text(encoding="utf-8").splitlines(keepends=True):
        statement += line
        # A trigger has statements within.
        if sqlite3.complete_statement(statement):
            raw.execute(statement)
            statement = ""
    made_at = str(datetime.now(timezone.utc))
    raw.executemany(
        "insert into _sqlite_migrations (migration_set, name, applied_at) values ('phospho', ?, ?)",
        [(name, made_at) for name in sorted(known_steps())],
    )
