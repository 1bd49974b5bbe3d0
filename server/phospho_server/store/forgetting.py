"""Which rows are of a person or a session that is to be erased, and removing them in parts.

A person's interactions are those that name them, and those that name nobody in sessions where no
other user is named. What was said of a session in which they took part goes as well, and what
stays of others no longer quotes them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from phospho_server.store import Connection, Row, erasures, in_list, spans
from phospho_server.store.erasing import remove_interactions
from phospho_server.store.erasures import Erasure

# Characters removed in one transaction at the most: taking them out of the search index costs most.
_MOST_CHARS = 500_000

# Sessions that are looked through at once for those who name nobody.
_SESSIONS = 20

# What is about one interaction, by the column that says which.
_BY_ROW = ("detections", "reviews", "vectors", "llm_unasked", "webhook_deliveries")
_BY_TASK = ("feedback", "trace_turns")

_COLUMNS = (
    "id, task_id, session_id, version_id, received_at_ms, "
    "length(input) + coalesce(length(output), 0) as chars"
)


def remove_part(db: Connection, erasure: Erasure, *, most: int) -> int:
    """Remove some rows of whom an erasure is about; return how many, 0 when none are left.

    Args:
        db: A connection in a write transaction.
        erasure: Of which not all rows are gone.
        most: Interactions, or rows of other tables, at the most.
    """
    removed: Counter[str] = Counter()
    rows = _list_rows(db, erasure, most)
    removed = _remove_interactions(db, erasure, rows) if rows else _remove_rest(db, erasure, most)
    since_ms = min((row["received_at_ms"] for row in rows), default=None)
    erasures.note_removed(db, erasure, removed, since_ms=since_ms)
    return removed.total()


def _list_rows(db: Connection, erasure: Erasure, most: int) -> Sequence[Row]:
    """Return interactions to remove together: as many as have not too much text."""
    mine = {"project_id": erasure.project_id, "target": erasure.target, "most": most}
    column = "user_id" if erasure.kind == "user" else "session_id"
    rows = db.rows(
        f"select {_COLUMNS} from interactions "
        f"where project_id = :project_id and {column} = :target "
        "order by created_at_ms limit :most",
        mine,
    )
    if erasure.kind == "user":
        # First, while their sessions can still be told.
        rows = _list_unnamed(db, mine, rows) or rows
    chars = 0
    kept: list[Row] = []
    for row in rows:
        chars += row["chars"]
        if kept and chars > _MOST_CHARS:
            break
        kept.append(row)
    return kept


def _list_unnamed(db: Connection, mine: Mapping[str, object], rows: Sequence[Row]) -> Sequence[Row]:
    """Return interactions that name nobody, in the sessions of these rows that are theirs alone."""
    sessions = list(dict.fromkeys(row["session_id"] for row in rows))
    for start in range(0, len(sessions), _SESSIONS):
        text, params = in_list("s", sessions[start : start + _SESSIONS])
        found = db.rows(
            f"select {_COLUMNS} from interactions i "
            f"where project_id = :project_id and session_id {text} and user_id is null "
            "and not exists (select 1 from interactions o where o.project_id = i.project_id "
            "and o.session_id = i.session_id and o.user_id is not null "
            "and o.user_id || '' <> :target) limit :most",
            {**mine, **params},
        )
        if found:
            return found
    return []


def _remove_interactions(db: Connection, erasure: Erasure, rows: Sequence[Row]) -> Counter[str]:
    project_id = erasure.project_id
    ids = [row["id"] for row in rows]
    text, params = in_list("i", ids)
    tasks, task_params = in_list("t", [row["task_id"] for row in rows])
    mine = {"project_id": project_id, **params, **task_params}
    ours = "where project_id = :project_id and"
    counts = dict.fromkeys(_BY_ROW, f"{ours} interaction_id {text}")
    counts |= dict.fromkeys(_BY_TASK, f"{ours} task_id {tasks}")
    counts["spans"] = (
        f"{ours} trace_id in (select trace_id from trace_turns {ours} task_id {tasks})"
    )
    removed = Counter({table: _count(db, table, where, mine) for table, where in counts.items()})
    db.execute(f"delete from webhook_deliveries {counts['webhook_deliveries']}", mine)
    sessions = sorted({row["session_id"] for row in rows})
    before = _count_people(db, project_id, sessions)
    removed["interactions"] = remove_interactions(db, project_id, ids)
    removed.update(before - _count_people(db, project_id, sessions))
    removed.update(_follow_in_sessions(db, project_id, sessions))
    removed.update(_forget_versions(db, project_id, {row["version_id"] for row in rows}))
    return +removed


def _count(db: Connection, table: str, where: str, params: Mapping[str, object]) -> int:
    row = db.row(f"select count(*) as n from {table} {where}", params)
    return int(row["n"]) if row else 0


def _count_people(db: Connection, project_id: str, sessions: Sequence[str]) -> Counter[str]:
    """Return how many of some sessions there are, with what was said of each as a whole."""
    text, params = in_list("s", sessions)
    mine = {"project_id": project_id, **params}
    where = f"where project_id = :project_id and session_id {text}"
    return Counter(
        {table: _count(db, table, where, mine) for table in ("sessions", "session_details")}
    )


def _follow_in_sessions(db: Connection, project_id: str, sessions: Sequence[str]) -> Counter[str]:
    """Let what others said in these sessions tell nothing of what is gone."""
    removed: Counter[str] = Counter()
    text, params = in_list("s", sessions)
    mine = {"project_id": project_id, **params}
    here = f"project_id = :project_id and session_id {text}"
    removed["session_details"] = db.execute(f"delete from session_details where {here}", mine)
    left = f"(select id from interactions where {here})"
    # Made of a message and of what was said before it; each can be made again.
    removed["vectors"] = db.execute(
        f"delete from vectors where project_id = :project_id and interaction_id in {left}", mine
    )
    rows = db.rows(
        "select d.interaction_id, d.definition_id, d.evidence, i.input, i.output "
        # A cross join lets SQLite begin with the interactions, which are few.
        "from interactions i cross join detections d "
        f"where i.project_id = :project_id and i.session_id {text} "
        "and d.project_id = :project_id and d.interaction_id = i.id and d.evidence is not null",
        mine,
    )
    for row in rows:
        quote = json.loads(row["evidence"]).get("quote") or ""
        if quote not in row["input"] and quote not in (row["output"] or ""):
            removed["quotes"] += db.execute(
                "update detections set evidence = null where project_id = :project_id "
                "and interaction_id = :interaction_id and definition_id = :definition_id",
                {
                    "project_id": project_id,
                    "interaction_id": row["interaction_id"],
                    "definition_id": row["definition_id"],
                },
            )
    return removed


def _forget_versions(db: Connection, project_id: str, versions: set[str | None]) -> Counter[str]:
    """Forget versions of the app that nobody else has used: one may be called after a person."""
    removed: Counter[str] = Counter()
    for version in versions - {None}:
        mine = {"project_id": project_id, "version": version}
        of_others = db.row(
            "select 1 from facts where project_id = :project_id and fact = 'version' "
            "and value = :version",
            mine,
        )
        if of_others is None:
            for table in ("version_days", "version_events"):
                removed[table] += db.execute(
                    f"delete from {table} where project_id = :project_id and version_id = :version",
                    mine,
                )
    return removed


def _remove_rest(db: Connection, erasure: Erasure, most: int) -> Counter[str]:
    """Remove what is theirs besides interactions."""
    removed: Counter[str] = Counter()
    mine = {"project_id": erasure.project_id, "target": erasure.target, "most": most}
    if erasure.kind == "session":
        removed["session_details"] = db.execute(
            "delete from session_details where project_id = :project_id and session_id = :target",
            mine,
        )
    else:
        removed["saved_views"] = _remove_views(db, mine)
    since_ms = erasures.get_erasure(db, erasure.project_id, erasure.id).since_ms
    if since_ms is not None:
        # Answers quote messages, and do not say whose; they can be asked for again.
        removed["llm_answers"] = db.execute(
            "delete from llm_answers where project_id = :project_id and key in (select key from "
            "llm_answers where project_id = :project_id and created_at_ms >= :since limit :most)",
            {**mine, "since": since_ms},
        )
    return +removed


def _remove_views(db: Connection, mine: Mapping[str, object]) -> int:
    """Remove saved views that filter by the person."""
    rows = db.rows("select id, query from saved_views where project_id = :project_id", mine)
    ids = [
        row["id"]
        for row in rows
        if any(value == mine["target"] for _, value in parse_qsl(row["query"]))
    ]
    text, params = in_list("v", ids)
    return db.execute(
        f"delete from saved_views where project_id = :project_id and id {text}", {**mine, **params}
    )


@dataclass(frozen=True)
class SpanPlace:
    """Where looking through spans goes on."""

    trace_id: str = ""
    span_id: str = ""
    record: str = ""


def find_traces(
    db: Connection, erasure: Erasure, after: SpanPlace, *, most: int
) -> tuple[set[str], SpanPlace | None]:
    """Return traces that are no interactions yet and name the target, of some spans.

    Args:
        db: A connection.
        erasure: Of which not all rows are gone.
        after: The place before.
        most: Spans that are looked at.

    Returns:
        The traces, and the next place; None: all were looked at.
    """
    rows = db.rows(
        "select trace_id, span_id, record, content from spans where project_id = :project_id "
        "and (trace_id, span_id, record) > (:trace_id, :span_id, :record) "
        "order by trace_id, span_id, record limit :most",
        {"project_id": erasure.project_id, **vars(after), "most": most},
    )
    found = {
        row["trace_id"]
        for row in rows
        if any(text == erasure.target for text in _texts(json.loads(row["content"])))
    }
    if len(rows) < most:
        return found, None
    last = rows[-1]
    return found, SpanPlace(last["trace_id"], last["span_id"], last["record"])


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, without recursion of our own."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def close_traces(db: Connection, erasure: Erasure, trace_ids: Sequence[str]) -> int:
    """Remove the spans of traces that name the target; return how many."""
    text, params = in_list("t", trace_ids)
    mine = {"project_id": erasure.project_id, **params}
    where = f"where project_id = :project_id and trace_id {text}"
    removed = {table: _count(db, table, where, mine) for table in ("spans", "trace_turns")}
    spans.close(db, erasure.project_id, trace_ids)
    erasures.note_removed(db, erasure, removed, since_ms=None)
    return sum(removed.values())
