"""Writes `newest.sql`, the schema that all steps together make of an empty file: `make schema`."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations import migrations
from phospho_server.store.schema import NEWEST

_TITLE = "-- What all steps make of an empty file, written by `make schema`. Change no line here."

# Without the tables that a virtual table makes itself, and what SQLite does.
_MADE = """
    select sql from sqlite_master where sql is not null and name not in (
        select name from pragma_table_list where type = 'shadow' or name like 'sqlite_%'
    )
    order by rowid
"""


def newest_schema() -> str:
    """Return the statements that make the newest schema, in the order in which they were made."""
    database = Database(memory=True)
    migrations.apply(database)
    made = database.execute(_MADE).fetchall()
    return "\n".join([_TITLE, *(f"{sql};" for (sql,) in made), ""])


if __name__ == "__main__":
    NEWEST.write_text(newest_schema(), encoding="utf-8")
