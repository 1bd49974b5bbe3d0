"""Which steps of the schema there are, and which a database has; carries out none of them.

Nearly every start finds the newest schema, and needs nothing of what makes one.
"""

from __future__ import annotations

import pkgutil
import sqlite3
from pathlib import Path

_STEPS = Path(__file__).parents[1] / "migrations"


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
