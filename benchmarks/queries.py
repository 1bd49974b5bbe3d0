"""How much CPU each page and each answer of the JSON API costs the server, and how that grows.

    python benchmarks/queries.py [--interactions 10000 100000 1000000] [--rounds 9]
        [--passes 3] [--keep FOLDER] [--only TEXT]

Fills a database of each size (`filling.py`), then asks the application for everything in
`pages.py`, without a socket, of one database after the other: each figure is the CPU time of a
whole request, rendering included, the least of some, which are spread over passes through all
addresses: a machine that is shared is slow for seconds. Of an export, up to its first bytes. Growth
is the largest database against the smallest, and the last column how long both answers are. What
misses a target is marked: 15 ms, 50 ms of what searches for words, and 1.5 times what the smallest
database takes for an answer as long. A million interactions take 8 minutes of CPU to make and 3 GB
of disk; `--keep` leaves the databases in a folder and uses those that are there.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from filling import (
    HEAVY_USER,
    LONG_SESSION,
    ONE_HALF,
    OTHER_HALF,
    RARE_WORD,
    find_or_fill,
)
from memory import memory_mb
from pages import ANSWERS, OLD_ANSWERS, PAGES

from phospho_server import create_app
from phospho_server.store.alert_rules import list_rules
from phospho_server.store.definitions import list_defined
from phospho_server.store.matches import list_matches
from phospho_server.store.projects import create_key, list_projects
from phospho_server.store.search import list_matches as search
from phospho_server.store.sign_ins import create_link
from phospho_server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from flask.testing import FlaskClient

MOST_MS, MOST_OF_SEARCH_MS, MOST_GROWTH = 15.0, 50.0, 1.5

# What costs less may double: that is noise, and nobody waits for it.
_SMALL_MS = 2.0

# How far a list is read on before a late page of it is measured.
_PAGES_ON = 19


class Cost(NamedTuple):
    """What a request costs: CPU milliseconds, and the bytes of its answer."""

    cpu_ms: float
    size: int


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--interactions", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=9, help="requests in each pass")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="where databases are left, and looked for")
    parser.add_argument("--only", default="", help="measure only what has this in its name")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = [find_or_fill(asked.keep or Path(folder), n) for n in asked.interactions]
        servers = [Served(file) for file in files]
        names = [name for name in servers[0].addresses if asked.only in name]
        costs = [
            {name: [s.measure(name, asked.rounds) for s in servers] for name in names}
            for _ in range(asked.passes)
        ]
        print_head(asked.interactions)
        missed = sum(
            print_row(
                name, [min(some) for some in zip(*(each[name] for each in costs), strict=True)]
            )
            for name in names
        )
        sizes = [file.stat().st_size / n for file, n in zip(files, asked.interactions, strict=True)]
        print(f"{'bytes an interaction':42}" + "".join(f"{size:11,.0f}" for size in sizes))
        print(f"{missed} of {len(names)} miss a target; {memory_mb():.0f} MB of memory")
        for server in servers:
            server.store.close()


class Served:
    """The application over one database, with somebody signed in."""

    def __init__(self, file: Path) -> None:
        self.store = SqliteStore(file)
        self._client = create_app(self.store, detectors={}).test_client()
        self._client.get(f"/login?token={self.store.write(create_link)}")
        with self.store.read() as db:
            (project,) = list_projects(db)
        key = self.store.write(lambda db: create_key(db, project.id, "a key"))[1]
        bearer = {"Authorization": f"Bearer {key}"}
        names = name_things(self._client, self.store, project.id)
        self.addresses: dict[str, tuple[str, Mapping[str, str]]] = {
            name: (f"{start}/{project.id}/{path.format(**names)}".rstrip("/"), headers)
            for start, pages, headers in (
                ("/projects", PAGES, {}),
                ("/api/projects", ANSWERS, bearer),
                ("/v2/projects", OLD_ANSWERS, bearer),
            )
            for name, path in pages.items()
        }

    def measure(self, name: str, rounds: int) -> Cost:
        """Return the least that a request cost, of some: what else runs here only adds to it."""
        path, headers = self.addresses[name]
        return min(request(self._client, path, headers) for _ in range(rounds))


def name_things(client: FlaskClient, store: SqliteStore, project_id: str) -> dict[str, object]:
    """Return what stands in braces in addresses."""
    with store.read() as db:
        events = {each.name: each.id for each in list_defined(db, project_id)}
        (rule,) = list_rules(db, project_id)
        matches = list_matches(db, project_id, events["common"], limit=500).matches
        found = search(db, project_id, RARE_WORD).found
    home = f"/projects/{project_id}"
    late = {
        name: walk(client, f"{home}/{path}")
        for name, path in {
            "late": "sessions?",
            "late_interactions": "interactions?",
            "late_users": "users?",
            "late_search": "search?q=flight&",
        }.items()
    }
    return {
        **late,
        "day": time.strftime("%Y-%m-%d", time.gmtime(time.time() - 45 * 86_400)),
        "user": "user-1",
        "heavy": HEAVY_USER,
        "long": LONG_SESSION,
        "request": "r77-0",
        "task": "t77-0",
        "event": events["common"],
        "rare": events["rare"],
        "rule": rule.id,
        "before": matches[-1].interaction_id,
        "rare_word": RARE_WORD,
        "rare_session": found[len(found) // 2].session_id,
        "one_half": ONE_HALF,
        "other_half": OTHER_HALF,
    }


def walk(client: FlaskClient, path: str) -> str:
    """Return the cursor of a late page of a list, or of its last one."""
    cursor = ""
    for _ in range(_PAGES_ON):
        text = client.get(f"{path}cursor={cursor}" if cursor else path).get_data(as_text=True)
        _, is_there, rest = text.rpartition("cursor=")
        if not is_there:
            break
        cursor = rest.partition('"')[0].partition("&")[0]
    return cursor


def request(client: FlaskClient, path: str, headers: Mapping[str, str]) -> Cost:
    """Ask for an address once; of an export, no further than its first bytes."""
    start = time.thread_time()
    response = client.get(path, headers=headers, buffered="/export/" not in path)
    if response.status_code >= 400:
        raise SystemExit(f"{path} answered {response.status_code}.")
    answer = next(iter(response.response), b"") if response.is_streamed else response.data
    spent_ms = (time.thread_time() - start) * 1000
    response.close()
    return Cost(spent_ms, len(answer))


def print_head(interactions: Sequence[int]) -> None:
    """Print what the columns are."""
    sizes = "".join(f"{n:>11,}" for n in interactions)
    print(f"{'CPU ms':42}{sizes}  growth  kB", flush=True)


def print_row(name: str, costs: Sequence[Cost]) -> bool:
    """Print the figures of an address, and tell whether one misses its target."""
    marks = miss(name, costs)
    row = "".join(f"{cost.cpu_ms:11.1f}" for cost in costs)
    growth = costs[-1].cpu_ms / costs[0].cpu_ms
    sizes = " ".join(f"{cost.size / 1000:.0f}" for cost in (costs[0], costs[-1]))
    print(f"{name:42}{row}{growth:8.2f}  {sizes:9} {marks}".rstrip(), flush=True)
    return bool(marks)


def miss(name: str, costs: Sequence[Cost]) -> str:
    """Say which targets are missed."""
    first, last = costs[0], costs[-1]
    is_search = "word" in name or "search" in name
    most = MOST_OF_SEARCH_MS if is_search else MOST_MS
    # More to show is no growth of what it costs to find it.
    is_as_long = last.size < 1.2 * first.size
    grows = last.cpu_ms > MOST_GROWTH * first.cpu_ms and last.cpu_ms > _SMALL_MS and is_as_long
    slow = f"over {most:.0f} ms" if last.cpu_ms > most else ""
    return ", ".join(filter(None, (slow, "grows" if grows and not is_search else "")))


if __name__ == "__main__":
    main()
