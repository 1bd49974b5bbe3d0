"""Exports of LangSmith: runs, as its API, its SDK, its pages or its bulk export give them.

Source: LangSmith's description of its run data format, and langsmith 0.15, `schemas.RunBase` and
`Run`. In a table, `inputs`, `outputs`, `extra` and `feedback_stats` are JSON. A run's own
`session_id` is its project; a conversation is what its metadata calls a session or a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from phospho.models import Flag
from phospho_server.errors import InvalidError
from phospho_server.files.forms.traces import Run, Traces, as_count, as_id, as_time
from phospho_server.files.rows import Row
from phospho_server.files.texts import parse_text
from phospho_server.files.values import read_thumb

_KINDS = {"llm": "llm", "tool": "tool", "retriever": "retrieval"}

# Names in the metadata of a run for the conversation it is of, as LangSmith itself reads them.
_THREADS = ("session_id", "thread_id", "conversation_id")
_USERS = ("user_id", "user")

_FEEDBACK = frozenset({
    *("user_score", "user_feedback", "feedback", "thumbs", "thumb", "user_thumbs"),
    *("human_feedback", "thumbs_up"),
})  # fmt: skip

# Runs within a run that are followed: deeper ones are steps of a step.
_MOST_DEPTH = 20


def recognise(sample: Sequence[Mapping[str, Any]]) -> Traces | None:
    """Return how to read the file, where it is an export of LangSmith."""
    names = {name for row in sample for name in row}
    if not names >= {"run_type", "inputs"}:
        return None
    says = "These are runs of LangSmith: the outermost of a trace is an interaction, "
    return Traces([says + "and those within it are its steps."], _read_row)


def _read_row(row: Row) -> Sequence[Run]:
    return list(_read_runs(row.number, row.value, None, 0))


def _read_runs(
    number: int, value: Mapping[str, Any], outer: Run | None, depth: int
) -> Iterator[Run]:
    """Yield a run, and those within it where its exporter has put them there."""
    run = _as_run(number, value, outer)
    yield run
    within = parse_text(value.get("child_runs"))
    for each in within if isinstance(within, list) and depth < _MOST_DEPTH else ():
        if isinstance(each, dict) and as_id(each.get("id")):
            yield from _read_runs(number, each, run, depth + 1)


def _as_run(number: int, value: Mapping[str, Any], outer: Run | None) -> Run:
    run_id = as_id(value.get("id")) or as_id(value.get("run_id"))
    if run_id is None:
        raise InvalidError("It has no id.")
    kind = str(value.get("run_type") or "").lower()
    extra = parse_text(value.get("extra"))
    metadata = _read_metadata(value, extra if isinstance(extra, dict) else {})
    trace_id = as_id(value.get("trace_id")) or run_id
    parent_id = as_id(value.get("parent_run_id"))
    if outer is not None:
        trace_id, parent_id = outer.trace_id, parent_id or outer.id
    elif trace_id == run_id:
        parent_id = None
    elif parent_id is None:
        # Some exports leave out who called a run, and say its trace.
        parent_id = trace_id
    return Run(
        number,
        trace_id,
        run_id,
        parent_id,
        _KINDS.get(kind, "other"),
        str(value.get("name") or kind or "run"),
        parse_text(value.get("inputs")) or None,
        _read_outputs(parse_text(value.get("outputs"))) or None,
        as_time(value.get("start_time")),
        as_time(value.get("end_time")),
        model=_model_of(metadata) if kind == "llm" else None,
        usage=_read_usage(value),
        error=str(value["error"]) if value.get("error") else None,
        facts=_read_facts(value, metadata) if parent_id is None else {},
        metadata=_tell(value, metadata) if parent_id is None else {},
    )


def _read_outputs(outputs: Any) -> Any:
    """Return the first of what a model gave, where there are lists of such; else the outputs."""
    if not isinstance(outputs, dict):
        return outputs
    generations = outputs.get("generations")
    while isinstance(generations, list) and generations:
        generations = generations[0]
    if not isinstance(generations, dict):
        return outputs
    text = generations.get("text")
    return text if isinstance(text, str) and text else generations.get("message", outputs)


def _read_metadata(value: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the app said of a run, which some exports give beside `extra`."""
    found: dict[str, Any] = {}
    for given in (parse_text(value.get("metadata")), parse_text(extra.get("metadata"))):
        if isinstance(given, dict):
            found |= given
    return found


def _model_of(metadata: Mapping[str, Any]) -> str | None:
    model = metadata.get("ls_model_name")
    return model if isinstance(model, str) else None


def _read_usage(value: Mapping[str, Any]) -> dict[str, int]:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    counts = {name: as_count(value.get(name)) for name in names}
    return {name: count for name, count in counts.items() if count}


def _read_facts(value: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    threads = (as_id(value.get("thread_id")), *(as_id(metadata.get(name)) for name in _THREADS))
    facts: dict[str, Any] = {
        "user_id": next(filter(None, (as_id(metadata.get(name)) for name in _USERS)), None),
        "version_id": as_id(metadata.get("revision_id")),
        "flag": _read_feedback(parse_text(value.get("feedback_stats"))),
    }
    session_id = next(filter(None, threads), None)
    return {**facts, "session_id": session_id} if session_id else facts


def _read_feedback(stats: Any) -> Flag | None:
    """Return what users thought, where they all thought the same: `{"user_score": {"avg": 1}}`."""
    for name, stat in stats.items() if isinstance(stats, dict) else ():
        if str(name).lower().replace("-", "_").replace(" ", "_") in _FEEDBACK:
            average = stat.get("avg") if isinstance(stat, dict) else stat
            flag = read_thumb(average)
            if flag is not None:
                return flag
    return None


_TOLD = ("tags", "session_name", "project_name", "feedback_stats", "total_cost", "latency")


def _tell(value: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of an interaction; who and which conversation stand elsewhere."""
    kept = {name: each for name, each in metadata.items() if name not in (*_THREADS, *_USERS)}
    for name in _TOLD:
        if (told := parse_text(value.get(name))) not in (None, "", [], {}):
            kept.setdefault(name, told)
    return kept
