"""Measure what a dashboard costs the server when a project has 100,000 sessions.

    python benchmarks/dashboard.py [--sessions 100000] [--days 365] [--rounds 20] [--keep FILE]

The data are made by SQL, with the roll-ups that the server would have kept. Prints for each period
the CPU time of a whole request, sign-in and rendering included, as the median of all rounds.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from phospho_server import create_app
from phospho_server.clock import DAY_MS, now_ms
from phospho_server.store.definitions import create_definition
from phospho_server.store.projects import create_project
from phospho_server.store.sign_ins import create_link
from phospho_server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from phospho_server.store import Connection

from phospho.models import EventDefinition

EVENTS = 10
VERSIONS = 12
USERS = 20_000
LENGTHS = (1, 1, 1, 2, 2, 3, 3, 4, 6, 8, 12)

# What is rolled up of the interactions below, statement by statement.
ROLL_UPS = """
insert into sessions
    select project_id, session_id, min(created_at_ms), max(created_at_ms), count(*),
        count(*) filter (where flag = 'success'), count(*) filter (where flag = 'failure'),
        max(user_id), max(version_id), min(input)
    from interactions group by 1, 2;
insert into users
    select project_id, user_id, min(created_at_ms), max(created_at_ms), count(*)
    from interactions group by 1, 2;
insert into user_days
    select distinct project_id, created_at_ms - created_at_ms % 86400000, user_id
    from interactions;
insert into session_events
    select d.project_id, i.session_id, d.definition_id, count(*)
    from detections d join interactions i on i.id = d.interaction_id where d.detected = 1
    group by 1, 2, 3;
insert into session_facts
    select i.project_id, i.session_id, 'language', i.language, count(*), s.last_at_ms
    from interactions i join sessions s using (project_id, session_id) group by 1, 2, 4;
insert into counters
    select project_id, 'interactions', '', created_at_ms - created_at_ms % 3600000, count(*)
    from interactions group by 1, 4;
insert into counters
    select project_id, 'sessions', '', first_at_ms - first_at_ms % 3600000, count(*)
    from sessions group by 1, 4;
insert into user_gaps
    select project_id, day_ms, gap_days, count(*) from (
        select project_id, day_ms, coalesce((day_ms - lag(day_ms) over (
            partition by project_id, user_id order by day_ms
        )) / 86400000, 0) as gap_days from user_days
    ) group by 1, 2, 3;
insert into counters
    select project_id, 'languages', language, created_at_ms - created_at_ms % 3600000, count(*)
    from interactions group by 1, 3, 4;
insert into counters
    select i.project_id, 'sentiment',
        case when sentiment > 0.33 then 'positive' when sentiment < -0.33 then 'negative'
        else 'neutral' end, created_at_ms - created_at_ms % 3600000, count(*)
    from interactions i group by 1, 3, 4;
insert into counters
    select d.project_id, 'events', d.definition_id,
        i.created_at_ms - i.created_at_ms % 3600000, count(*)
    from detections d join interactions i on i.id = d.interaction_id
    where d.detected = 1 group by 1, 3, 4;
insert into counters
    select project_id, 'feedback', flag, created_at_ms - created_at_ms % 3600000, count(*)
    from interactions where flag is not null group by 1, 3, 4;
insert into day_counters
    select project_id, metric, key, hour_ms - hour_ms % 86400000, sum(value)
    from counters group by 1, 2, 3, 4;
insert into version_days
    select project_id, created_at_ms - created_at_ms % 86400000, version_id, count(*),
        count(*) filter (where flag = 'success'), count(*) filter (where flag = 'failure')
    from interactions group by 1, 2, 3;
insert into version_events
    select d.project_id, i.created_at_ms - i.created_at_ms % 86400000, i.version_id,
        d.definition_id, count(*)
    from detections d join interactions i on i.id = d.interaction_id
    where d.detected = 1 group by 1, 2, 3, 4;
"""


def fill(db: Connection, project_id: str, sessions: int, days: int) -> None:
    """Put conversations into a project, spread evenly over the last days."""
    chance = random.Random(7)
    end_ms = now_ms()
    interactions, row_id = [], 0
    for n in range(sessions):
        at_ms = end_ms - (sessions - n) * days * DAY_MS // sessions
        for place in range(chance.choice(LENGTHS)):
            row_id += 1
            interactions.append(
                {
                    "id": row_id,
                    "project_id": project_id,
                    "task_id": f"t{row_id}",
                    "session_id": f"session-{n}",
                    "user_id": f"user-{chance.randrange(USERS)}",
                    "version_id": f"1.{n * VERSIONS // sessions}",
                    "at": at_ms + place * 20_000,
                    "input": f"Where is my order number {row_id}? I have waited for a week.",
                    "flag": chance.choice([None] * 8 + ["success", "failure"]),
                    "language": chance.choice(["en"] * 6 + ["es", "de", "fr"]),
                    "sentiment": chance.uniform(-1, 1),
                }
            )
    db.execute_many(
        "insert into interactions (id, project_id, task_id, session_id, user_id, version_id, "
        "created_at_ms, received_at_ms, input, output, flag, language, sentiment) values (:id, "
        ":project_id, :task_id, :session_id, :user_id, :version_id, :at, :at, :input, "
        "'It is on its way.', :flag, :language, :sentiment)",
        interactions,
    )
    for place in range(EVENTS):
        event = create_definition(
            db,
            project_id,
            EventDefinition(id="new", name=f"event {place}", description="The user asks for it"),
        )
        db.execute_many(
            "insert into detections (project_id, definition_id, interaction_id, "
            "definition_version, detected, score, detector, created_at_ms) "
            "values (:project_id, :event, :id, 1, :detected, 0.5, 'semantic', 1)",
            (
                {
                    "project_id": project_id,
                    "event": event.id,
                    "id": each["id"],
                    "detected": int(chance.random() < 0.02 * (place + 1)),
                }
                for each in interactions
            ),
        )
    db.execute("delete from jobs")
    for statement in ROLL_UPS.split(";\n"):
        if statement.strip():
            db.execute(statement)


def measure(client: FlaskClient, path: str, rounds: int) -> tuple[float, int]:
    """Return the CPU milliseconds of a request, and the bytes of its answer."""
    spent, size = [], 0
    for _ in range(rounds):
        start = time.thread_time()
        response = client.get(path)
        size = len(response.data)
        spent.append((time.thread_time() - start) * 1e3)
        if response.status_code != 200:
            raise SystemExit(f"{path} answers {response.status}")
    return statistics.median(spent), size


def main() -> None:
    """Make the data, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="a file to make once and use again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder, "phospho.db")
        is_new = not path.exists()
        store = SqliteStore(path)
        if is_new:
            project = store.write(lambda db: create_project(db, "Benchmark"))
            store.write(lambda db: fill(db, project.id, options.sessions, options.days))
        with store.read() as db:
            (project_row,) = db.rows("select id from projects")
        app = create_app(store, detectors={})
        client = app.test_client()
        client.get(f"/login?token={store.write(create_link)}")
        home = f"/projects/{project_row['id']}/dashboard"
        for period in ("24h", "7d", "30d", "all"):
            for show in ("interactions", "events"):
                address = f"{home}?period={period}&show={show}"
                cpu_ms, size = measure(client, address, options.rounds)
                print(f"{period:>4} {show:>12}: {cpu_ms:6.1f} ms CPU, {size / 1e3:6.1f} kB")
        store.close()


if __name__ == "__main__":
    main()
