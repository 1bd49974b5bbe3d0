"""The JSON that existing phospho clients read: tasks with their events, and sessions.

They check it with models of their own (observed from phospho 0.3.45): `created_at` is a whole
number of seconds, `input` is never null, and a task's `events` is a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from json import dumps, loads
from typing import Any

from phospho.detectors.sentiment import feeling_of
from phospho.models import Flag
from phospho_server.api.v2.json_texts import NULL, quote, quote_or_null, truth
from phospho_server.clock import now_ms
from phospho_server.store.records import Record, RecordEvent
from phospho_server.store.session_records import SessionRecord

Json = dict[str, Any]

# The former service had organisations; a server of one's own is one.
ORG_ID = "org_self_hosted"

ENVIRONMENT = "default environment"

_ORG_ID, _ENVIRONMENT = quote(ORG_ID), quote(ENVIRONMENT)

# What stands in metadata here and beside it in a task there, or the other way round.
_OWN_NAMES = re.compile('"(?:data|test_id|environment|user_id|version_id)"')


def task(record: Record, project_id: str) -> str:
    """Return an interaction as a task."""
    return _task(record, project_id, quote(record.session_id), truth(record.is_last))


def stub_task(task_id: str, project_id: str, *, flag: Flag | None, notes: str | None) -> str:
    """Return a task for feedback whose interaction is still on its way."""
    record = Record(
        id=0,
        task_id=task_id,
        session_id="",
        created_at_ms=now_ms(),
        input="",
        output=None,
        user_id=None,
        version_id=None,
        flag=flag,
        notes=notes,
        metadata_json=None,
        raw_input_json=None,
        raw_output_json=None,
        language=None,
        sentiment=None,
        session_length=0,
        position=None,
        is_last=False,
        flagged=None,
        events=(),
        rejected=(),
    )
    return _task(record, project_id, NULL, NULL)


def _task(record: Record, project_id: str, session_id: str, is_last: str) -> str:
    task_id = quote(record.task_id)
    position = NULL if record.position is None else record.position
    return (
        f'{{"id":{task_id},"created_at":{record.created_at_ms // 1000},"org_id":{_ORG_ID},'
        f'"project_id":{quote(project_id)},"session_id":{session_id},"task_id":{task_id},'
        f'"input":{quote(record.input)},"output":{quote_or_null(record.output)},'
        f'"additional_input":{_as_object(record.raw_input_json, "raw_input")},'
        f'"additional_output":{_as_object(record.raw_output_json, "raw_output")},'
        f"{_metadata(record)},"
        f'"flag":{quote_or_null(record.flag)},"notes":{quote_or_null(record.notes)},'
        f'"human_eval":{_human_eval(record)},"last_eval":{_last_eval(record, project_id)},'
        f'"sentiment":{_sentiment(record.sentiment)},"language":{quote_or_null(record.language)},'
        f'"task_position":{position},"is_last_task":{is_last},'
        f'"events":{_events(record, project_id)}}}'
    )


# What a task has where its metadata says nothing of it.
_NOTHING_BESIDE = f'"data":null,"test_id":null,"environment":{_ENVIRONMENT}'


def _metadata(record: Record) -> str:
    """Return what a task has of the metadata of an interaction, as fields of an object."""
    kept = record.metadata_json or "{}"
    named = _named(record.user_id, record.version_id)
    if kept == "{}":
        return f'"metadata":{{{named}}},{_NOTHING_BESIDE}'
    # As we store it; by hand, people may have put anything there. An escape may be in a name.
    is_object = kept.startswith('{"') and kept.endswith("}")
    if not is_object or "\\u" in kept or _OWN_NAMES.search(kept):
        return _read_metadata(record)
    told = f"{kept[:-1]},{named}}}" if named else kept
    return f'"metadata":{told},{_NOTHING_BESIDE}'


def _named(user_id: str | None, version_id: str | None) -> str:
    """Return a user and a version as fields of an object, as far as they are known."""
    user = "" if user_id is None else f'"user_id":{quote(user_id)}'
    if version_id is None:
        return user
    return f'{user}{"," if user else ""}"version_id":{quote(version_id)}'


def _read_metadata(record: Record) -> str:
    metadata = record.metadata
    data, test_id, environment = (metadata.get(n) for n in ("data", "test_id", "environment"))
    if not environment or not isinstance(environment, str):
        environment = ENVIRONMENT
    return (
        f'"metadata":{dumps(metadata_of(record))},'
        f'"data":{dumps(data) if isinstance(data, dict) else NULL},'
        f'"test_id":{quote(test_id) if isinstance(test_id, str) else NULL},'
        f'"environment":{quote(environment)}'
    )


def metadata_of(record: Record) -> Json:
    """Return the metadata of an interaction, with its user and version."""
    named = {"user_id": record.user_id, "version_id": record.version_id}
    metadata = record.metadata
    if isinstance(metadata.get("data"), dict):
        # That stands beside it.
        del metadata["data"]
    return metadata | {name: value for name, value in named.items() if value is not None}


def _as_object(raw: str | None, name: str) -> str:
    """Return raw JSON as an object."""
    if not raw or raw == NULL:
        return "{}"
    return raw if raw.startswith("{") else f'{{"{name}":{raw}}}'


def _sentiment(score: float | None) -> str:
    if score is None:
        return NULL
    text = repr(score)
    return f'{{"score":{text},"magnitude":{text.lstrip("-")},"label":"{feeling_of(score)}"}}'


def _human_eval(record: Record) -> str:
    if record.flag is None:
        return NULL
    at_ms = record.flagged.created_at_ms if record.flagged else record.created_at_ms
    return (
        f'{{"id":{quote(f"{record.task_id}.eval")},"created_at":{at_ms // 1000},'
        f'"flag":{quote(record.flag)}}}'
    )


def _last_eval(record: Record, project_id: str) -> str:
    given = record.flagged
    if given is None:
        return NULL
    return (
        f'{{"id":{quote(f"{record.task_id}.eval")},"created_at":{given.created_at_ms // 1000},'
        f'{_place(record, project_id)},"value":{quote_or_null(given.flag)},'
        f'"source":{quote(given.source or "user")},"notes":{quote_or_null(given.notes)}}}'
    )


def _events(record: Record, project_id: str) -> str:
    if not record.events:
        return "[]"
    place, created_at = _place(record, project_id), record.created_at_ms // 1000
    events = [
        f'{{"id":{quote(f"{event.definition_id}.{record.task_id}")},"created_at":{created_at},'
        f'{place},"event_name":{quote(event.name)},"source":{quote(source_of(event))},'
        f'"confirmed":{truth(event.reviewed is True)},"removed":false,"removal_reason":null,'
        f'"score_range":{dumps(score_range(event))}}}'
        for event in record.events
    ]
    return f"[{','.join(events)}]"


def _place(record: Record, project_id: str) -> str:
    """Return where something of a task belongs, as each object of the protocol says it."""
    return (
        f'"org_id":{_ORG_ID},"project_id":{quote(project_id)},'
        f'"session_id":{quote(record.session_id)},"task_id":{quote(record.task_id)}'
    )


def source_of(event: RecordEvent) -> str:
    """Return who says that an event occurred."""
    return "owner" if event.reviewed else f"phospho-{event.detector}"


def score_range(event: RecordEvent) -> Json:
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


def session(record: SessionRecord, project_id: str) -> str:
    """Return a session."""
    row, details = record.row, record.details
    session_id = quote(record.session_id)
    at_ms = row.first_at_ms if row else details.created_at_ms if details else 0
    preview = (details.preview if details else None) or (row.first_input if row else None)
    return (
        f'{{"id":{session_id},"created_at":{at_ms // 1000},"org_id":{_ORG_ID},'
        f'"project_id":{quote(project_id)},"session_id":{session_id},'
        f'"metadata":{_session_metadata(record)},"data":{dumps(details.data) if details else NULL},'
        f'"notes":{quote_or_null(details.notes if details else None)},'
        f'"preview":{quote_or_null(preview)},"environment":{_ENVIRONMENT},'
        f'"events":{_session_events(record, project_id)},'
        f'"session_length":{row.interactions if row else 0},'
        f'"last_message_ts":{row.last_at_ms // 1000 if row else NULL},'
        f'"stats":{_session_stats(record)}}}'
    )


_NO_STATS = (
    '{"avg_sentiment_score":null,"avg_magnitude_score":null,"most_common_sentiment_label":null,'
    '"most_common_language":null,"most_common_flag":null,"human_eval":null}'
)


def _session_stats(record: SessionRecord) -> str:
    row = record.row
    if row is None:
        return _NO_STATS
    score, magnitude = row.mean_sentiment or (NULL, NULL)
    flag = quote_or_null(row.flag)
    return (
        f'{{"avg_sentiment_score":{score},"avg_magnitude_score":{magnitude},'
        f'"most_common_sentiment_label":{quote_or_null(row.feeling)},'
        f'"most_common_language":{quote_or_null(row.language)},'
        f'"most_common_flag":{flag},"human_eval":{flag}}}'
    )


def _session_metadata(record: SessionRecord) -> str:
    row = record.row
    named = f"{{{_named(row.user_id, row.version_id)}}}" if row else "{}"
    if record.details and record.details.metadata:
        return dumps({**loads(named), **record.details.metadata})
    return named


def _session_events(record: SessionRecord, project_id: str) -> str:
    if record.row is None or not record.events:
        return "[]"
    place = (
        f'"created_at":{record.row.first_at_ms // 1000},"org_id":{_ORG_ID},'
        f'"project_id":{quote(project_id)},"session_id":{quote(record.session_id)}'
    )
    events = [
        f'{{"id":{quote(f"{definition_id}.{record.session_id}")},{place},"event_name":{quote(name)},'
        '"source":"phospho","confirmed":false,"removed":false}'
        for definition_id, name in record.events
    ]
    return f"[{','.join(events)}]"


def transcript(records: Iterable[Record]) -> str:
    """Return what was said, a line for each message."""
    said = []
    for record in records:
        said.append(f"User: {record.input}")
        if record.output is not None:
            said.append(f"Assistant: {record.output}")
    return "\n".join(said)
