"""What phospho loses when it is killed, or when its disk is full: real servers, real programs.

    python benchmarks/faults.py kills --times 50     kill -9 of the server under 8 programs that log
    python benchmarks/faults.py disk                 a full disk, which has room again after a while
    python benchmarks/faults.py stops --times 20     SIGTERM under the same load

Each prints a table and ends with code 1 where something was lost that was acknowledged, was kept
twice, or took too long. Put the database on a disk, not in memory: `--folder`.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import resource
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from phospho_server.commands import opened
from phospho_server.store import jobs

EVENTS = (("refund", "The user said 'refund'"), ("done", "The assistant said 'done'"))

# From its start until it answers, of which most is the start of Python.
HEALTHY_S = 2.0
STOP_S = 5.0


class Server:
    """`phospho serve` in a process of its own."""

    def __init__(self, database: Path) -> None:
        began_s = time.monotonic()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "phospho_server", "serve"),
                *("--database", str(database), "--port", "0"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        self.output = ""
        for line in self.process.stdout:
            self.output += line
            if "Ctrl-C" in line:
                break
        self.port = urlsplit(self.setting("PHOSPHO_BASE_URL")).port
        while self.ask("GET", "/readyz")[0] != 200:
            time.sleep(0.01)
        self.healthy_s = time.monotonic() - began_s
        used = Path(f"/proc/{self.process.pid}/stat").read_text().split()
        self.cpu_s = (int(used[13]) + int(used[14])) / os.sysconf("SC_CLK_TCK")

    def setting(self, name: str) -> str:
        """Return what it has printed for the environment of an app."""
        found = re.search(rf"^{name}=(\S+)$", self.output, re.MULTILINE)
        return found.group(1) if found else ""

    def ask(
        self, method: str, path: str, body: bytes | None = None, key: str = ""
    ) -> tuple[int, bytes]:
        """Return status and body; status 0 where there was no whole answer."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port or 0, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def end(self, number: int) -> float:
        """Send a signal; return how long it took to end."""
        began_s = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return time.monotonic() - began_s


class Program(threading.Thread):
    """Logs batches one after the other, and sends each until it is acknowledged."""

    def __init__(self, run: Run, name: str) -> None:
        super().__init__(daemon=True)
        self.of, self.prefix = run, name
        self.acknowledged: list[str] = []
        self.statuses: dict[int, int] = {}

    def run(self) -> None:
        """Log until the run stops."""
        for batch in range(1_000_000):
            if self.of.stopping.is_set():
                return
            self._send([f"{self.prefix}-{batch}-{n}" for n in range(self.of.batch)])

    def _send(self, task_ids: list[str]) -> None:
        found = [
            {"task_id": t, "session_id": t[:6], "input": "A refund please. " * 10, "output": "Done"}
            for t in task_ids
        ]
        body = json.dumps({"batched_log_events": found}).encode()
        path = f"/v2/log/{self.of.project_id}"
        while not self.of.stopping.is_set():
            server = self.of.server
            status, _ = server.ask("POST", path, body, self.of.key)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status == 200:
                self.acknowledged += task_ids
                return
            time.sleep(0.05)


class Run:
    """A database with events, the server on it, and programs that log to it."""

    def __init__(self, folder: Path, programs: int, batch: int) -> None:
        self.database = folder / "phospho.db"
        self.batch = batch
        self.stopping = threading.Event()
        self.parked = 0
        self.server = server = Server(self.database)
        self.project_id, self.key = (
            server.setting(f"PHOSPHO_{name}") for name in ("PROJECT_ID", "API_KEY")
        )
        for name, description in EVENTS:
            definition = json.dumps({"name": name, "description": description}).encode()
            path = f"/api/projects/{self.project_id}/definitions"
            status, said = server.ask("POST", path, definition, self.key)
            assert status == 201, said
        self.programs = [Program(self, f"p{n:02}-{os.getpid()}") for n in range(programs)]

    @property
    def acknowledged(self) -> list[str]:
        """The ids of all that was acknowledged."""
        return [task_id for program in self.programs for task_id in program.acknowledged]

    def start(self) -> None:
        """Let the programs begin."""
        for program in self.programs:
            program.start()

    def work(self, interactions: int) -> None:
        """Wait until some more interactions are acknowledged."""
        wanted = len(self.acknowledged) + interactions
        while len(self.acknowledged) < wanted:
            time.sleep(0.01)

    def finish(self) -> None:
        """Stop logging, let everything be judged, and stop the server."""
        self.stopping.set()
        for program in self.programs:
            program.join()
        # A job at which a server has died twelve times is taken for the reason, and waits for a
        # person to press Retry; where a start takes longer than the time between two kills, one is.
        self.parked = self._count("select count(*) from jobs where parked_at_ms is not null")
        with opened(str(self.database)) as store:
            store.write(lambda db: jobs.retry_parked(db, self.project_id))
        while self._count("select count(*) from jobs"):
            time.sleep(0.2)
        self.server.end(signal.SIGTERM)

    def check(self) -> dict[str, object]:
        """Return what became of what was acknowledged."""
        with self._opened() as stored:
            rows = [row[0] for row in stored.execute("select task_id from interactions")]
            kept = set(rows)
            judged, distinct, detected = stored.execute(
                "select count(*), count(distinct interaction_id || definition_id), sum(detected) "
                "from detections"
            ).fetchone()
            counted = stored.execute("select sum(value) from counters where metric = 'events'")
            (events,) = counted.fetchone()
            (sound,) = stored.execute("pragma integrity_check").fetchone()
        acknowledged = self.acknowledged
        wanted = len(EVENTS) * len(rows)
        return {
            "acknowledged": len(acknowledged),
            "missing": len(set(acknowledged) - kept),
            "twice": len(rows) - len(kept),
            "verdicts missing": wanted - distinct,
            "verdicts twice": judged - distinct,
            "events counted wrong": abs(events - wanted) + abs(detected - wanted),
            "jobs parked, and retried": self.parked,
            "integrity check": sound,
        }

    def _count(self, sql: str) -> int:
        with self._opened() as stored:
            return int(stored.execute(sql).fetchone()[0])

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.database, timeout=30)) as stored:
            yield stored


def kill(run: Run, times: int) -> dict[str, object]:
    """Kill the server again and again, each time in the midst of requests and of detection."""
    healthy: list[float] = []
    cpu: list[float] = []
    run.start()
    for number in range(times):
        run.work(100 + 37 * (number % 7))
        run.server.end(signal.SIGKILL)
        run.server = Server(run.database)
        healthy.append(run.server.healthy_s)
        cpu.append(run.server.cpu_s)
        show(number + 1, times)
    run.finish()
    return {
        "kills": times,
        **run.check(),
        "ready after, median s": round(statistics.median(healthy), 2),
        "ready after, longest s": round(max(healthy), 2),
        "of which CPU, median s": round(statistics.median(cpu), 2),
    }


def stop(run: Run, times: int) -> dict[str, object]:
    """Stop the server in order, in the midst of requests and of detection."""
    took: list[float] = []
    codes: set[int] = set()
    run.start()
    for number in range(times):
        run.work(100 + 37 * (number % 7))
        took.append(run.server.end(signal.SIGTERM))
        codes.add(run.server.process.returncode)
        run.server = Server(run.database)
        show(number + 1, times)
    run.finish()
    return {
        "stops": times,
        **run.check(),
        "ended after, longest s": round(max(took), 2),
        "exit codes": sorted(codes),
    }


def fill_disk(run: Run, _times: int) -> dict[str, object]:
    """Let no file of the server grow for a while: the same errors as of a full disk."""
    run.start()
    run.work(2_000)
    pid = run.server.process.pid
    before = dict(run.programs[0].statuses)
    # The log of changes is begun anew after each checkpoint, so the database is what is full.
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (64 * 1024, resource.RLIM_INFINITY))
    until_s = time.monotonic() + 5
    refused: dict[int, int] = {}
    reads: dict[int, int] = {}
    ready: dict[int, int] = {}
    while time.monotonic() < until_s:
        path = f"/api/projects/{run.project_id}/interactions"
        count(reads, run.server.ask("GET", path, key=run.key)[0])
        count(ready, run.server.ask("GET", "/readyz")[0])
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    for status, number in run.programs[0].statuses.items():
        refused[status] = number - before.get(status, 0)
    began_s = time.monotonic()
    run.work(2_000)
    recovered_s = time.monotonic() - began_s
    run.finish()
    return {
        "answers of one program while full": refused,
        "reads while full": reads,
        "/readyz while full": ready,
        "2,000 more stored after, s": round(recovered_s, 2),
        **run.check(),
    }


def count(found: dict[int, int], status: int) -> None:
    """Count an answer."""
    found[status] = found.get(status, 0) + 1


def show(number: int, of: int) -> None:
    """Say how far it is."""
    print(f"\r{number} of {of}", end="", file=sys.stderr, flush=True)


FAULTS: dict[str, Callable[[Run, int], dict[str, object]]] = {
    "kills": kill,
    "stops": stop,
    "disk": fill_disk,
}

WANTED = {
    "missing": 0,
    "twice": 0,
    "verdicts missing": 0,
    "verdicts twice": 0,
    "events counted wrong": 0,
    "integrity check": "ok",
}


def main() -> int:
    """Run one fault, print what came of it, and tell by the exit code whether all was kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("fault", choices=FAULTS)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--programs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="where the database is made, on a disk")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="phospho-faults-") as folder:
        run = Run(Path(folder), asked.programs, asked.batch)
        found = FAULTS[asked.fault](run, asked.times)
    print(file=sys.stderr)
    for name, value in found.items():
        print(f"{name:36} {value}")
    return 0 if all(found[name] == value for name, value in WANTED.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
