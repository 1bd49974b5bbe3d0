"""Rows of a table that an existing client sends back: `push_tasks_df`, `update_tasks_flat`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from phospho.models import Flag
from phospho_server.api.v2.fields import (
    MOST,
    read_flag_field,
    read_object_field,
    read_path_id,
    read_text_field,
)
from phospho_server.errors import BadRequestError, InvalidError, TooLargeError
from phospho_server.incoming import read_id
from phospho_server.store import Connection, Store
from phospho_server.store.changing import add_metadata
from phospho_server.store.feedback import add_feedback
from phospho_server.store.records import find_record

_METADATA = "task_metadata."

# Rows of one transaction: whoever logs meanwhile waits as long as these take.
_AT_ONCE = 100


@dataclass(frozen=True)
class FlatRow:
    """What a row says of an interaction."""

    task_id: str
    metadata: dict[str, Any]
    user_id: str | None
    version_id: str | None
    flag: Flag | None
    source: str | None


def read_flat_rows(body: dict[str, Any]) -> list[FlatRow]:
    """Return the rows of a body.

    Raises:
        BadRequestError: There is no list of rows.
        TooLargeError: There are too many.
        InvalidError: One of them cannot be read; the message says which.
    """
    rows = body.get("flattened_tasks")
    if not isinstance(rows, list):
        raise BadRequestError('The body needs a list: {"flattened_tasks": [{"task_id": "..."}]}.')
    if len(rows) > MOST:
        raise TooLargeError(f"There are {len(rows):,} rows; send at most {MOST:,} at a time.")
    return [_read_numbered(row, number) for number, row in enumerate(rows, start=1)]


def _read_numbered(row: object, number: int) -> FlatRow:
    try:
        return _read(row)
    except InvalidError as exc:
        raise InvalidError(f"Row {number}: {exc}") from exc


def _read(row: object) -> FlatRow:
    if not isinstance(row, dict):
        raise InvalidError("A row must be a JSON object, as in {...}.")
    task_id = row.get("task_id")
    if not isinstance(task_id, str) or not task_id:
        raise InvalidError("A row needs a task_id, as text.")
    beside = {
        name.removeprefix(_METADATA): value
        for name, value in row.items()
        if name.startswith(_METADATA)
    }
    given = {"metadata": {**beside, **(read_object_field(row, "task_metadata") or {})}}
    # A table has a cell for each key in each row; an empty one says nothing.
    metadata = {
        name: value
        for name, value in (read_object_field(given, "metadata") or {}).items()
        if value is not None
    }
    return FlatRow(
        task_id=read_path_id(task_id),
        metadata=metadata,
        user_id=read_id(metadata, "user_id"),
        version_id=read_id(metadata, "version_id"),
        flag=read_flag_field(row, "task_eval"),
        source=read_text_field(row, "task_eval_source"),
    )


def update(store: Store, project_id: str, rows: Sequence[FlatRow]) -> int:
    """Keep what rows say; return of how many there was an interaction."""
    return sum(
        store.write(partial(_update, project_id=project_id, rows=rows[start : start + _AT_ONCE]))
        for start in range(0, len(rows), _AT_ONCE)
    )


def _update(db: Connection, *, project_id: str, rows: Sequence[FlatRow]) -> int:
    return sum(_update_one(db, project_id, row) for row in rows)


def _update_one(db: Connection, project_id: str, row: FlatRow) -> bool:
    record = find_record(db, project_id, row.task_id)
    if record is None:
        return False
    # What the table was read with is not worth a row in `feedback` each time it is sent back.
    if row.flag is not None and row.flag != record.flag:
        add_feedback(
            db, project_id, row.task_id, flag=row.flag, notes=None, source=row.source or "owner"
        )
    return add_metadata(
        db,
        project_id,
        row.task_id,
        row.metadata,
        user_id=row.user_id,
        version_id=row.version_id,
    )
