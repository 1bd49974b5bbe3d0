"""How fast a real server stores what it acknowledges, what it weighs, and what SQLite alone can do.

    python benchmarks/server.py [--python PYTHON] [--phoenix PYTHON] [--rounds 3] [--only 1x8 ...]

Installs `phospho[server]` into a new environment and counts it; starts `phospho serve` from there;
sends interactions of about 1 KB over kept connections, in batches of 1, 10 and 100, from 1, 8 and
16 connections, each time to a new server with a new database; and reads back from the database
every interaction that was acknowledged. Beside it, in the same run: bare inserts into SQLite, and
Arize Phoenix where an environment that has it is named. CPU is the server process's own. With
`--only`, nothing but these rows of the table is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import arize_phoenix
from installed import install
from raw_sqlite import insert_all
from report import describe_machine, print_table
from served import Phospho, serving
from traffic import Interaction, Sent, bodies, interactions, send

BATCHES = (1, 10, 100)
CONNECTIONS = (1, 8, 16)
PAIRS = list(itertools.product(BATCHES, CONNECTIONS))

# Interactions of a run, by the size of its batches: some seconds each.
COUNTS = {1: 4_000, 10: 20_000, 100: 40_000}

# Events that are looked for by wording, which needs no extra.
EVENTS = {
    "refund": 'The user mentions "refund"',
    "disclaimer": "The assistant started with 'As an AI language model'",
    "thanks": 'The user says "thank you"',
    "booking": 'The user says "book a flight"',
}


@dataclass(frozen=True)
class Figures:
    """What a run took."""

    sent: Sent
    stored: int
    cpu_s: float
    memory_mb: float

    @property
    def cpu_us(self) -> float:
        """CPU microseconds of the server for an interaction."""
        return self.cpu_s / self.stored * 1e6

    @property
    def per_core(self) -> float:
        """Interactions stored in a second of CPU."""
        return self.stored / self.cpu_s


def main() -> None:
    """Measure, and print every figure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", help="an environment that has phospho[server]; makes none")
    parser.add_argument("--phoenix", help="the interpreter of an environment with Arize Phoenix")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", help="rows as in 1x8: a batch by connections")
    asked = parser.parse_args()
    phoenix = arize_phoenix.find_version(asked.phoenix) if asked.phoenix else None
    where = describe_machine()
    print(f"{where['date']}, Python {where['python']}, {where['cpus']} CPUs ({where['machine']})")
    with tempfile.TemporaryDirectory(prefix="phospho-server-") as name:
        folder = Path(name)
        python = asked.python or str(measure_install(folder))
        if asked.only:
            measure_ingest(python, folder, asked.rounds, [read_pair(text) for text in asked.only])
            return
        measure_start(python, folder, asked.rounds)
        measure_ingest(python, folder, asked.rounds, PAIRS)
        measure_detection(python, folder)
        measure_size(python, folder)
        if phoenix:
            arize_phoenix.measure(asked.phoenix, phoenix, folder)


def measure_install(folder: Path) -> Path:
    """Install phospho with its server, say what that weighs, and return the interpreter."""
    python, packages, size_mb = install(folder / "environment")
    print(f"phospho[server]: {packages} packages, {size_mb:.0f} MB installed", flush=True)
    return python


def measure_start(python: str, folder: Path, rounds: int) -> None:
    """Print what a start costs, and what a server holds that does nothing."""
    cpu_s, memory_mb = [], []
    for _ in range(rounds):
        with new_folder(folder) as place, serving(python, place) as server:
            server.settle()
            cpu_s.append(server.started_cpu_s)
            memory_mb.append(server.memory_mb())
    print(
        f"start: {statistics.median(cpu_s):.2f} s of CPU, "
        f"idle: {statistics.median(memory_mb):.0f} MB resident",
        flush=True,
    )


def read_pair(text: str) -> tuple[int, int]:
    """Return a size of batch and a number of connections."""
    batch, _, connections = text.partition("x")
    return int(batch), int(connections)


def measure_ingest(
    python: str, folder: Path, rounds: int, pairs: Sequence[tuple[int, int]]
) -> None:
    """Print a row for each size of batch and number of connections, the median of rounds."""
    found: dict[tuple[int, int], list[Figures]] = {}
    raw_us: dict[int, list[float]] = {}
    for _ in range(rounds):
        for batch, of_batch in itertools.groupby(pairs, key=lambda pair: pair[0]):
            sent = list(interactions(0, COUNTS[batch]))
            with new_folder(folder) as place:
                raw_us.setdefault(batch, []).append(insert_all(place, sent, batch))
            for _, connections in of_batch:
                with new_folder(folder) as place, serving(python, place) as server:
                    figures = run(server, sent, batch, connections)
                found.setdefault((batch, connections), []).append(figures)
    rows = [
        row_of(batch, connections, each, statistics.median(raw_us[batch]))
        for (batch, connections), each in found.items()
    ]
    header = ("batch x connections", *COLUMNS)
    print_table("ingest, every acknowledged interaction read back", header, rows)


COLUMNS = (
    *("acknowledged/s", "stored/s of CPU", "requests/s of CPU", "CPU us"),
    *("raw SQLite us", "p50 ms", "p99 ms", "MB after"),
)


def row_of(batch: int, connections: int, runs: Sequence[Figures], raw_us: float) -> list[str]:
    """Return the medians of some runs as a row."""

    def median(values: Sequence[float]) -> float:
        return statistics.median(values)

    per_core = median([each.per_core for each in runs])
    acknowledged = median([each.stored / each.sent.wall_s for each in runs])
    return [
        f"{batch:>3} x {connections}",
        f"{acknowledged:,.0f}",
        f"{per_core:,.0f}",
        f"{per_core / batch:,.0f}",
        f"{median([each.cpu_us for each in runs]):,.0f}",
        f"{raw_us:,.0f}",
        f"{median([each.sent.percentile_ms(0.5) for each in runs]):,.1f}",
        f"{median([each.sent.percentile_ms(0.99) for each in runs]):,.1f}",
        f"{median([each.memory_mb for each in runs]):,.0f}",
    ]


def run(server: Phospho, sent: Sequence[Interaction], batch: int, connections: int) -> Figures:
    """Send interactions and read all of them back.

    Raises:
        SystemExit: One that was acknowledged is not there.
    """
    requests = bodies(sent, batch)
    cpu_s = server.cpu_s()
    answered = send(server.port, server.path, requests, connections, **server.headers)
    cpu_s = server.cpu_s() - cpu_s
    stored = read_back(server.database)
    missing = {one.task_id for one in sent} - stored
    if answered.acknowledged != len(requests) or missing:
        sys.exit(
            f"{answered.acknowledged} of {len(requests)} requests were acknowledged, "
            f"and {len(missing)} interactions are missing."
        )
    return Figures(answered, len(stored), cpu_s, server.memory_mb())


def read_back(database: Path) -> set[str]:
    """Return the ids of all interactions that are stored."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return {task_id for (task_id,) in db.execute("select task_id from interactions")}


def measure_detection(python: str, folder: Path) -> None:
    """Print what four events of wording cost besides, all of it: until nothing waits."""
    sent = list(interactions(0, COUNTS[100]))
    with new_folder(folder) as place, serving(python, place) as server:
        for name, description in EVENTS.items():
            server.define(name, description)
        started_s, cpu_s = time.monotonic(), server.cpu_s()
        figures = run(server, sent, 100, 8)
        while count(server.database, "jobs"):
            time.sleep(0.2)
        waited_s, cpu_s = time.monotonic() - started_s, server.cpu_s() - cpu_s
        verdicts = count(server.database, "detections")
    print(
        f"\nwith {len(EVENTS)} events defined, 100 x 8: "
        f"{figures.per_core:,.0f} stored/s of CPU until the last answer, "
        f"p99 {figures.sent.percentile_ms(0.99):,.0f} ms; "
        f"{len(sent) / cpu_s:,.0f} stored and judged/s of CPU, {verdicts:,} verdicts, "
        f"the last {waited_s - figures.sent.wall_s:.1f} s after the last answer"
    )


def count(database: Path, table: str) -> int:
    """Return how many rows a table has."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return int(db.execute(f"select count(*) from {table}").fetchone()[0])


def measure_size(python: str, folder: Path) -> None:
    """Print how large the file of a server is that has ended, also with metadata like no other."""
    for title, is_unique in (("three metadata keys", False), ("one key of unique values", True)):
        sent = list(interactions(0, COUNTS[100], is_unique=is_unique))
        with new_folder(folder) as place:
            with serving(python, place) as server:
                figures = run(server, sent, 100, 8)
            size = sum(file.stat().st_size for file in place.glob("phospho.db*"))
        print(
            f"{title}: {size / len(sent):,.0f} bytes of the database an interaction, "
            f"{figures.per_core:,.0f} stored/s of CPU",
            flush=True,
        )


@contextlib.contextmanager
def new_folder(parent: Path) -> Iterator[Path]:
    """Give an empty folder, and remove it."""
    with tempfile.TemporaryDirectory(dir=parent) as name:
        yield Path(name)


if __name__ == "__main__":
    main()
