"""Logs an answer that is still to come, once it is there: `phospho.log(..., stream=True)`."""

from __future__ import annotations

import contextvars
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from phospho import snapshot
from phospho.attaching import attach
from phospho.reading import NO_ANSWER, Reading
from phospho.streaming import Watch

if TYPE_CHECKING:
    from phospho.client import Client


class StreamedRecord(dict[str, Any]):
    """The record of an interaction whose answer is still to come; complete when it has.

    `["output"]` is what the app iterates over, and then the text.
    """

    __slots__ = ("__weakref__",)


def log_stream(
    client: Client,
    heard: Reading,
    stream: Any,
    to_text: Callable[[Any], Any] | None,
    fields: Mapping[str, Any],
    anything: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the record now, with the stream in it, and log it when the stream is over.

    Args:
        client: Logs it.
        heard: What the user said.
        stream: The answer to come.
        to_text: The app's own extractor; reads each chunk.
        fields: What else `phospho.log` names, from `session_id` to `created_at`.
        anything: The app's own keywords.
    """
    started, at_ms = time.perf_counter(), time.time_ns() // 1_000_000
    # Read now: what the app passed may change until the stream is over.
    own = snapshot.take(dict(anything), snapshot.MAX_METADATA_CHARS).value
    record = StreamedRecord(client.build(heard, NO_ANSWER, at_ms, **fields, anything=own))
    known = {**fields, **{name: record[name] for name in _KEPT}}
    known["metadata"] = snapshot.copy_again(record["metadata"])
    context, shown = contextvars.copy_context(), weakref.ref(record)

    def log(said: Reading | None, outcome: dict[str, Any], times: dict[str, float]) -> None:
        logged = context.run(
            client.log_readings,
            heard,
            said or NO_ANSWER,
            at_ms,
            **{**known, "metadata": {**known["metadata"], **times}},
            anything={**own, **outcome},
            is_late=True,
        )
        record = shown()
        if record is not None:
            record.update(logged)

    record["output"] = attach(stream, Watch(client, log, started, to_text))
    return record


# Decided when the stream began.
_KEPT = ("session_id", "task_id", "user_id", "version_id")
