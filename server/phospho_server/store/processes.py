"""The processes that work on jobs: who lives says so; what the dead held is taken up by others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from phospho_server.clock import now_ms
from phospho_server.store import Connection
from phospho_server.store.leases import release, take_from_dead

# A process that has not said for so long that it lives is taken for dead. It says so far more
# often; the clocks of machines may differ by some seconds.
DEAD_AFTER_MS = 30_000


@dataclass(frozen=True)
class Process:
    """A running `phospho serve` or `phospho worker`.

    Args:
        id: Of this run of it.
        host: The machine's name.
        pid: Its number there.
    """

    id: str
    host: str
    pid: int


def announce(db: Connection, process: Process) -> None:
    """Note that a process lives."""
    db.execute(
        "insert into processes (id, host, pid, started_at_ms, seen_at_ms) "
        "values (:id, :host, :pid, :now, :now) "
        "on conflict (id) do update set seen_at_ms = excluded.seen_at_ms",
        {**vars(process), "now": now_ms()},
    )


def leave(db: Connection, process_id: str) -> None:
    """Forget a process that ends, and give back what it holds."""
    db.execute("delete from processes where id = :id", {"id": process_id})
    release(db, process_id)


def _bury(db: Connection, process_id: str) -> None:
    db.execute("delete from processes where id = :id", {"id": process_id})
    take_from_dead(db, process_id)


def bury_dead(db: Connection) -> int:
    """Give back what processes held that are not heard of any more; return how many they were."""
    rows = db.rows(
        "select id from processes where seen_at_ms < :before",
        {"before": now_ms() - DEAD_AFTER_MS},
    )
    for row in rows:
        _bury(db, row["id"])
    return len(rows)


def bury_dead_of_host(db: Connection, me: Process, lives: Callable[[int], bool]) -> int:
    """Give back at once what processes of this machine held that have ended.

    Args:
        db: A connection in a write transaction.
        me: Who asks; another process with its number has ended before.
        lives: Whether a process with a number runs here.

    Returns:
        How many they were.
    """
    rows = db.rows("select id, pid from processes where host = :host", {"host": me.host})
    dead = [
        row["id"]
        for row in rows
        if row["id"] != me.id and (row["pid"] == me.pid or not lives(row["pid"]))
    ]
    for process_id in dead:
        _bury(db, process_id)
    return len(dead)
