"""How the store asks: what SQLite makes of every statement that any test has the server run.

A statement is explained the first time a process runs it. One that reads a table that grows with
the traffic from end to end, or all that a project has in it, fails the test that ran it, whatever
the test is about: so no statement of the store has to be listed to be looked at.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

import pytest

from phospho_server.store.sqlite import SqliteConnection

# What grows with the traffic. Everything else grows with the people who read it, and with what
# they define; the log of their acts is read for good.
GROWING = frozenset(
    (
        *("interactions", "sessions", "session_details", "users", "user_days", "detections"),
        *("reviews", "feedback", "facts", "interaction_facts", "session_facts", "vectors"),
        *("counters", "minute_counters", "jobs", "alerts", "spans", "traces", "trace_turns"),
        *("webhook_deliveries", "llm_answers", "audit_log"),
    )
)

# Statements that may, by how they begin, and why.
ALLOWED = {
    "select kind, count(*) as n from (select kind, parked_at_ms from jobs": "of so many at most",
    "select state, count(*) as n from (select state from webhook_deliveries": "as well",
    "update jobs set parked_at_ms = null": "once, when somebody clicks",
    "select definition_id, kind, sum(size) as n from jobs": "of an index, while much is to do",
    "delete from jobs where project_id = :project_id": "once, when a project is deleted",
    "delete from webhook_deliveries where project_id = :project_id": "as well",
    "delete from vectors where project_id = :project_id and made_by": "of at most 10,000",
    "select distinct definition_id from reviews": "of an index of what people clicked on",
}

_TABLE = re.compile(
    r"\b(?:from|join|update|into)\s+(\w+)(?:\s+(?:as\s+)?"
    r"(?!(?:on|where|join|left|set|order|group|limit|union|indexed)\b)(\w+))?",
    re.IGNORECASE,
)
_SCAN = re.compile(r"SCAN (\w+)\b(?! VIRTUAL)")
_OF_PROJECT = re.compile(r"SEARCH (\w+) USING [A-Z ]+(?:INDEX \w+|KEY) \(project_id=\?\)")
# What ends early: the first rows of an index in its order, or an end of it.
_BOUNDED = re.compile(r"\blimit\b|\b(?:min|max)\(|\bexists\b", re.IGNORECASE)
# Lists of values are long and short; their plan is one.
_LIST = re.compile(r"\bin \(:\w+(?:, :\w+)*\)")


class _Nulls(dict[str, object]):
    """Parameters for a statement that is only explained."""

    def __missing__(self, _key: str) -> None:
        return None


def find_scans(raw: sqlite3.Connection, statement: str) -> list[str]:
    """Return the growing tables that a statement reads from end to end, or a project's part of."""
    names = {alias or table: table for table, alias in _TABLE.findall(statement)}
    plan = raw.execute(f"explain query plan {statement}", _Nulls()).fetchall()
    steps = [step[3] for step in plan]
    found = [match.group(1) for step in steps if (match := _SCAN.match(step))]
    if not _BOUNDED.search(statement):
        found += [match.group(1) for step in steps if (match := _OF_PROJECT.match(step))]
    return [names[each] for each in found if names.get(each) in GROWING]


class Watch:
    """Explains the statements that modules of the server run.

    Args:
        problems: What was found since the last look.
        modules: Those whose statements were seen.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.modules: set[str] = set()
        self._seen: set[str] = set()

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Look at what goes through any connection."""
        for name in ("rows", "tuples", "row", "execute", "execute_many"):
            patch.setattr(SqliteConnection, name, self._watched(getattr(SqliteConnection, name)))

    def _watched(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def run(connection: SqliteConnection, sql: str, *params: Any) -> Any:
            # A test may read what it likes.
            module = sys._getframe(1).f_globals["__name__"]
            if module.startswith("phospho_server"):
                self._look(connection.raw, sql, module)
            return method(connection, sql, *params)

        return run

    def _look(self, raw: sqlite3.Connection, sql: str, module: str) -> None:
        statement = _LIST.sub("in (:some)", sql)
        if statement in self._seen:
            return
        self._seen.add(statement)
        self.modules.add(module)
        scanned = find_scans(raw, statement)
        if scanned and not statement.startswith(tuple(ALLOWED)):
            self.problems.append(f"{module} reads all of {', '.join(scanned)}: {statement}")
