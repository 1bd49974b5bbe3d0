"""Taking a list away as a file: everything that matches, sent while it is read."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from phospho_server.errors import InvalidError, NotFoundError
from phospho_server.security import VIEWER, access
from phospho_server.services import services
from phospho_server.store import Connection, Store
from phospho_server.store.interaction_pages import WHOLE, InteractionRow, list_interactions
from phospho_server.store.rows import SessionRow
from phospho_server.store.sessions import list_sessions
from phospho_server.store.users import UserRow, list_users
from phospho_server.views.filter_reading import list_choices, read_filter
from phospho_server.views.filters import KINDS, NAMES, SESSIONS, USERS, Asked, Offered
from phospho_server.views.formats import to_datetime
from phospho_server.views.frame import open_project
from phospho_server.views.query import Choices, read_choice

bp = Blueprint("exports", __name__)

FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}

# Rows read at once, in a transaction of their own: long exports hold nobody up.
_ROWS = 200

# What stands in an address besides filters: what kind of file, and where a list goes on.
_OF_A_LIST = {"format", "cursor"}

# What a spreadsheet takes for a formula begins with one of these, or with one in wide letters.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

Record = Mapping[str, Any]
Page = tuple[Sequence[Record], "str | None"]
Offer = Callable[[Connection, str], Offered]


@dataclass(frozen=True)
class Export:
    """A list as a file.

    Args:
        columns: In the order of the file.
        read: Returns a page as records, and the cursor of the next.
    """

    columns: Sequence[str]
    read: Callable[[Connection, str | None], Page]


@bp.get("/projects/<project_id>/export/<page>")
@access(VIEWER)
def download(project_id: str, page: str) -> Response:
    """Send everything that matches the filters of a list, as CSV or JSONL.

    `page` is `sessions`, `interactions` or `users`; `format` in the address is `csv` or `jsonl`,
    and everything else there is as in the list's own address.
    """
    with services().store.read() as db:
        open_project(db, project_id)
    return send(project_id, page)


def send(project_id: str, page: str, offer: Offer = list_choices) -> Response:
    """Send what an address asks for as a file.

    Args:
        project_id: The project.
        page: The list, by its name in addresses.
        offer: Returns what may be asked for, by default what there is to choose from on the page.

    Raises:
        InvalidError: The address asks for what cannot be meant.
        NotFoundError: There is no such list.
    """
    choices = Choices()
    name = read_choice(choices, "format", FORMATS, default="csv")
    with services().store.read() as db:
        export = _choose(db, project_id, page, choices, offer)
    _refuse_unknown(choices)
    if choices.problems:
        # Left out, a filter would make the file longer than what was asked for.
        raise InvalidError(choices.problems[0])
    records = read_all(services().store, export)
    lines = _to_csv(export.columns, records) if name == "csv" else map(_to_json, records)
    return Response(
        lines,
        content_type=FORMATS[name],
        headers={"Content-Disposition": f'attachment; filename="{page}.{name}"'},
    )


def _refuse_unknown(choices: Choices) -> None:
    """Note every name in the address that is no filter, for example a misspelt one."""
    for name in sorted(set(request.args) - NAMES - _OF_A_LIST):
        choices.say(name, f"is no filter. Choose of: {', '.join(sorted(NAMES))}")


def _choose(db: Connection, project_id: str, page: str, choices: Choices, offer: Offer) -> Export:
    if page not in KINDS:
        raise NotFoundError(f"There is no such export. Choose one of: {', '.join(KINDS)}.")
    kind = KINDS[page]
    return list_as_asked(project_id, read_filter(choices, kind, offer(db, project_id)))


def list_as_asked(project_id: str, asked: Asked) -> Export:
    """Return a list with what its filters ask for."""
    if asked.kind == SESSIONS:
        return Export(_SESSION, _read_sessions(project_id, asked))
    if asked.kind == USERS:
        return Export(_USER, _read_users(project_id, asked))
    return Export(_INTERACTION, _read_interactions(project_id, asked))


def read_all(store: Store, export: Export) -> Iterator[Record]:
    """Read page after page, each in its own transaction; this runs while the answer is sent."""
    cursor = None
    while True:
        with store.read() as db:
            records, cursor = export.read(db, cursor)
        yield from records
        if cursor is None:
            return


_SESSION = (
    *("session_id", "first_at", "last_at", "interactions", "user_id", "version_id"),
    *("successes", "failures", "events", "first_input"),
)


def _read_sessions(project_id: str, asked: Asked) -> Callable[[Connection, str | None], Page]:
    def read(db: Connection, cursor: str | None) -> Page:
        page = list_sessions(
            db, project_id, asked.wanted, sort=asked.sort, cursor=cursor, limit=_ROWS
        )
        return [_record_session(row) for row in page.sessions], page.next_cursor

    return read


def _record_session(row: SessionRow) -> Record:
    return {
        **{name: getattr(row, name, None) for name in _SESSION},
        "first_at": _iso_ms(row.first_at_ms),
        "last_at": _iso_ms(row.last_at_ms),
        "events": {event.name: event.events for event in row.events},
    }


_INTERACTION = (
    *("task_id", "session_id", "created_at", "user_id", "version_id", "flag", "notes"),
    *("language", "sentiment", "tokens", "events", "input", "output", "metadata"),
)


def _read_interactions(project_id: str, asked: Asked) -> Callable[[Connection, str | None], Page]:
    def read(db: Connection, cursor: str | None) -> Page:
        page = list_interactions(
            db,
            project_id,
            asked.wanted,
            sort=asked.sort,
            cursor=cursor,
            limit=_ROWS,
            most_chars=WHOLE,
        )
        return [_record_interaction(row) for row in page.interactions], page.next_cursor

    return read


def _record_interaction(row: InteractionRow) -> Record:
    return {
        **{name: getattr(row, name, None) for name in _INTERACTION},
        "created_at": _iso_ms(row.created_at_ms),
        "events": {
            event.name: event.score if event.value is None else event.value for event in row.events
        },
    }


_USER = ("user_id", "first_at", "last_at", "interactions", "sessions", "tokens")


def _read_users(project_id: str, asked: Asked) -> Callable[[Connection, str | None], Page]:
    def read(db: Connection, cursor: str | None) -> Page:
        page = list_users(
            db,
            project_id,
            asked.wanted,
            starts_with=asked.starts_with,
            sort=asked.sort,
            cursor=cursor,
            limit=_ROWS,
        )
        return [_record_user(row) for row in page.users], page.next_cursor

    return read


def _record_user(row: UserRow) -> Record:
    return {
        **{name: getattr(row, name, None) for name in _USER},
        "first_at": _iso_ms(row.first_at_ms),
        "last_at": _iso_ms(row.last_at_ms),
    }


def _iso_ms(at_ms: int) -> str:
    return to_datetime(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _to_json(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _to_csv(columns: Sequence[str], records: Iterator[Record]) -> Iterator[str]:
    """Return the lines of a CSV file that a spreadsheet opens as UTF-8 and computes nothing of."""
    text = io.StringIO()
    writer = csv.writer(text)
    yield "\ufeff"
    for row in itertools.chain([columns], ([r[name] for name in columns] for r in records)):
        writer.writerow([_to_cell(value) for value in row])
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _to_cell(value: object) -> object:
    if isinstance(value, Mapping):
        value = json.dumps(value, ensure_ascii=False) if value else ""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value
