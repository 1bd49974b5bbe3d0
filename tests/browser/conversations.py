"""Conversations for the browser to show: short, long, hostile, and many."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from phospho_server.clock import DAY_MS, now_ms
from phospho_server.store import (
    Connection,
    alerts,
    deliveries,
    detections,
    feedback,
    jobs,
    leases,
    message_facts,
    reviews,
    webhooks,
)
from phospho_server.store.alert_changes import pause_rule
from phospho_server.store.alert_rules import AlertRule, Terms, add_rule, get_rule
from phospho_server.store.definitions import list_defined
from phospho_server.store.projects import create_key
from phospho_server.store.rows import NewInteraction, Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.webhooks import Webhook
from tests.server.builders import add, define, interaction, verdict

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> \u202egnirts\u202c "
    "javascript:alert(1) <a href='javascript:alert(1)'>link</a>"
)

_BEGIN_MS = 1_795_176_000_000
STEPS: list[dict[str, Any]] = [
    {
        "kind": "llm",
        "name": "ask",
        "started_at_ms": _BEGIN_MS,
        "duration_ms": 812.4,
        "model": "gpt-x",
        "usage": {"prompt_tokens": 1100, "completion_tokens": 104, "total_tokens": 1204},
        "input": "Which flights go to Oslo on Friday?",
        "output": '[{"name": "search_flights", "arguments": "{\\"to\\": \\"OSL\\"}"}]',
    },
    {
        "kind": "tool",
        "name": "search_flights",
        "started_at_ms": _BEGIN_MS + 820,
        "duration_ms": 340.0,
        "input": '{"to": "OSL", "day": "Friday"}',
        "error": {"type": "TimeoutError", "message": "the airline did not answer in 300 ms"},
    },
    {
        "kind": "retrieval",
        "name": "timetable " + "x" * 180,
        "started_at_ms": _BEGIN_MS + 1160,
        "duration_ms": 48.2,
        "output": "Oslo 9:40\nOslo 17:15\n" + "One endless line of a timetable. " * 14,
    },
    {"kind": "agent", "name": "planner"},
    {"kind": "other", "name": HOSTILE, "input": HOSTILE, "other": {HOSTILE: {HOSTILE: [1, None]}},
     "model": HOSTILE, "error": {"type": HOSTILE, "message": HOSTILE}},
]  # fmt: skip

OUTCOMES: list[dict[str, Any]] = [
    {"status": "incomplete"},
    {"status": "cancelled"},
    {"status": "error", "error": {"type": "RateLimitError", "message": "Try again in 20 s."}},
    {"status": "error", "error": {"type": HOSTILE, "message": "x" * 300}},
]

EVENTS = {
    "flight_booking": ("The user is trying to book a flight", "input", "book a flight"),
    "thanks": ("The user thanked the agent for its help", "input", "Thanks a lot"),
    "ai_language_model": (
        "The assistant started with 'As an AI language model'",
        "output",
        "As an AI language model",
    ),
}


def fill(store: SqliteStore, project: Project) -> None:
    """Put sixty conversations into a project, with events in most of them."""
    new = _conversations()
    add(store, project, *new)
    for name, (description, side, quote) in EVENTS.items():
        event = define(store, project, name=name, description=description)
        evidence = json.dumps({"side": side, "quote": quote, "reason": f'contains "{quote}"'})
        verdicts = [
            verdict(store, project, i, detected=True, score=0.91, evidence=evidence)
            for i in new
            if quote in (i.input if side == "input" else i.output or "")
        ]
        store.write(
            lambda db, e=event, v=verdicts: detections.record(  # type: ignore[misc]
                db, project.id, e, v
            )
        )
    answers = [verdict(store, project, each, detected=True) for each in new[:120]]
    told = {
        "language": [replace(a, value='"en"' if i % 5 else '"es"') for i, a in enumerate(answers)],
        "sentiment": [replace(a, value=str(i % 3 * 0.8 - 0.8)) for i, a in enumerate(answers)],
    }
    store.write(lambda db: message_facts.record(db, project.id, told))
    define(store, project, name="quiet", description=HOSTILE[:200])
    store.write(lambda db: _review(db, project))
    store.write(lambda db: create_key(db, project.id, "laptop"))
    store.write(
        lambda db: feedback.add_feedback(
            db, project.id, "t1-0", flag="failure", notes="Wrong price", source="user"
        )
    )
    store.write(_finish_all_jobs)


def _review(db: Connection, project: Project) -> None:
    """Let detectors say no where they did not say yes, and people label enough to correct counts.

    All of it is about the first event, in sessions that no test looks at.
    """
    for row in db.rows("select id from event_definitions where name <> 'quiet' order by color"):
        db.execute(
            "insert into detections (project_id, definition_id, interaction_id, "
            "definition_version, detected, score, detector, created_at_ms) "
            "select :project_id, :id, i.id, 1, 0, (i.id % 40) / 100.0, 'rules', 1 "
            "from interactions i where i.project_id = :project_id and not exists "
            "(select 1 from detections e where e.interaction_id = i.id and e.definition_id = :id)",
            {"project_id": project.id, "id": row["id"]},
        )
    first = db.rows("select id from event_definitions where name = 'flight_booking'")[0]["id"]
    for said, condition in (("1", "i.task_id > 't4'"), ("0", "i.session_id = 'endless'")):
        rows = db.rows(
            "select i.id from detections e join interactions i on i.id = e.interaction_id "
            f"where e.definition_id = :id and e.detected = {said} and {condition} "
            "order by i.id limit 15",
            {"id": first},
        )
        for place, row in enumerate(rows):
            occurred = (place % 5 != 0) if said == "1" else place == 0
            reviews.review(db, project.id, first, row["id"], occurred=occurred, source="audit")


def _finish_all_jobs(db: Connection) -> None:
    """Leave nothing to do, as after detection."""
    for job in leases.claim(db, most=10_000):
        jobs.finish(db, job)


def _conversations() -> list[NewInteraction]:
    now = now_ms()
    new: list[NewInteraction] = []
    for n in range(60):
        at = now - n * DAY_MS // 3
        fields = {"session_id": f"session-{n}", "user_id": f"user_{n % 7}", "version_id": "1.4"}
        new += [
            interaction(
                f"t{n}-0",
                input=f"I want to book a flight to Oslo, number {n}",
                output="As an AI language model, I cannot. But here is how:\n\n1. Open Trips",
                created_at_ms=at,
                metadata=json.dumps({"model": "gpt-x", "latency_ms": 812}),
                raw_input=json.dumps({"messages": [{"role": "user", "content": "…"}]}),
                **fields,
            ),
            interaction(
                f"t{n}-1",
                input="Thanks a lot!",
                output="You are welcome.",
                created_at_ms=at + 1000,
                **fields,
            ),
        ]
    steps = {"session_id": "steps", "created_at_ms": now - 2, "steps": json.dumps(STEPS)}
    hostile = {"session_id": f"a//b {HOSTILE}", "user_id": HOSTILE, "version_id": HOSTILE}
    long = "An endless answer. " * 300 + "x" * 500
    return [
        *new,
        interaction("hostile", input=HOSTILE, output=HOSTILE, created_at_ms=now + 1, **hostile),
        interaction("stepped", input="Which flights?", output="The 9:40 to Oslo.", **steps),
        *(
            interaction(
                f"broken-{n}",
                session_id="broken",
                output=None if n else "The 9:40 to",
                created_at_ms=now - 3 + n,
                metadata=json.dumps(outcome),
            )
            for n, outcome in enumerate(OUTCOMES)
        ),
        interaction("long", session_id="long", input="y" * 3000, output=long, created_at_ms=now),
        *(
            interaction(
                f"e{n}", session_id="endless", input=f"Number {n}", created_at_ms=now - DAY_MS + n
            )
            for n in range(205)
        ),
    ]


def fill_webhook(db: Connection, project: Project) -> Webhook:
    """Make a webhook that a hostile receiver has switched off, with messages in every state."""
    (event, *_) = list_defined(db, project.id)
    made = webhooks.add_webhook(
        db,
        project.id,
        url="sealed:x",
        shown_url=f"https://example.com/{HOSTILE}",
        format_name="json",
        secret="sealed:x",
        definition_ids=[event.id],
        page_url="http://127.0.0.1",
    )
    hook = replace(made, failures=99)
    for state in ("sent", "parked", "dropped", "waiting"):
        delivery = deliveries.add_delivery(db, hook, definition_id=event.id, interaction_id=1)
        if state == "sent":
            deliveries.note_sent(db, delivery, status=204, duration_ms=1234)
        elif state == "parked":
            tried = replace(delivery, attempts=10)
            deliveries.note_failed(db, tried, HOSTILE, status=500, duration_ms=5000)
        elif state == "dropped":
            deliveries.note_dropped(db, delivery)
    deliveries.add_test(db, hook)
    webhooks.note_failure(db, hook, HOSTILE, is_gone=False)
    return hook


def fill_alerts(db: Connection, project: Project) -> AlertRule:
    """Make an alert rule in every state, and return the one that fires."""
    (event, *_) = list_defined(db, project.id)
    firing, ended, paused = (add_rule(db, project.id, event.id, Terms(60, n)) for n in (1, 2, 3))
    add_rule(db, project.id, event.id, Terms(1_440, 1_000_000, 10))
    for rule in (ended, firing):
        alerts.fire(db, rule, count=1_234, usual=5.5, at_ms=now_ms())
    alerts.end(db, get_rule(db, project.id, ended.id), count=1, at_ms=now_ms())
    pause_rule(db, project.id, paused.id, paused=True)
    return firing
