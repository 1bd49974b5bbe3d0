"""Apply an edited definition to 100,000 interactions while the server is killed now and then.

    python benchmarks/redetection.py [--interactions 100000] [--kills 10]

A server process works through the past and gets SIGKILL at random moments; the next one goes on.
At the end every interaction must have exactly one verdict, of the new version, and the roll-ups
must be what a recount finds. Prints how long it took, and how long it takes without a kill.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from phospho.models import EventDefinition
from phospho_server.store.definitions import create_definition, edit_definition
from phospho_server.store.interactions import add_interactions
from phospho_server.store.projects import create_project
from phospho_server.store.rows import NewInteraction
from phospho_server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

START_MS = 1_795_176_000_000
WORDS = ("refund", "money", "hello")


def ask(database: Path, sql: str) -> list[tuple[int, ...]]:
    """Return the rows of a query, read beside the running server."""
    connection = sqlite3.connect(database)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def fill(database: Path, count: int) -> None:
    """Make a database with an event at version 1, edited to version 2 before any detection."""
    store = SqliteStore(database)
    project = store.write(lambda db: create_project(db, "Benchmark"))
    for start in range(0, count, 5_000):
        news = [
            NewInteraction(
                task_id=f"t{n}",
                session_id=f"s{n // 6}",
                created_at_ms=START_MS + n * 1_000,
                input=f"I need help with my order, {WORDS[n % 3]} please",
                output="Of course.",
            )
            for n in range(start, min(start + 5_000, count))
        ]
        store.write(lambda db, news=news: add_interactions(db, project.id, news))  # type: ignore[misc]
    first = EventDefinition(id="new", name="asks", description="The user says 'refund'")
    event = store.write(lambda db: create_definition(db, project.id, first))
    with serving(database):
        wait_until_done(database)
    changed = event.model_copy(update={"description": "The user says 'money'"})
    store.write(lambda db: edit_definition(db, project.id, changed))
    store.close()


@contextlib.contextmanager
def serving(database: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for the length of a block."""
    command = [sys.executable, "-m", "phospho_server", "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--database", str(database)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait()


def wait_until_done(database: Path, *, at_most_s: float = 3_600.0) -> bool:
    """Wait until no work is left; tell whether that was so in time."""
    deadline = time.monotonic() + at_most_s
    while time.monotonic() < deadline:
        if not ask(database, "select 1 from jobs limit 1"):
            return True
        time.sleep(0.05)
    return False


def main() -> None:
    """Run, check, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "phospho.db")
        start = time.monotonic()
        fill(database, options.interactions)
        print(
            f"{options.interactions:,} interactions at version 1: {time.monotonic() - start:.0f} s"
        )
        start = time.monotonic()
        chance = random.Random(7)
        kills = 0
        while kills < options.kills:
            with serving(database) as server:
                if wait_until_done(database, at_most_s=1.0 + chance.random()):
                    break
                server.kill()
            kills += 1
            (left,) = ask(database, "select size from jobs where kind = 'backfill'")[0]
            print(f"kill {kills}: {options.interactions - left:,} looked at again")
        with serving(database):
            wait_until_done(database)
        print(f"version 2 after {kills} kills: {time.monotonic() - start:.0f} s")
        check(database, options.interactions)


def check(database: Path, count: int) -> None:
    """Stop with what is wrong, if anything is."""
    expected = len(range(1, count, 3))
    found = {
        "verdicts": ask(database, "select count(*) from detections")[0][0],
        "interactions with one": ask(
            database, "select count(distinct interaction_id) from detections"
        )[0][0],
        "of version 2": ask(
            database, "select count(*) from detections where definition_version = 2"
        )[0][0],
        "counted by version": ask(database, "select sum(verdicts) from verdict_counts")[0][0],
        "events": ask(database, "select sum(detected) from detections")[0][0],
        "counted by hour": ask(database, "select sum(value) from counters where metric = 'events'")[
            0
        ][0],
        "counted by session": ask(
            database, "select sum(interactions) from facts where fact = 'event'"
        )[0][0],
    }
    print("  ".join(f"{name} {value:,}" for name, value in found.items()))
    if list(found.values()) != [count] * 4 + [expected] * 3:
        raise SystemExit(f"These should be {count:,} four times and {expected:,} three times.")


if __name__ == "__main__":
    main()
