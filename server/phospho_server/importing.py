"""Read interactions out of files: JSONL of interactions or of whole conversations, gzip or plain.

Ids are made from the file's lines, so importing a file again, or going on after a stop, adds
nothing twice.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from phospho.extractors.messages import content_text
from phospho.record import as_mapping
from phospho_server.errors import InvalidError
from phospho_server.incoming import parse_json, read_interaction
from phospho_server.store import Store
from phospho_server.store.interactions import add_interactions
from phospho_server.store.rows import NewInteraction

BATCH = 1000

_ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
}


@dataclass(frozen=True)
class ImportReport:
    """What an import did. `problems` are `(line number, reason)` of lines that were left out."""

    read: int
    added: int
    problems: Sequence[tuple[int, str]]


def import_file(
    store: Store,
    project_id: str,
    path: Path,
    *,
    now_ms: int,
    on_progress: Callable[[int], None] = lambda _: None,
) -> ImportReport:
    """Store the interactions of a file.

    A line is a JSON object: an interaction as `phospho.log` sends it (`{"input": "...", "output":
    "..."}`), or a conversation (`{"session_id": "...", "turns": [{"role": "user", "content":
    "..."}, ...]}`; `messages` for `turns` is understood too).

    Args:
        store: Where to.
        project_id: Whose they are.
        path: A `.jsonl` file, or `.jsonl.gz`.
        now_ms: The time of interactions that have none.
        on_progress: Told the bytes of the file that were read since it was last called.

    Raises:
        OSError: The file cannot be read.
    """
    batch: list[NewInteraction] = []
    problems: list[tuple[int, str]] = []
    read = added = number = 0
    try:
        for number, line in _read_lines(path, on_progress):
            try:
                found = _read_line(number, line, now_ms)
            except InvalidError as exc:
                problems.append((number, str(exc)))
                continue
            read += len(found)
            batch.extend(found)
            if len(batch) >= BATCH:
                added += _add(store, project_id, batch)
                batch = []
    except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
        problems.append((number + 1, f"The file is damaged from here on: {exc}."))
    added += _add(store, project_id, batch)
    return ImportReport(read, added, problems)


def _add(store: Store, project_id: str, batch: Sequence[NewInteraction]) -> int:
    return store.write(lambda db: add_interactions(db, project_id, batch)) if batch else 0


def _read_lines(path: Path, on_progress: Callable[[int], None]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not empty, with their numbers from 1 on."""
    with path.open("rb") as raw:
        lines: IO[bytes] = raw
        if raw.peek(2)[:2] == b"\x1f\x8b":
            lines = io.BufferedReader(gzip.GzipFile(fileobj=raw))
        position = 0
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line
            on_progress(raw.tell() - position)
            position = raw.tell()


def _read_line(number: int, line: bytes, now_ms: int) -> list[NewInteraction]:
    try:
        value = parse_json(line)
    except (ValueError, RecursionError) as exc:
        raise InvalidError(f"It is not JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise InvalidError('It is no JSON object. Write {"input": "...", "output": "..."}.')
    digest = hashlib.sha256(b"%d:" % number + line.strip()).hexdigest()[:24]
    turns = value.get("turns", value.get("messages"))
    if turns is not None:
        events = _pair_turns(value, turns, digest)
    elif "input" in value:
        ids = {"task_id": f"import_{digest}", "session_id": f"session_{digest}"}
        events = [{**value, **{name: value.get(name) or made for name, made in ids.items()}}]
    else:
        raise InvalidError(
            'It has neither "input" nor "turns". Write {"input": "...", "output": "..."}, or '
            '{"session_id": "...", "turns": [{"role": "user", "content": "..."}]}.'
        )
    return [
        # A millisecond apart, so that interactions without a time keep their order.
        read_interaction(event, received_at_ms=now_ms + place)
        for place, event in enumerate(events)
    ]


def _pair_turns(
    conversation: Mapping[str, Any], turns: object, digest: str
) -> list[dict[str, Any]]:
    """Turn a conversation into interactions: what the user said, and all that was answered.

    Messages of one role in a row become one text; what tools said is left out, and instructions
    become metadata. A conversation that the assistant opens, or
    the user closes, has an interaction with an empty input, or without an output.
    """
    if not isinstance(turns, list):
        raise InvalidError('"turns" must be a list of {"role": "...", "content": "..."}.')
    shared = _shared_fields(conversation)
    session_id = conversation.get("session_id") or f"session_{digest}"
    pairs: list[dict[str, Any]] = []
    last_role = "assistant"
    for turn in turns:
        role, content = _read_turn(turn)
        if role == "system":
            shared.setdefault("system_prompt", content)
        if role not in {"user", "assistant"}:
            continue
        if role == "user" and last_role == "assistant":
            pairs.append({"input": content, "output": None})
        elif role == "user":
            pairs[-1]["input"] += "\n" + content
        elif not pairs:
            pairs.append({"input": "", "output": content})
        else:
            earlier = pairs[-1]["output"]
            pairs[-1]["output"] = f"{earlier}\n{content}" if earlier else content
        last_role = role
    return [
        {**shared, **pair, "session_id": session_id, "task_id": f"import_{digest}_{place}"}
        for place, pair in enumerate(pairs)
    ]


def _shared_fields(conversation: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a conversation says of each of its interactions."""
    shared = {k: v for k, v in conversation.items() if k not in {"turns", "messages", "task_id"}}
    if shared.get("steps") is not None:
        # Which of the answers they led to is not told: as steps, they would be told of each.
        given = as_mapping(shared.get("metadata") or {})
        shared["metadata"] = {"steps": shared.pop("steps"), **given}
    return shared


def _read_turn(turn: object) -> tuple[str, str]:
    """Return a turn's role, in one of four words, and its text, which a tool call may not have."""
    role = turn.get("role") if isinstance(turn, dict) else None
    content = turn.get("content") if isinstance(turn, dict) else None
    if isinstance(content, list):
        content = content_text(content)
    known = _ROLES.get(role.lower()) if isinstance(role, str) else None
    if known is None or not isinstance(content, str | None):
        raise InvalidError(
            'A turn must be {"role": "user" or "assistant", "content": "text"}; this one is '
            f"{json.dumps(turn)[:100]}."
        )
    return known, content or ""
