"""The JSON that existing phospho clients read: tasks with their events, and sessions.

They check it with models of their own (observed from phospho 0.3.45): `created_at` is a whole
number of seconds, `input` is never null, and a task's `events` is a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phospho.detectors.sentiment import feeling_of
from phospho.models import Flag
from phospho_server.clock import now_ms
from phospho_server.store.records import Record
from phospho_server.store.rows import Event, EventCount, SessionRow, TranscriptLine
from phospho_server.store.session_records import SessionRecord

Json = dict[str, Any]

# The former service had organisations; a server of one's own is one.
ORG_ID = "org_self_hosted"

ENVIRONMENT = "default environment"

# What stands in metadata here and beside it in a task there.
_BESIDE_METADATA = ("data",)


def task(record: Record, project_id: str) -> Json:
    """Return an interaction as a task."""
    line = record.line
    place = _Place(project_id, record.session_id, line.task_id, line.created_at_ms)
    sentiment = line.sentiment
    return {
        **place.of(line.task_id),
        "input": line.input,
        "output": line.output,
        "additional_input": _as_object(line.raw_input, "raw_input"),
        "additional_output": _as_object(line.raw_output, "raw_output"),
        "metadata": metadata_of(line),
        "data": _object_or_none(line.metadata.get("data")),
        "flag": line.flag,
        "notes": line.notes,
        "human_eval": _human_eval(record),
        "last_eval": _last_eval(record, place),
        "sentiment": None
        if sentiment is None
        else {"score": sentiment, "magnitude": abs(sentiment), "label": feeling_of(sentiment)},
        "language": line.language,
        "test_id": _text_or_none(line.metadata.get("test_id")),
        "environment": _text_or_none(line.metadata.get("environment")) or ENVIRONMENT,
        "task_position": record.position,
        "is_last_task": record.is_last,
        "events": [_event(each, place) for each in line.events],
    }


def stub_task(task_id: str, project_id: str, *, flag: Flag | None, notes: str | None) -> Json:
    """Return a task for feedback whose interaction is still on its way."""
    line = TranscriptLine(
        id=0,
        task_id=task_id,
        created_at_ms=now_ms(),
        input="",
        output=None,
        user_id=None,
        version_id=None,
        flag=flag,
        notes=notes,
        metadata={},
        raw_input=None,
        raw_output=None,
    )
    found = task(Record(line, "", 0, None, is_last=False, flagged=None), project_id)
    return {**found, "session_id": None, "is_last_task": None}


class _Place:
    """Where something belongs, as each object of the protocol says it."""

    def __init__(
        self, project_id: str, session_id: str | None, task_id: str | None, at_ms: int
    ) -> None:
        self.project_id = project_id
        self.session_id = session_id
        self.task_id = task_id
        self.created_at = at_ms // 1000

    def of(self, own_id: str) -> Json:
        """Return what an object says of itself, under an id of its own."""
        of_task = {} if self.task_id is None else {"task_id": self.task_id}
        return {
            "id": own_id,
            "created_at": self.created_at,
            "org_id": ORG_ID,
            "project_id": self.project_id,
            "session_id": self.session_id,
            **of_task,
        }


def metadata_of(line: TranscriptLine) -> Json:
    """Return the metadata of an interaction, with its user and version."""
    named = {"user_id": line.user_id, "version_id": line.version_id}
    metadata = {k: v for k, v in line.metadata.items() if not _stands_beside(k, v)}
    return metadata | {name: value for name, value in named.items() if value is not None}


def _stands_beside(name: str, value: object) -> bool:
    return name in _BESIDE_METADATA and isinstance(value, dict)


def _as_object(raw: Any, name: str) -> Json:
    if raw is None:
        return {}
    return raw if isinstance(raw, dict) else {name: raw}


def _object_or_none(value: Any) -> Json | None:
    return value if isinstance(value, dict) else None


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _human_eval(record: Record) -> Json | None:
    if record.line.flag is None:
        return None
    at_ms = record.flagged.created_at_ms if record.flagged else record.line.created_at_ms
    return {
        "id": f"{record.line.task_id}.eval",
        "created_at": at_ms // 1000,
        "flag": record.line.flag,
    }


def _last_eval(record: Record, place: _Place) -> Json | None:
    given = record.flagged
    if given is None:
        return None
    return {
        **place.of(f"{record.line.task_id}.eval"),
        "created_at": given.created_at_ms // 1000,
        "value": given.flag,
        "source": given.source or "user",
        "notes": given.notes,
    }


def _event(event: Event, place: _Place) -> Json:
    return {
        **place.of(f"{event.definition_id}.{place.task_id}"),
        "event_name": event.name,
        "source": "owner" if event.reviewed else f"phospho-{event.detector}",
        "confirmed": event.reviewed is True,
        "removed": False,
        "removal_reason": None,
        "score_range": score_range(event),
    }


def score_range(event: Event) -> Json:
    """Return how sure an event is, or the score or category that it has."""
    if isinstance(event.value, str):
        return _range("category", event.score, label=event.value)
    if event.value is not None:
        return _range("range", event.value, low=min(0.0, event.value), high=max(1.0, event.value))
    return _range("confidence", event.score)


def _range(
    kind: str, value: float, *, low: float = 0.0, high: float = 1.0, label: str | None = None
) -> Json:
    return {"score_type": kind, "value": value, "min": low, "max": high, "label": label}


def session(record: SessionRecord, project_id: str) -> Json:
    """Return a session."""
    row, details = record.row, record.details
    at_ms = row.first_at_ms if row else details.created_at_ms if details else 0
    place = _Place(project_id, record.session_id, None, at_ms)
    score, magnitude = record.sentiment or (None, None)
    flag = record.most_common.get("flag")
    said = details.metadata if details and details.metadata else {}
    return {
        **place.of(record.session_id),
        "metadata": {**_session_metadata(row), **said},
        "data": details.data if details else None,
        "notes": details.notes if details else None,
        "preview": (details.preview if details else None) or (row.first_input if row else None),
        "environment": ENVIRONMENT,
        "events": [_session_event(each, place) for each in row.events] if row else [],
        "session_length": row.interactions if row else 0,
        "last_message_ts": row.last_at_ms // 1000 if row else None,
        "stats": {
            "avg_sentiment_score": score,
            "avg_magnitude_score": magnitude,
            "most_common_sentiment_label": record.most_common.get("sentiment"),
            "most_common_language": record.most_common.get("language"),
            "most_common_flag": flag,
            "human_eval": flag,
        },
    }


def _session_metadata(row: SessionRow | None) -> Json:
    named = {"user_id": row.user_id, "version_id": row.version_id} if row else {}
    return {name: value for name, value in named.items() if value is not None}


def _session_event(count: EventCount, place: _Place) -> Json:
    return {
        **place.of(f"{count.definition_id}.{place.session_id}"),
        "event_name": count.name,
        "source": "phospho",
        "confirmed": False,
        "removed": False,
    }


def transcript(lines: Sequence[TranscriptLine]) -> str:
    """Return what was said, a line for each message."""
    said = []
    for line in lines:
        said.append(f"User: {line.input}")
        if line.output is not None:
            said.append(f"Assistant: {line.output}")
    return "\n".join(said)
