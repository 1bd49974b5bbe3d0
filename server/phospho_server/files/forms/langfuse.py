"""Exports of Langfuse: traces or observations, of its pages, its API or its blob storage.

Sources: langfuse 3, `worker/src/features/database-read-stream/`, for what its pages export; its
API's `TraceWithDetails`, `TraceWithFullDetails` and `Observation`; its reference of the fields in
blob storage, which are the same in snake case. A CSV cell that is no text is JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from phospho.models import Flag
from phospho_server.errors import InvalidError
from phospho_server.files.forms.traces import Run, Traces, as_count, as_id, as_time
from phospho_server.files.rows import Row
from phospho_server.files.texts import parse_text
from phospho_server.files.values import read_thumb

# What only a trace of Langfuse has beside names that anybody uses.
_OF_A_TRACE = frozenset({
    *("html_path", "observation_count", "observations", "bookmarked", "public", "release"),
    *("error_count", "default_count", "environment"),
})  # fmt: skip
_OF_AN_OBSERVATION = frozenset({"id", "trace_id", "type", "start_time"})

# What an interaction has in a place of its own, or what says nothing once the file is left.
_NOT_METADATA = frozenset({
    *("id", "trace_id", "timestamp", "trace_timestamp", "start_time", "end_time", "name", "input"),
    *("output", "user_id", "session_id", "release", "version", "metadata", "observations"),
    *("scores", "usage", "usage_details", "provided_usage_details", "input_tokens"),
    *("output_tokens", "total_tokens", "project_id", "html_path", "parent_observation_id", "type"),
    *("model", "provided_model_name", "internal_model_id", "model_id", "status_message"),
    *("created_at", "updated_at", "input_usage", "output_usage", "total_usage"),
    *("observation_count", "error_count", "warning_count", "default_count", "debug_count"),
    *("prompt_tokens", "completion_tokens", "comments", "bookmarked", "public", "level", "trace"),
    *("input_price", "output_price", "total_price", "completion_start_time"),
})  # fmt: skip

_KINDS = {
    "generation": "llm",
    "agent": "agent",
    "tool": "tool",
    "retriever": "retrieval",
}

# Scores that say what a user thought of an answer, whatever the case and the gaps.
_FEEDBACK = frozenset({
    *("user_feedback", "feedback", "thumbs", "thumb", "user_score", "user_thumbs"),
    *("human_feedback", "user_rating_thumb"),
})  # fmt: skip


def recognise(sample: Sequence[Mapping[str, Any]]) -> Traces | None:
    """Return how to read the file, where it is an export of Langfuse."""
    names = {_snake(name) for row in sample for name in row}
    if names >= _OF_AN_OBSERVATION:
        says = "These are observations of Langfuse: the outermost of a trace is an interaction, "
        return Traces([says + "and those within it are its steps."], _read_observation)
    if names >= {"id", "timestamp"} and names & {"input", "output"} and names & _OF_A_TRACE:
        return Traces(["These are traces of Langfuse: each is an interaction."], _read_trace)
    return None


_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def _snake(name: str) -> str:
    return _HUMP.sub("_", name).lower()


def _fields(value: Mapping[str, Any]) -> dict[str, Any]:
    return {_snake(name): each for name, each in value.items() if each not in (None, "")}


def _read_trace(row: Row) -> Sequence[Run]:
    fields = _fields(row.value)
    trace_id = _need_id(fields, "id")
    inner = parse_text(fields.get("observations"))
    runs = [
        _as_run(row.number, {**_fields(each), "trace_id": trace_id})
        for each in (inner if isinstance(inner, list) else ())
        if isinstance(each, dict) and as_id(each.get("id"))
    ]
    return [
        Run(
            row.number,
            trace_id,
            trace_id,
            None,
            "other",
            str(fields.get("name") or "trace"),
            fields.get("input"),
            fields.get("output"),
            as_time(fields.get("timestamp")),
            usage=_read_usage(fields),
            facts=_read_facts(fields),
            metadata=_read_metadata(row.value, fields),
        ),
        # What is outermost among them is within the trace.
        *(replace(run, parent_id=run.parent_id or trace_id) for run in runs),
    ]


def _read_observation(row: Row) -> Sequence[Run]:
    fields = _fields(row.value)
    run = _as_run(row.number, fields)
    if run.parent_id is not None:
        return [run]
    return [replace(run, facts=_read_facts(fields), metadata=_read_metadata(row.value, fields))]


def _as_run(number: int, fields: Mapping[str, Any]) -> Run:
    kind = str(fields.get("type", "")).lower()
    is_error = str(fields.get("level", "")).upper() == "ERROR"
    model = fields.get("provided_model_name") or fields.get("model")
    return Run(
        number,
        _need_id(fields, "trace_id"),
        _need_id(fields, "id"),
        as_id(fields.get("parent_observation_id")),
        _KINDS.get(kind, "other"),
        str(fields.get("name") or kind or "observation"),
        fields.get("input"),
        fields.get("output"),
        as_time(fields.get("start_time")),
        as_time(fields.get("end_time")),
        model=model if isinstance(model, str) else None,
        usage=_read_usage(fields),
        error=str(fields.get("status_message") or "error") if is_error else None,
    )


def _need_id(fields: Mapping[str, Any], name: str) -> str:
    found = as_id(fields.get(name))
    if found is None:
        raise InvalidError(f"It has no {name}.")
    return found


def _read_usage(fields: Mapping[str, Any]) -> dict[str, int]:
    """Return tokens, out of any of the three ways in which Langfuse has told them."""
    told: dict[str, Any] = dict(fields)
    for name in ("usage", "usage_details", "provided_usage_details"):
        given = parse_text(fields.get(name))
        if isinstance(given, dict):
            told |= {f"usage {_snake(str(key))}": value for key, value in given.items()}
    names = {
        "prompt_tokens": ("usage input", "usage prompt_tokens", "input_usage", "input_tokens"),
        "completion_tokens": (
            *("usage output", "usage completion_tokens", "output_usage", "output_tokens"),
        ),
        "total_tokens": ("usage total", "usage total_tokens", "total_usage", "total_tokens"),
    }
    usage = {}
    for key, ways in names.items():
        counts = (as_count(told.get(way)) for way in ways)
        count = next((count for count in counts if count), None)
        if count is not None:
            usage[key] = count
    return usage


def _read_facts(fields: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "user_id": as_id(fields.get("user_id")),
        "version_id": as_id(fields.get("release")) or as_id(fields.get("version")),
    }
    if session_id := as_id(fields.get("session_id")):
        facts["session_id"] = session_id
    flag, notes = _read_feedback(fields)
    return {**facts, "flag": flag, "notes": notes}


def _read_feedback(fields: Mapping[str, Any]) -> tuple[Flag | None, str | None]:
    """Return what a user thought, out of a list of scores or a column for each of them."""
    scores = parse_text(fields.get("scores"))
    found: list[tuple[str, Any, Any]] = []
    if isinstance(scores, list):
        for score in scores:
            if isinstance(score, dict):
                value = score.get("stringValue") or score.get("value")
                if score.get("value") in (0, 1, -1):
                    value = score["value"]
                found.append((str(score.get("name")), value, score.get("comment")))
    flat = scores if isinstance(scores, dict) else {}
    for name, value in {**fields, **flat}.items():
        values = parse_text(value)
        found.append((name, values[-1] if isinstance(values, list) and values else values, None))
    for name, value, comment in found:
        if re.sub(r"[\W_]+", "_", name.lower()) in _FEEDBACK:
            flag = None if isinstance(value, dict | list) else read_thumb(value)
            if flag is not None:
                return flag, comment if isinstance(comment, str) and comment else None
    return None, None


def _read_metadata(value: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the app said of it, and what of the rest tells something."""
    given = parse_text(fields.get("metadata"))
    metadata: dict[str, Any] = {
        name: parse_text(each)
        for name, each in value.items()
        if _snake(name) not in _NOT_METADATA and each not in (None, "", [], {})
    }
    if isinstance(given, dict):
        metadata |= given
    elif given is not None:
        metadata["metadata"] = given
    if (scores := parse_text(fields.get("scores"))) not in (None, [], {}):
        metadata["scores"] = scores
    return metadata
