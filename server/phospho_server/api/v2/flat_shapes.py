"""Interactions as rows of a table, as existing phospho clients read them into a data frame."""

from __future__ import annotations

from collections.abc import Iterator

from phospho_server.api.v2.shapes import Json, metadata_of, score_range, source_of
from phospho_server.store.records import Record, RecordEvent


def flat_rows(
    record: Record, *, with_events: bool, with_sessions: bool, with_removed: bool
) -> Iterator[Json]:
    """Yield an interaction as rows of a table: one for each of its events, at least one."""
    row: Json = {
        "task_id": record.task_id,
        "task_input": record.input,
        "task_output": record.output,
        "task_eval": record.flag,
        "task_eval_source": record.flagged.source if record.flagged else None,
        "task_eval_at": record.flagged.created_at_ms // 1000 if record.flagged else None,
        "task_created_at": record.created_at_ms // 1000,
        "task_position": record.position,
        "session_id": record.session_id,
        **{f"task_metadata.{name}": value for name, value in metadata_of(record).items()},
    }
    if with_sessions:
        row["session_length"] = record.session_length
    events = [_flat_event(each, record, removed=False) for each in record.events]
    if with_removed:
        events += [_flat_event(each, record, removed=True) for each in record.rejected]
    if not with_events or not events:
        yield row
        return
    for each in events:
        yield {**row, **each}


def _flat_event(event: RecordEvent, record: Record, *, removed: bool) -> Json:
    score = {f"event_score_range_{name}": value for name, value in score_range(event).items()}
    return {
        "event_id": f"{event.definition_id}.{record.task_id}",
        "event_name": event.name,
        "event_created_at": record.created_at_ms // 1000,
        "event_confirmed": event.reviewed is True,
        "event_removed": removed,
        "event_removal_reason": "rejected" if removed else None,
        "event_source": source_of(event),
        "event_categories": None,
        **score,
    }
