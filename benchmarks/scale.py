"""What growing costs a server: memory, storing, and the time from `phospho.log` to a page.

    python benchmarks/scale.py [--interactions 10000 100000 1000000] [--keep FOLDER]

Fills a database of each size, or uses those that `queries.py --keep` has left, and works on a copy.
For each it prints the CPU of storing more, in batches of 100; what a real server takes to start,
and its memory when idle, after pages were read by eight at once, and after a backlog; and how long
it is from `phospho.log` until the interaction, and the event in it, are in the session's transcript
(asked for as JSON, twenty times a second): ten times a second, and while the server looks for a
new event in all of the past.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from filling import find_or_fill, make_interactions
from served import Server

import phospho
from phospho.models import EventDefinition
from phospho_server.store.definitions import create_definition
from phospho_server.store.interactions import add_interactions
from phospho_server.store.projects import create_key, list_projects
from phospho_server.store.sqlite import SqliteStore

# What is stored to measure storing, by how many in a transaction.
STORED, BATCH = 10_000, 100

# Logged to measure how long it takes to a page, and how many a second.
LOGGED, A_SECOND = 100, 10

READERS = 8
PAGES = (
    *("dashboard", "dashboard?period=all", "sessions", "sessions?q=flight", "search?q=refund"),
    *("sessions?without=common", "interactions?event=common", "users", "events", "settings"),
)

# What gives up after this, on a machine that is busy with other things.
_PATIENCE_S = 60.0

# How often a session is looked for: whoever waits for it must not be what keeps the server busy.
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Place:
    """A project on a server, and how to get at it."""

    database: Path
    project_id: str
    api_key: str


def main() -> None:
    """Measure each size and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--interactions", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--keep", type=Path, help="where databases are left, and looked for")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for size in asked.interactions:
            file = find_or_fill(asked.keep or Path(folder), size)
            copy = Path(folder, "copy.db")
            shutil.copyfile(file, copy)
            print(f"{size:,} interactions", flush=True)
            measure(copy)
            for each in Path(folder).glob("copy.db*"):
                each.unlink()


def measure(database: Path) -> None:
    """Print the figures of one database, which is changed by it."""
    store = SqliteStore(database)
    with store.read() as db:
        (project,) = list_projects(db)
    key = store.write(lambda db: create_key(db, project.id, "a key"))[1]
    print(
        f"  storing: {measure_storing(store, project.id):.0f} us of CPU an interaction", flush=True
    )
    store.write(lambda db: db.execute("delete from jobs"))
    store.close()
    measure_server(Place(database, project.id, key))


def measure_storing(store: SqliteStore, project_id: str) -> float:
    """Return microseconds of CPU for one interaction more."""
    new = make_interactions(STORED, prefix="more")
    started = time.process_time()
    for start in range(0, STORED, BATCH):
        batch = new[start : start + BATCH]
        store.write(partial(add_interactions, project_id=project_id, interactions=batch))
    return (time.process_time() - started) / STORED * 1e6


def measure_server(place: Place) -> None:
    """Print what a server process takes on a database, and how soon it shows what is logged."""
    server = Server(place.database)
    try:
        print(f"  start: {server.cpu_s():.1f} s of CPU, {server.memory_mb():.0f} MB", flush=True)
        browser = httpx.Client(base_url=server.url, follow_redirects=True, timeout=_PATIENCE_S)
        browser.get(server.sign_in_path)
        read_pages(browser, place.project_id)
        print(f"  after pages, {READERS} readers: {server.memory_mb():.0f} MB", flush=True)
        reader = httpx.Client(
            base_url=f"{server.url}/api/projects/{place.project_id}",
            headers={"Authorization": f"Bearer {place.api_key}"},
            timeout=_PATIENCE_S,
        )
        phospho.init(api_key=place.api_key, project_id=place.project_id, base_url=server.url)
        report("from log to page", *log_and_look(reader))
        look_back(place)
        report("while looking at the past", *log_and_look(reader))
        print(
            f"  afterwards: {server.memory_mb():.0f} MB, at most {server.peak_mb():.0f}", flush=True
        )
    finally:
        phospho.shutdown()
        server.stop()


def read_pages(browser: httpx.Client, project_id: str) -> None:
    """Ask for pages, several at once."""
    paths = [f"/projects/{project_id}/{page}" for page in PAGES] * READERS
    with ThreadPoolExecutor(READERS) as pool:
        for answer in pool.map(browser.get, paths):
            answer.raise_for_status()


def look_back(place: Place) -> None:
    """Define an event more, which the server looks for in all of the past."""
    store = SqliteStore(place.database)
    definition = EventDefinition(
        id="new", name="late", description="late", detector="rules", keywords=["late"]
    )
    store.write(lambda db: create_definition(db, place.project_id, definition))
    store.close()


def log_and_look(reader: httpx.Client) -> tuple[Sequence[float], Sequence[float]]:
    """Log at a modest rate; return after how many seconds each was seen, and its event."""
    seen_s: list[float] = []
    found_s: list[float] = []
    with ThreadPoolExecutor(2 * A_SECOND) as pool:
        waiting = []
        for _ in range(LOGGED):
            session_id = phospho.new_session()
            logged_at = time.monotonic()
            phospho.log("This is common", "It is", session_id=session_id)
            waiting.append(pool.submit(look, reader, session_id, logged_at))
            time.sleep(1 / A_SECOND)
        for each in waiting:
            seen, found = each.result()
            seen_s.append(seen)
            found_s.append(found)
    return seen_s, found_s


def look(reader: httpx.Client, session_id: str, logged_at: float) -> tuple[float, float]:
    """Return after how many seconds a session is there, and its event is."""
    seen_s = None
    while time.monotonic() < logged_at + _PATIENCE_S:
        answer = reader.get(f"/sessions/{session_id}")
        if answer.status_code == 200:
            waited_s = time.monotonic() - logged_at
            seen_s = waited_s if seen_s is None else seen_s
            if any(each["events"] for each in answer.json()["transcript"]):
                return seen_s, waited_s
        time.sleep(_LOOK_EVERY_S)
    raise SystemExit(f"The event was not there within {_PATIENCE_S:.0f} s.")


def report(when: str, seen_s: Sequence[float], found_s: Sequence[float]) -> None:
    """Print the median and the 99th percentile of both."""
    for what, waits in (("interaction", seen_s), ("event", found_s)):
        ranked = sorted(waits)
        p99 = ranked[int(len(ranked) * 0.99)]
        print(
            f"  {when}, the {what}: p50 {statistics.median(ranked) * 1000:,.0f} ms, "
            f"p99 {p99 * 1000:,.0f} ms",
            flush=True,
        )


if __name__ == "__main__":
    main()
