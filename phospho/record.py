"""Builds the record of an interaction: what is sent, and what `log` returns.

The keys are those of existing phospho clients, with what an app told and extractors found beside
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phospho import guard, snapshot
from phospho.attachments import MIN_ALONE, may_hold_files
from phospho.context import Context, find_context
from phospho.feedback import read_flag
from phospho.ids import new_id
from phospho.reading import Reading
from phospho.steps import MAX_STEP_CHARS, are_steps

if TYPE_CHECKING:
    from phospho.config import Settings

# Twice as fast as calling a NamedTuple.
_tuple_of = tuple.__new__

# What every record has beside its metadata, in this order.
_KEYS = (
    "client_created_at",
    "client_created_at_ms",
    "project_id",
    "session_id",
    "task_id",
    "input",
    "raw_input",
    "raw_input_type_name",
    "output",
    "raw_output",
    "raw_output_type_name",
    "version_id",
    "user_id",
    "flag",
)

# What a queued record takes besides its texts: its values, ids and numbers, the queue's entry.
RECORD_BYTES = 400

# What a step takes at most, but for its error.
STEP_BYTES = 2 * MAX_STEP_CHARS + RECORD_BYTES

STATUSES = frozenset({"ok", "incomplete", "cancelled", "error"})

_TIME_KEYS = ("client_created_at", "client_created_at_ms")
_OWN_KEYS = frozenset(
    {*_TIME_KEYS, "project_id", "raw_input_type_name", "raw_output_type_name", "truncated"}
)
_MAX_NUMBER_CHARS = 40
_MAX_SECONDS = 253_402_300_799  # the end of the year 9999, as far as calendars reach


def build(
    settings: Settings,
    heard: Reading,
    said: Reading,
    at_ms: int,
    session_id: Any,
    task_id: Any,
    user_id: Any,
    version_id: Any,
    metadata: Any,
    flag: Any,
    created_at: Any,
    anything: Mapping[str, Any] | None,
    steps: Sequence[dict[str, Any]] = (),
) -> tuple[dict[str, Any], int, bool]:
    """Return a record, about how many bytes it takes, and whether it is a plain one.

    A plain record has the usual keys, with no containers in them or in its metadata.

    The arguments are those of `Client.log_readings`; what a call leaves open comes from the
    enclosing `phospho.session`, then from the settings.
    """
    context = find_context()
    if context is not None:
        session_id, user_id, version_id, metadata = _inherit(
            context, session_id, user_id, version_id, metadata
        )
    size = heard.size + said.size + RECORD_BYTES
    own: dict[str, Any] = {}
    is_cut = is_deep = False
    if metadata:
        own, own_size, is_cut, is_deep = _copy_metadata(metadata)
        size += own_size
    record: dict[str, Any] = {
        "client_created_at": at_ms // 1000,
        "client_created_at_ms": at_ms,
        "project_id": settings.project_id,
        "session_id": read_id(session_id) or new_id("session", at_ms),
        "task_id": read_id(task_id) or new_id("task", at_ms),
        "input": heard.text,
        "raw_input": heard.raw,
        "raw_input_type_name": heard.type_name,
        "output": said.text,
        "raw_output": said.raw,
        "raw_output_type_name": said.type_name,
        "version_id": read_id(version_id) or settings.version_id,
        "user_id": read_id(user_id),
        "flag": None,
        "metadata": own,
    }
    is_plain = heard.facts is said.facts is heard.raw is said.raw is None
    if not is_plain:
        _add_facts(record, heard)
        _add_facts(record, said)
    if anything:
        size += _add_anything(record, anything)
    if steps:
        record["steps"] = list(steps)
        size += len(steps) * STEP_BYTES
    if flag is not None:
        _add_flag(record, flag)
    if created_at is not None:
        _add_time(record, created_at)
    if is_cut or heard.cut or said.cut:
        _add_cuts(record, heard, said, is_metadata_cut=is_cut)
    # What is no flag or time is kept in metadata, whatever it is.
    is_told = anything or flag is not None or created_at is not None
    is_plain = is_plain and not (is_deep or is_told) and len(record) == len(_KEYS) + 1
    return record, size, is_plain


def pack(record: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a plain record says, for waiting in a queue.

    It takes a third of the memory, and the garbage collector does not go through it each time: it
    leaves alone a tuple that holds no containers.
    """
    metadata = record.pop("metadata")
    packed = (*record.values(), *metadata, *metadata.values())
    record["metadata"] = metadata
    return packed


def unpack(packed: tuple[Any, ...]) -> dict[str, Any]:
    """Return the record that was packed."""
    count = len(_KEYS)
    names_end = count + (len(packed) - count) // 2
    record = dict(zip(_KEYS, packed[:count], strict=True))
    record["metadata"] = dict(zip(packed[count:names_end], packed[names_end:], strict=True))
    return record


def read_plain(text: str) -> Reading:
    """Read a true `str`: the usual case, so nothing else is looked at."""
    size = len(text)
    if size <= snapshot.MAX_TEXT_CHARS:
        # Most texts are short and have no semicolon.
        is_safe = not (";" in text or size >= MIN_ALONE) or not may_hold_files(text)
        if is_safe and text.isascii() and "\0" not in text:
            return _tuple_of(Reading, (text, None, "str", size, None, ()))
        clean = snapshot.clean_text(text)
        return Reading(clean, None, "str", snapshot.count_bytes(clean), None, ())
    text = snapshot.without_long_files(text)
    cut = ("text",) if len(text) > snapshot.MAX_TEXT_CHARS else ()
    clean = snapshot.clean_text(text)
    return Reading(clean, None, "str", snapshot.count_bytes(clean), None, cut)


def read_id(value: Any) -> str | None:
    """Return an id as text; None for one that is not there or empty.

    The end of one that is too long is replaced by a digest of the whole.
    """
    if value is None:
        return None
    if type(value) is str and value.isascii() and len(value) <= snapshot.MAX_ID_CHARS:
        return snapshot.clean_text(value) if "\0" in value else value or None
    text = str(snapshot.take(value, snapshot.MAX_TEXT_CHARS).value)
    if len(text) > snapshot.MAX_ID_CHARS:
        import hashlib

        # Two ids that begin alike stay two.
        digest = hashlib.sha256(text.encode()).hexdigest()
        text = f"{text[: snapshot.MAX_ID_CHARS - len(digest) - 1]}-{digest}"
    return text or None


def read_feedback(told: dict[str, Any]) -> dict[str, Any]:
    """Return feedback, as the app or a plugin gave it, in the types that are sent.

    Raises:
        ValueError: When it lacks a task_id, or its flag is another word.
    """
    task_id, notes = read_id(told.get("task_id")), told.get("notes")
    if task_id is None:
        raise ValueError("feedback needs a task_id: phospho.log(...)['task_id']")
    return {
        "task_id": task_id,
        "flag": read_flag(told.get("flag")),
        "notes": None if notes is None else snapshot.clean_text(str(notes)),
        "source": read_id(told.get("source")) or "user",
    }


def as_mapping(metadata: Any) -> Mapping[str, Any]:
    """Return metadata under names; what is no mapping is kept under the name `metadata`."""
    return metadata if isinstance(metadata, Mapping) else {"metadata": metadata}


def _inherit(
    context: Context, session_id: Any, user_id: Any, version_id: Any, metadata: Any
) -> tuple[Any, Any, Any, Any]:
    """Fill in what the call leaves open from the enclosing `phospho.session`."""
    if context.metadata:
        metadata = {**context.metadata, **(as_mapping(metadata) if metadata else {})}
    return (
        session_id or context.session_id,
        user_id or context.user_id,
        version_id or context.version_id,
        metadata,
    )


def _copy_metadata(metadata: Any) -> tuple[dict[str, Any], int, bool, bool]:
    """Return a copy, its size, whether it was cut, and whether it may hold containers."""
    flat = snapshot.take_flat(metadata)
    if flat is not None:
        return flat[0], flat[1], False, False
    copied = snapshot.take(metadata, snapshot.MAX_METADATA_CHARS)
    return dict(as_mapping(copied.value)), copied.size, copied.is_cut, True


def _add_facts(record: dict[str, Any], reading: Reading) -> None:
    """Add what an extractor found; its further facts become metadata where the app gave none."""
    facts = reading.facts
    if facts is None:
        return
    found = {
        **{name: facts.usage.get(name) for name in _USAGE_KEYS},
        "model": facts.model,
        "system_prompt": facts.system_prompt,
        "finish_reason": facts.finish_reason,
        "tool_calls": list(facts.tool_calls) or None,
    }
    for name, value in found.items():
        # What was asked is told in full by what was passed; an answer repeats a part of it.
        if value is not None and not (name == "system_prompt" and name in record):
            record[name] = snapshot.take(value, snapshot.MAX_RAW_CHARS).value
    if facts.error is not None:
        record["status"] = "error"
        record["error"] = snapshot.take(dict(facts.error), snapshot.MAX_METADATA_CHARS).value
    extra = snapshot.take(dict(facts.extra), snapshot.MAX_METADATA_CHARS).value
    record["metadata"] = {**extra, **record["metadata"]}


_USAGE_KEYS = ("prompt_tokens", "completion_tokens", "total_tokens")


def _add_anything(record: dict[str, Any], anything: Mapping[str, Any]) -> int:
    """Add the app's own keywords as it wrote them; names that are taken go into metadata."""
    copied = snapshot.take(dict(anything), snapshot.MAX_METADATA_CHARS)
    for name, value in copied.value.items():
        if name in _OWN_KEYS or (name in _CHECKED_KEYS and not _CHECKED_KEYS[name](value)):
            record["metadata"].setdefault(name, value)
        else:
            record[name] = value
    if copied.is_cut:
        record["truncated"] = ["keywords"]
    return copied.size


# Names with a meaning of their own, which an app may use with another one.
_CHECKED_KEYS: dict[str, Callable[[Any], bool]] = {
    "status": lambda status: isinstance(status, str) and status in STATUSES,
    "error": lambda error: isinstance(error, dict) and {"type", "message"} <= error.keys(),
    "steps": are_steps,
}


def _add_flag(record: dict[str, Any], flag: Any) -> None:
    with guard.guarded("take a flag"):
        record["flag"] = read_flag(flag)
        return
    record["metadata"].setdefault("flag", snapshot.take(flag, snapshot.MAX_ID_CHARS).value)


def _add_time(record: dict[str, Any], created_at: Any) -> None:
    """Add when the interaction took place, in seconds and, where known, milliseconds."""
    with guard.guarded("take created_at"):
        seconds = _read_seconds(created_at)
        record["created_at"] = int(seconds)
        if seconds != int(seconds):
            record["created_at_ms"] = int(seconds * 1000)
        return
    record["metadata"].setdefault(
        "created_at", snapshot.take(created_at, snapshot.MAX_ID_CHARS).value
    )


def _read_seconds(created_at: Any) -> float:
    if isinstance(created_at, bool):
        raise TypeError("created_at is a datetime or seconds since 1970, not True or False")
    if isinstance(created_at, (str, bytes)) and len(created_at) > _MAX_NUMBER_CHARS:
        raise ValueError("created_at is a datetime or seconds since 1970, not a long text")
    timestamp = getattr(created_at, "timestamp", None)
    seconds = float(timestamp() if callable(timestamp) else created_at)
    if not 0 <= seconds <= _MAX_SECONDS:
        raise ValueError("created_at is a datetime or seconds since 1970, not milliseconds")
    return seconds


def _add_cuts(
    record: dict[str, Any], heard: Reading, said: Reading, *, is_metadata_cut: bool
) -> None:
    """List what was cut to the limits, so that nobody takes it for the whole."""
    cut = list(record.get("truncated", ()))
    for side, reading in (("input", heard), ("output", said)):
        cut += [side if part == "text" else f"raw_{side}" for part in reading.cut]
    record["truncated"] = cut + ["metadata"] * is_metadata_cut
