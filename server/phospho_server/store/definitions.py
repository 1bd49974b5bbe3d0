"""Event definitions and their versions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from phospho.detectors.deciding import with_cuts
from phospho.models import EventDefinition
from phospho_server.clock import new_id, now_ms
from phospho_server.errors import ChangedMeanwhileError, ConflictError, NotFoundError
from phospho_server.store import (
    Connection,
    Row,
    app_versions,
    backfills,
    counters,
    jobs,
    llm_jobs,
    llm_unasked,
    purging,
)
from phospho_server.store.cuts import load_lessons
from phospho_server.store.facts import EVENT
from phospho_server.store.learning import with_reviews
from phospho_server.store.projects import get_project
from phospho_server.store.rows import DefinitionRow
from phospho_server.store.versions import get_version

_COLUMNS = "id, name, version, description, scope, detector, settings"

# Kept as one JSON object in the column `settings`.
_IN_SETTINGS = (
    "keywords", "pattern", "examples", "answer", "categories", "score_range", "settings",
)  # fmt: skip

# What is learned about a definition; people do not write it.
_NOT_OF_A_VERSION = {"reviews", "cut"}


def create_definition(
    db: Connection, project_id: str, definition: EventDefinition
) -> EventDefinition:
    """Keep a new definition, under a new id, and have past interactions looked at.

    Raises:
        ConflictError: The project has an event of this name.
    """
    get_project(db, project_id)
    _refuse_taken_name(db, project_id, definition.name)
    created = definition.model_copy(update={"id": new_id("event_"), "version": 1})
    db.execute(
        f"insert into event_definitions ({_COLUMNS}, project_id, color, enabled, created_at_ms, "
        "updated_at_ms) values (:id, :name, :version, :description, :scope, :detector, :settings, "
        ":project_id, (select count(*) from event_definitions where project_id = :project_id), "
        "1, :now, :now)",
        {**_to_columns(created), "project_id": project_id, "now": now_ms()},
    )
    _add_version(db, created)
    apply_to_past(db, project_id, created)
    return created


def edit_definition(
    db: Connection,
    project_id: str,
    definition: EventDefinition,
    *,
    to_past: bool = True,
    seen: int | None = None,
) -> EventDefinition:
    """Replace a definition by its next version and have past interactions looked at again.

    A change of the name alone makes no version: the verdicts stay true.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        definition: As it is to be; its id says what it replaces.
        to_past: Whether past interactions are looked at again; if not, they keep the verdicts
            they have.
        seen: The version that whoever edits it has before them; None: whichever it is.

    Raises:
        NotFoundError: The project has no definition with this id.
        ConflictError: The project has another event of this name.
        ChangedMeanwhileError: Somebody has made a newer version than the one that was seen.
    """
    current = get_definition(db, project_id, definition.id)
    if seen is not None and seen != current.version:
        raise ChangedMeanwhileError(
            f"Somebody has changed this event meanwhile; version {current.version} is the newest. "
            "Look at it; then save yours again to put it in its place."
        )
    if definition.name != current.name:
        _refuse_taken_name(db, project_id, definition.name)
    same = is_same(current, definition)
    edited = definition.model_copy(update={"version": current.version + (not same)})
    db.execute(
        "update event_definitions set name = :name, version = :version, "
        "description = :description, scope = :scope, detector = :detector, settings = :settings, "
        "updated_at_ms = :now where id = :id",
        {**_to_columns(edited), "now": now_ms()},
    )
    if not same:
        _add_version(db, edited)
        if to_past:
            apply_to_past(db, project_id, edited)
        else:
            backfills.drop_backfill(db, project_id, edited.id)
            if current.detector == "llm":
                # No other detector has given them a verdict that they could keep.
                llm_jobs.judge_anew(db, project_id, edited.id)
    return edited


def restore_version(
    db: Connection, project_id: str, definition_id: str, version: int, *, to_past: bool = True
) -> EventDefinition:
    """Make a new version that equals an old one.

    Raises:
        NotFoundError: The project has no such definition, or that no such version.
    """
    current = get_definition(db, project_id, definition_id)
    old = get_version(db, project_id, current, version)
    return edit_definition(db, project_id, old, to_past=to_past)


def enable_definition(
    db: Connection, project_id: str, definition_id: str, *, enabled: bool
) -> None:
    """Switch an event on or off; switched on, it catches up with what it missed."""
    definition = get_definition(db, project_id, definition_id)
    db.execute(
        "update event_definitions set enabled = :enabled, updated_at_ms = :now where id = :id",
        {"enabled": int(enabled), "now": now_ms(), "id": definition_id},
    )
    jobs.drop_for_definition(db, project_id, definition_id)
    llm_unasked.drop_for_definition(db, project_id, definition_id)
    if enabled:
        apply_to_past(db, project_id, definition)


def look_again(db: Connection, project_id: str, definition_id: str) -> None:
    """Have past interactions looked at again for one event, as if it had been edited.

    Raises:
        NotFoundError: The project has no definition with this id.
    """
    apply_to_past(db, project_id, get_definition(db, project_id, definition_id))


def delete_definition(db: Connection, project_id: str, definition_id: str) -> None:
    """Remove a definition from sight, with its events; its name is free again."""
    get_definition(db, project_id, definition_id)
    db.execute(
        "update event_definitions set deleted_at_ms = :now, enabled = 0 where id = :id",
        {"now": now_ms(), "id": definition_id},
    )
    jobs.drop_for_definition(db, project_id, definition_id)
    mine = {"project_id": project_id, "definition_id": definition_id}
    where = "where project_id = :project_id and definition_id = :definition_id"
    for table in ("verdict_counts", "llm_unasked", "alert_rules", "alerts"):
        db.execute(f"delete from {table} {where}", mine)
    for table in ("counters", "day_counters", "minute_counters"):
        db.execute(
            f"delete from {table} where project_id = :project_id "
            "and metric in ('events', 'removed_events') and key = :definition_id",
            mine,
        )
    app_versions.forget_definition(db, project_id, definition_id)
    purging.add_purge(db, project_id, definition_id)


def get_definition(db: Connection, project_id: str, definition_id: str) -> EventDefinition:
    """Return a definition.

    Raises:
        NotFoundError: The project has no definition with this id.
    """
    row = db.row(
        f"select {_COLUMNS} from event_definitions "
        "where project_id = :project_id and id = :id and deleted_at_ms is null",
        {"project_id": project_id, "id": definition_id},
    )
    if row is None:
        raise NotFoundError("This event does not exist any more. Settings lists those that do.")
    return _from_row(row)


def list_enabled(db: Connection, project_id: str) -> Sequence[EventDefinition]:
    """Return the definitions that new interactions are looked at for, oldest first.

    Each carries what people said of its events, and what the project's traffic taught.
    """
    rows = db.rows(
        f"select {_COLUMNS} from event_definitions where project_id = :project_id "
        "and enabled = 1 and deleted_at_ms is null order by created_at_ms, id",
        {"project_id": project_id},
    )
    enabled = with_reviews(db, project_id, [_from_row(row) for row in rows])
    lessons = load_lessons(db, project_id, enabled)
    return with_cuts(enabled, {event_id: lesson.cut for event_id, lesson in lessons.items()})


def has_any(db: Connection) -> bool:
    """Tell whether anybody has defined an event, in any project."""
    return db.row("select 1 from event_definitions limit 1") is not None


def list_defined(db: Connection, project_id: str) -> Sequence[EventDefinition]:
    """Return every definition, also those switched off, oldest first."""
    rows = db.rows(
        f"select {_COLUMNS} from event_definitions where project_id = :project_id "
        "and deleted_at_ms is null order by created_at_ms, id",
        {"project_id": project_id},
    )
    return [_from_row(row) for row in rows]


def find_place(db: Connection, project_id: str, definition_id: str) -> int:
    """Return how many definitions are older than one, which may be deleted."""
    row = db.row(
        "select count(*) as n from event_definitions o join event_definitions d "
        "on d.project_id = o.project_id and d.id = :id "
        "where o.project_id = :project_id and o.deleted_at_ms is null "
        "and (o.created_at_ms, o.id) < (d.created_at_ms, d.id)",
        {"project_id": project_id, "id": definition_id},
    )
    return int(row["n"]) if row else 0


def find_color(db: Connection, definition_id: str) -> int:
    """Return a definition's place in its project, for its colour."""
    row = db.row("select color from event_definitions where id = :id", {"id": definition_id})
    return int(row["color"]) if row else 0


def list_definitions(db: Connection, project_id: str) -> Sequence[DefinitionRow]:
    """Return every definition with how often it occurred and what is still to do."""
    get_project(db, project_id)
    everyone = jobs.count_pending(db, project_id)
    underway = backfills.list_backfills(db, project_id)
    waiting = jobs.list_waiting(db, project_id)
    events = _count_events(db, project_id)
    rows = db.rows(
        f"select {_COLUMNS}, color, enabled, created_at_ms from event_definitions "
        "where project_id = :project_id and deleted_at_ms is null order by created_at_ms, id",
        {"project_id": project_id},
    )
    return [
        DefinitionRow(
            definition=_from_row(row),
            color=row["color"],
            enabled=bool(row["enabled"]),
            created_at_ms=row["created_at_ms"],
            events=events.get(row["id"], 0),
            pending=waiting.count(row["id"], row["detector"]) + (everyone if row["enabled"] else 0),
            problem=waiting.find_problem(row["id"], row["detector"]),
            backfill=underway.get(row["id"]),
        )
        for row in rows
    ]


def _count_events(db: Connection, project_id: str) -> dict[str, int]:
    """Return how often each event has occurred: what stands, and what was removed since."""
    rows = db.rows(
        "select value as id, interactions as n from facts "
        "where project_id = :project_id and fact = :event union all "
        "select key, sum(value) from day_counters "
        "where project_id = :project_id and metric = 'removed_events' group by key",
        {"project_id": project_id, "event": EVENT},
    )
    events: Counter[str] = Counter()
    for row in rows:
        events[row["id"]] += row["n"]
    return events


def _refuse_taken_name(db: Connection, project_id: str, name: str) -> None:
    taken = db.row(
        "select 1 from event_definitions "
        "where project_id = :project_id and name = :name and deleted_at_ms is null",
        {"project_id": project_id, "name": name},
    )
    if taken:
        raise ConflictError(
            f"This project has an event called {name!r} already. Choose another name."
        )


def is_same(one: EventDefinition, other: EventDefinition) -> bool:
    """Tell whether two definitions look for the same, so that they need no two versions."""
    named = {"id": one.id, "name": one.name, "version": one.version}
    return _to_columns(one) == _to_columns(other.model_copy(update=named))


def apply_to_past(db: Connection, project_id: str, definition: EventDefinition) -> None:
    """Add the job that applies a definition to what is stored, the newest first."""
    jobs.drop_for_definition(db, project_id, definition.id)
    llm_unasked.drop_for_definition(db, project_id, definition.id)
    size = counters.count_stored(db, project_id)
    if size:
        jobs.add_backfill(
            db,
            project_id,
            definition.id,
            definition.version,
            before_id=_next_id(db),
            size=size,
        )


def _add_version(db: Connection, definition: EventDefinition) -> None:
    db.execute(
        "insert into event_definition_versions values "
        "(:id, :version, :description, :scope, :detector, :settings, :now, :from_id)",
        {**_to_columns(definition), "now": now_ms(), "from_id": _next_id(db)},
    )


def _next_id(db: Connection) -> int:
    """Return an id above those of all interactions there are."""
    row = db.row("select coalesce(max(id), 0) + 1 as next_id from interactions")
    return int(row["next_id"]) if row else 1


def _to_columns(definition: EventDefinition) -> dict[str, Any]:
    columns = definition.model_dump(mode="json", exclude=_NOT_OF_A_VERSION)
    settings = {name: columns.pop(name) for name in _IN_SETTINGS}
    return {**columns, "settings": json.dumps(settings, separators=(",", ":"))}


def _from_row(row: Row) -> EventDefinition:
    columns = {name: row[name] for name in _COLUMNS.split(", ")}
    return EventDefinition(**{**columns, **json.loads(row["settings"])})
