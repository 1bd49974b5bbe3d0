"""Files of what is stored: interactions as they can be imported again, sessions and users.

Read a page at a time, each in a transaction of its own, so that an export holds nobody up however
long it takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import IO

from phospho_server.files.fields import JSON_FIELDS
from phospho_server.files.writing import WRITERS, Record
from phospho_server.store import Store
from phospho_server.store.filters import Filter
from phospho_server.store.interaction_pages import list_interaction_ids
from phospho_server.store.rows import NewInteraction
from phospho_server.store.whole_interactions import list_whole

# Interactions that are looked for in one transaction.
_PAGE = 200

# Of these, those that are in memory at once: each may have some MB.
_LOADED = 25


def export(
    stream: IO[bytes],
    format_name: str,
    columns: Sequence[str],
    pages: Iterator[Sequence[Record]],
    *,
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Write pages of records as a file, and return how many there were.

    Args:
        stream: Where to.
        format_name: One of `WRITERS`.
        columns: In the order of the file.
        pages: What each record has of them.
        on_progress: Told how many records were written since it was last called.

    Raises:
        MissingDependencyError: It is Parquet, and pyarrow is not installed.
    """
    written = 0
    writer = WRITERS[format_name](stream, columns)
    for page in pages:
        writer.write(page)
        written += len(page)
        on_progress(len(page))
    writer.close()
    return written


def read_interactions(
    store: Store, project_id: str, wanted: Filter, *, as_text: bool
) -> Iterator[Sequence[Record]]:
    """Yield the interactions that match, in the order in which they arrived.

    Args:
        store: Where from.
        project_id: Whose.
        wanted: What has to hold of them.
        as_text: Whether what is JSON is left as text, for a table.
    """
    cursor = None
    while True:
        with store.read() as db:
            ids, cursor = list_interaction_ids(
                db, project_id, wanted, sort="oldest", cursor=cursor, limit=_PAGE
            )
        for start in range(0, len(ids), _LOADED):
            with store.read() as db:
                found = list_whole(db, project_id, ids[start : start + _LOADED])
            yield [_as_record(each, as_text=as_text) for each in found]
        if cursor is None:
            return


def _as_record(interaction: NewInteraction, *, as_text: bool) -> Record:
    record: dict[str, object] = {**vars(interaction)}
    record["created_at"] = iso_ms(interaction.created_at_ms)
    if not as_text:
        for name in JSON_FIELDS:
            text = getattr(interaction, name)
            record[name] = None if text is None else json.loads(text)
    return record


def iso_ms(at_ms: int) -> str:
    """Return a time in ISO 8601, to the millisecond."""
    at = datetime.fromtimestamp(at_ms // 1000, timezone.utc)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"
