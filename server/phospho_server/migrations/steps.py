"""What every step of the schema uses: the list it stands in, and a way to run its statements."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

migrations = Migrations("phospho")


def run(db: Database, script: str) -> None:
    """Run statements that end with a semicolon at the end of a line."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)
