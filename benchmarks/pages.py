"""How much CPU a page of each list costs the server, also as JSON, and how that grows.

    python benchmarks/pages.py [--sessions 10000 100000] [--rounds 15]

Fills a database with sessions of three interactions each (users, versions, models, metadata,
feedback, languages, events), then asks the application for pages, without a socket: the numbers
are the median of the process's CPU time, rendering included. The last column is the largest
database against the smallest.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from phospho.models import EventDefinition
from phospho_server import create_app
from phospho_server.store import detections, message_facts
from phospho_server.store.definitions import create_definition
from phospho_server.store.interactions import add_interactions, find_ids
from phospho_server.store.projects import create_key, create_project
from phospho_server.store.rows import NewInteraction, Project, StoredDetection
from phospho_server.store.sign_ins import create_link
from phospho_server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from flask.testing import FlaskClient

LENGTH = 3
WORDS = [
    "flight",
    "refund",
    "account",
    "card",
    "hotel",
    "please",
    "thanks",
    "how",
    "when",
    "the",
    "a",
    "my",
    "order",
    "cancel",
    "change",
    "booking",
    "late",
    "train",
    "price",
    "seat",
    "luggage",
    "meal",
    "card",
    "pin",
    "code",
    "app",
    "error",
    "login",
    "invoice",
]
PAGES = {
    "sessions": "sessions",
    "sessions, page 20": "sessions?cursor={late}",
    "sessions, longest": "sessions?sort=longest",
    "sessions, period": "sessions?since={day}&until={day}",
    "sessions, event": "sessions?event=common",
    "sessions, rare event": "sessions?event=rare",
    "sessions, old event": "sessions?event=old",
    "sessions, without event": "sessions?without=common",
    "sessions, version and language": "sessions?version=v1&language=fr",
    "sessions, never both": "sessions?version=v1&model=model-b",
    "sessions, metadata": "sessions?metadata=plan%3Dpro&flag=failure",
    "sessions, one user": "sessions?user=user-77",
    "sessions, common word": "sessions?q=the",
    "sessions, rare word": "sessions?q=zanzibar",
    "sessions, word and event": "sessions?q=flight&event=rare",
    "interactions": "interactions",
    "interactions, period": "interactions?since={day}&until={day}",
    "interactions, event": "interactions?event=common",
    "interactions, old event": "interactions?event=old",
    "interactions, metadata": "interactions?metadata=plan%3Dpro&flag=failure",
    "interactions, never both": "interactions?version=v1&model=model-b",
    "interactions, position": "interactions?position=3-&event=common",
    "interactions, never there": "interactions?position=9&event=common",
    "interactions, common word": "interactions?q=the",
    "search, common word": "search?q=the",
    "search, two words": "search?q=flight+refund",
    "users": "users",
    "users, most": "users?sort=most",
    "users, id": "users?q=user-7",
    "users, event": "users?event=common",
    "users, rare event": "users?event=rare",
    "users, without event": "users?without=common",
    "users, never both": "users?version=v1&metadata=plan%3Dpro&without=common",
    "one user": "users/user-77",
    "transcript": "sessions/s77",
    "dashboard": "dashboard",
    "dashboard, all time": "dashboard?period=all",
    "dashboard, hours": "dashboard?period=24h",
    "dashboard, an event": "dashboard?show=events",
    "events": "events",
}

# The JSON API, with pages of 50.
ANSWERS = {
    "json: sessions": "sessions",
    "json: sessions, event": "sessions?event=common",
    "json: sessions, never both": "sessions?version=v1&model=model-b",
    "json: a session": "sessions/s77",
    "json: interactions": "interactions",
    "json: interactions, metadata": "interactions?metadata=plan%3Dpro&flag=failure",
    "json: interactions, common word": "interactions?q=the",
    "json: users": "users",
    "json: events": "events",
    "json: definitions": "definitions",
    "json: stats": "stats",
    "json: stats, all time": "stats?period=all",
    "json: series": "stats/series?period=30d",
    "json: search": "search?q=flight+refund",
}


def fill(store: SqliteStore, sessions: int) -> Project:
    """Fill a database with sessions of the last 90 days."""
    chance = random.Random(7)
    project = store.write(lambda db: create_project(db, "Benchmark"))
    events = {
        name: store.write(lambda db, name=name: create_definition(db, project.id, _define(name)))
        for name in ("common", "rare", "old")
    }
    now_ms = int(time.time() * 1000)
    step_ms = 90 * 24 * 3_600_000 // sessions
    for start in range(0, sessions, 2_000):
        new = [
            _make(n, turn, now_ms - (sessions - n) * step_ms + turn * 60_000, chance)
            for n in range(start, min(start + 2_000, sessions))
            for turn in range(LENGTH)
        ]
        store.write(lambda db, new=new: add_interactions(db, project.id, new))
        for at in range(0, len(new), 500):
            _judge(store, project, events, new[at : at + 500], sessions)
    with store.read() as db:
        db.raw.execute("select 1")
    return project


def _define(name: str) -> EventDefinition:
    return EventDefinition(id="new", name=name, description=f"The user mentions {name}")


def _make(n: int, turn: int, at_ms: int, chance: random.Random) -> NewInteraction:
    words = chance.choices(WORDS, k=12)
    if n % 5_000 == 0:
        words.append("zanzibar")
    version = n % 4
    metadata = {
        "model": "model-a" if version == 1 else "model-b",
        "plan": chance.choice(["free", "free", "free", "pro"]),
        "channel": chance.choice(["web", "ios", "android"]),
        "request": f"r{n}-{turn}",
        "usage": {"total_tokens": 100 + n % 50},
    }
    return NewInteraction(
        task_id=f"t{n}-{turn}",
        session_id=f"s{n}",
        created_at_ms=at_ms,
        input=" ".join(words),
        output=" ".join(chance.choices(WORDS, k=30)),
        user_id=f"user-{n % 9_000}",
        version_id=f"v{version}",
        flag=chance.choice(["success", "failure"]) if n % 10 == 0 else None,
        metadata=str(metadata).replace("'", '"'),
    )


def _judge(
    store: SqliteStore,
    project: Project,
    events: dict[str, EventDefinition],
    new: list[NewInteraction],
    sessions: int,
) -> None:
    with store.read() as db:
        ids = find_ids(db, project.id, [each.task_id for each in new])

    def verdict(each: NewInteraction, **changes: object) -> StoredDetection:
        fields = {
            "interaction_id": ids[each.task_id],
            "session_id": each.session_id,
            "created_at_ms": each.created_at_ms,
            "detected": True,
            "score": 0.9,
            "detector": "rules",
            "evidence": None,
        }
        return StoredDetection(**{**fields, **changes})  # type: ignore[arg-type]

    numbers = [int(each.session_id[1:]) for each in new]
    for name, wanted in (
        ("common", [n % 3 == 0 for n in numbers]),
        ("rare", [n % 900 == 0 for n in numbers]),
        ("old", [n < sessions // 50 for n in numbers]),
    ):
        verdicts = [verdict(e, detected=d) for e, d in zip(new, wanted, strict=True)]
        store.write(
            lambda db, name=name, verdicts=verdicts: detections.record(
                db, project.id, events[name], verdicts
            )
        )
    told = {
        "language": [
            verdict(e, value='"fr"' if n % 7 == 0 else '"en"')
            for e, n in zip(new, numbers, strict=True)
        ]
    }
    store.write(lambda db: message_facts.record(db, project.id, told))


def measure(client: FlaskClient, address: str, rounds: int, **headers: str) -> float:
    """Return the median CPU time of a page, in milliseconds."""
    times = []
    for _ in range(rounds + 2):
        start = time.thread_time()
        response = client.get(address, headers=headers)
        response.get_data()
        times.append((time.thread_time() - start) * 1000)
        if response.status_code != 200:
            raise SystemExit(f"{address} answered {response.status_code}.")
    return statistics.median(times[2:])


def measure_all(sessions: int, rounds: int) -> dict[str, float]:
    """Fill a database and return the CPU time of each page."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder, "phospho.db"))
        start = time.perf_counter()
        project = fill(store, sessions)
        size = Path(folder, "phospho.db").stat().st_size
        sys.stderr.write(
            f"{sessions:,} sessions filled in {time.perf_counter() - start:.0f} s; "
            f"{size / (sessions * LENGTH):,.0f} bytes an interaction\n"
        )
        client = create_app(store, detectors={}).test_client()
        client.get(f"/login?token={store.write(create_link)}")
        home = f"/projects/{project.id}"
        late = client.get(f"{home}/sessions").get_data(as_text=True)
        cursor = late.partition("cursor=")[2].partition('"')[0].partition("&")[0]
        for _ in range(18):
            late = client.get(f"{home}/sessions?cursor={cursor}").get_data(as_text=True)
            cursor = late.rpartition("cursor=")[2].partition('"')[0].partition("&")[0]
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 45 * 86_400))
        found = {
            name: measure(client, f"{home}/{path.format(late=cursor, day=day)}", rounds)
            for name, path in PAGES.items()
        }
        key = store.write(lambda db: create_key(db, project.id, "a key"))[1]
        found |= {
            name: measure(client, f"/api{home}/{path}", rounds, Authorization=f"Bearer {key}")
            for name, path in ANSWERS.items()
        }
        store.close()
    return found


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    found = [measure_all(sessions, asked.rounds) for sessions in asked.sessions]
    print(f"{'CPU ms of a page':32}" + "".join(f"{n:>12,}" for n in asked.sessions) + "   growth")
    for name in (*PAGES, *ANSWERS):
        values = [each[name] for each in found]
        row = "".join(f"{value:12.1f}" for value in values)
        print(f"{name:32}{row}{values[-1] / values[0]:9.2f}")


if __name__ == "__main__":
    main()
