"""Spans and log records as they arrive, each once, until their trace has become interactions."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from phospho_server.clock import DAY_MS, now_ms
from phospho_server.otlp.wire import LogRecord, Span, SpanEvent
from phospho_server.store import Connection, in_list
from phospho_server.store.projects import get_project

# What a trace with an open root has become is shown after that time of silence.
QUIET_MS = 60_000

# Whatever still comes a day later belongs to nothing that anybody waits for.
KEPT_MS = DAY_MS

# That a trace is closed is known for that long: exporters try again for minutes, not for days.
_CLOSED_MS = 7 * DAY_MS

# SQLite takes some thousands of parameters in a statement.
_CHUNK = 5_000

# An agent that goes in circles has more; which are left out depends on nothing but their ids.
MAX_SPANS = 5_000

_UPSERT_TRACE = """
insert into traces (project_id, trace_id, revision, due_at_ms, is_complete, received_at_ms)
values (:project_id, :trace_id, 1, :due_at_ms, :is_complete, :now)
on conflict (project_id, trace_id) do update set
    revision = traces.revision + 1,
    is_complete = case when excluded.is_complete > traces.is_complete
        then excluded.is_complete else traces.is_complete end,
    due_at_ms = case when traces.is_complete + excluded.is_complete > 0
        then :now else excluded.due_at_ms end,
    received_at_ms = excluded.received_at_ms
"""

# A span that comes twice is one; of two that differ the outcome must not depend on the order.
_UPSERT_SPAN = """
insert into spans (project_id, trace_id, span_id, record, ended_at_ns, content)
values (:project_id, :trace_id, :span_id, :record, :ended_at_ns, :content)
on conflict (project_id, trace_id, span_id, record) do update set
    ended_at_ns = excluded.ended_at_ns, content = excluded.content
where excluded.ended_at_ns > spans.ended_at_ns
    or (excluded.ended_at_ns = spans.ended_at_ns and excluded.content > spans.content)
"""


@dataclass(frozen=True)
class Trace:
    """A trace that is to become interactions."""

    project_id: str
    trace_id: str
    revision: int
    received_at_ms: int


def add_spans(
    db: Connection, project_id: str, spans: Sequence[Span], records: Sequence[LogRecord] = ()
) -> None:
    """Keep spans and log records; those that are known already change nothing.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        spans: In any order.
        records: Those that belong to a span, which may come before it.

    Raises:
        NotFoundError: The project was deleted meanwhile.
    """
    get_project(db, project_id)
    trace_ids = sorted({s.trace_id for s in spans} | {r.trace_id for r in records})
    closed = _closed_among(db, project_id, trace_ids)
    rows = [_span_row(span) for span in spans] + [_record_row(record) for record in records]
    mine = {"project_id": project_id}
    kept = [{**row, **mine} for row in rows if row["trace_id"] not in closed]
    db.execute_many(_UPSERT_SPAN, kept)
    complete = {span.trace_id for span in spans if span.is_root and span.ended_at_ns}
    now = now_ms()
    db.execute_many(
        _UPSERT_TRACE,
        [
            {
                **mine,
                "trace_id": trace_id,
                "is_complete": int(trace_id in complete),
                "due_at_ms": now if trace_id in complete else now + QUIET_MS,
                "now": now,
            }
            for trace_id in trace_ids
            if trace_id not in closed
        ],
    )


def _closed_among(db: Connection, project_id: str, trace_ids: Sequence[str]) -> set[str]:
    closed: set[str] = set()
    for start in range(0, len(trace_ids), _CHUNK):
        text, params = in_list("t", trace_ids[start : start + _CHUNK])
        rows = db.rows(
            "select trace_id from traces where project_id = :project_id "
            f"and trace_id {text} and closed_at_ms is not null",
            {"project_id": project_id, **params},
        )
        closed |= {row["trace_id"] for row in rows}
    return closed


def _span_row(span: Span) -> dict[str, object]:
    content = _dump({**asdict(span), "trace_id": None, "span_id": None})
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "record": "",
        "ended_at_ns": span.ended_at_ns,
        "content": content,
    }


def _record_row(record: LogRecord) -> dict[str, object]:
    content = _dump(asdict(record.event))
    return {
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "record": hashlib.sha256(content.encode()).hexdigest()[:32],
        "ended_at_ns": record.event.at_ns,
        "content": content,
    }


def _dump(fields: Mapping[str, Any]) -> str:
    kept = {name: value for name, value in fields.items() if value not in (None, "", [], {}, ())}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def list_due(db: Connection, *, most: int) -> list[Trace]:
    """Return traces that are to become interactions now, those that wait longest first."""
    rows = db.rows(
        "select project_id, trace_id, revision, received_at_ms from traces "
        "where due_at_ms <= :now "
        "and exists (select 1 from projects p where p.id = traces.project_id) "
        "order by due_at_ms limit :most",
        {"now": now_ms(), "most": most},
    )
    return [Trace(**dict(row)) for row in rows]


def load_spans(db: Connection, project_id: str, trace_id: str) -> list[Span]:
    """Return the spans of a trace, each with the log records that belong to it among its events."""
    rows = db.rows(
        "select span_id, record, content from spans "
        "where project_id = :project_id and trace_id = :trace_id "
        "order by span_id, record limit :most",
        {"project_id": project_id, "trace_id": trace_id, "most": MAX_SPANS},
    )
    spans: dict[str, Span] = {}
    events: dict[str, list[SpanEvent]] = defaultdict(list)
    for row in rows:
        fields = json.loads(row["content"])
        if row["record"]:
            events[row["span_id"]].append(SpanEvent(**{"name": "", **fields}))
        else:
            own = [SpanEvent(**{"name": "", **event}) for event in fields.pop("events", ())]
            spans[row["span_id"]] = Span(trace_id, row["span_id"], events=own, **fields)
    return [
        replace(span, events=[*span.events, *events.get(span_id, ())])
        for span_id, span in spans.items()
    ]


def is_open(db: Connection, trace: Trace) -> bool:
    """Tell whether a trace may still become, or change, interactions."""
    row = db.row(
        "select 1 from traces where project_id = :project_id and trace_id = :trace_id "
        "and closed_at_ms is null",
        {"project_id": trace.project_id, "trace_id": trace.trace_id},
    )
    return row is not None


def settle(db: Connection, trace: Trace) -> None:
    """Note that a trace has become interactions, unless something of it came meanwhile."""
    db.execute(
        "update traces set due_at_ms = null where project_id = :project_id "
        "and trace_id = :trace_id and revision = :revision",
        {
            "project_id": trace.project_id,
            "trace_id": trace.trace_id,
            "revision": trace.revision,
        },
    )


def list_turns(db: Connection, project_id: str, trace_id: str) -> list[str]:
    """Return the ids of the interactions that a trace became."""
    rows = db.rows(
        "select task_id from trace_turns where project_id = :project_id and trace_id = :trace_id "
        "order by task_id",
        {"project_id": project_id, "trace_id": trace_id},
    )
    return [row["task_id"] for row in rows]


def note_turns(db: Connection, project_id: str, trace_id: str, task_ids: Sequence[str]) -> None:
    """Note which interactions a trace became."""
    db.execute_many(
        "insert into trace_turns (project_id, task_id, trace_id) "
        "values (:project_id, :task_id, :trace_id) on conflict (project_id, task_id) do nothing",
        [
            {"project_id": project_id, "task_id": task_id, "trace_id": trace_id}
            for task_id in task_ids
        ],
    )


def forget_turns(db: Connection, project_id: str, task_ids: Sequence[str]) -> list[str]:
    """Forget that interactions came from traces; return the traces."""
    text, params = in_list("t", task_ids)
    mine = {"project_id": project_id, **params}
    where = f"where project_id = :project_id and task_id {text}"
    rows = db.rows(f"select distinct trace_id from trace_turns {where} order by trace_id", mine)
    db.execute(f"delete from trace_turns {where}", mine)
    return [row["trace_id"] for row in rows]


def close(db: Connection, project_id: str, trace_ids: Sequence[str]) -> None:
    """Remove the spans of traces, and take nothing more of them."""
    if not trace_ids:
        return
    text, params = in_list("t", trace_ids)
    mine = {"project_id": project_id, **params}
    where = f"where project_id = :project_id and trace_id {text}"
    for table in ("spans", "trace_turns"):
        db.execute(f"delete from {table} {where}", mine)
    db.execute(
        f"update traces set closed_at_ms = :now, due_at_ms = null {where}",
        {**mine, "now": now_ms()},
    )


# Each along an index of its own.
_TO_CLOSE = "closed_at_ms is null and due_at_ms is null and received_at_ms < :kept_since"
_TO_FORGET = "closed_at_ms is not null and closed_at_ms < :closed_since"


def _ages() -> dict[str, object]:
    now = now_ms()
    return {"kept_since": now - KEPT_MS, "closed_since": now - _CLOSED_MS}


def has_old(db: Connection) -> bool:
    """Tell whether there are traces to close, or to forget."""
    ages = _ages()
    return any(
        db.row(f"select 1 from traces where {which} limit 1", ages) is not None
        for which in (_TO_CLOSE, _TO_FORGET)
    )


def forget_old(db: Connection, *, most: int) -> int:
    """Close some traces of which nothing came for a day, and forget some closed a week ago.

    Returns:
        How many there were; 0 when none are left.
    """
    ages = {**_ages(), "most": most}
    rows = db.rows(
        f"select project_id, trace_id from traces where {_TO_CLOSE} "
        "order by received_at_ms limit :most",
        ages,
    )
    by_project: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_project[row["project_id"]].append(row["trace_id"])
    for project_id, trace_ids in by_project.items():
        close(db, project_id, trace_ids)
    forgotten = db.rows(
        f"select project_id, trace_id from traces where {_TO_FORGET} "
        "order by closed_at_ms limit :most",
        ages,
    )
    db.execute_many(
        "delete from traces where project_id = :project_id and trace_id = :trace_id",
        [dict(row) for row in forgotten],
    )
    return len(rows) + len(forgotten)
