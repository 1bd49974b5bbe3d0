"""Rows with a column for each field, and rows that are conversations: any file of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phospho_server.errors import InvalidError
from phospho_server.files import cells
from phospho_server.files.fields import DERIVED, FIELDS, GUARDED, JSON_FIELDS
from phospho_server.files.forms.conversations import pair_turns
from phospho_server.files.forms.found import Event, Found
from phospho_server.files.mapping import RATINGS, ColumnMap, describe_missing, map_columns
from phospho_server.files.rows import Problem, Row, Rows
from phospho_server.files.texts import parse_text, read_said
from phospho_server.files.values import read_flag, read_thumb, read_time

_TURNS = ("turns", "messages")

# What the lists of the pages export, besides columns that any file may have.
_PAGES = frozenset({"task_id", "session_id", "created_at", "input", "output", *DERIVED})

_NEITHER = (
    'It has neither "input" nor "turns". Write {"input": "...", "output": "..."}, or '
    '{"session_id": "...", "turns": [{"role": "user", "content": "..."}]}.'
)


@dataclass(frozen=True)
class Columns:
    """Rows of which it is known which column is which field.

    Args:
        found: That.
        columns: Of the sample.
        is_table: Whether JSON stands in the rows as text.
        is_ours: Whether it is a table that `phospho export` wrote.
        is_pages: Whether the pages exported it.
    """

    found: ColumnMap
    columns: Sequence[str]
    is_table: bool = False
    is_ours: bool = False
    is_pages: bool = False
    left_out: int = 0

    @property
    def says(self) -> Sequence[str]:
        """What was guessed, and what becomes of the rest."""
        if self.is_ours or self.is_pages:
            return ["The file was exported by phospho."]
        renamed = self.found.columns.items()
        says = [f"Column “{column}” is read as {name}." for name, column in renamed]
        known = {*FIELDS, *self.found.columns.values(), *_TURNS}
        rest = [column for column in self.columns if column not in known]
        if says and rest:
            names = ", ".join(rest[:10]) + (f" and {len(rest) - 10} more" if rest[10:] else "")
            says.append(f"All others become metadata: {names}.")
        return says

    def read(self, rows: Rows) -> Iterator[Found | Problem]:
        """Yield the interactions of each row."""
        for row in rows:
            if isinstance(row, Problem):
                yield row
                continue
            try:
                yield Found(row.number, self._read_row(row))
            except InvalidError as exc:
                yield Problem(row.number, str(exc))

    def _read_row(self, row: Row) -> Sequence[Event]:
        event = self._rename(row.value)
        if self.is_table:
            self._read_cells(event)
        for name in DERIVED if self.is_pages else ():
            event.pop(name, None)
        _read_values(event)
        turns = event.get("turns", event.get("messages"))
        if turns is not None and "input" not in self.found.columns:
            return pair_turns(event, parse_text(turns), row.digest())
        if event.get("input") is None:
            column = self.found.columns.get("input", "input")
            raise InvalidError(f"Its column “{column}” is empty." if self.is_table else _NEITHER)
        if not event.get("task_id") or not event.get("session_id"):
            digest = row.digest()
            event["task_id"] = event.get("task_id") or f"import_{digest}"
            event["session_id"] = event.get("session_id") or f"session_{digest}"
        return [event]

    def _rename(self, value: Mapping[str, Any]) -> dict[str, Any]:
        event = dict(value)
        for name, column in self.found.columns.items():
            given = event.pop(column, None)
            if name == "flag" and given is not None:
                flag = (read_flag if column.lower() in RATINGS else read_thumb)(given)
                if flag is None:
                    event[column] = given
                    continue
                given = flag
            event[name] = given
        return event

    def _read_cells(self, event: dict[str, Any]) -> None:
        """Undo what a table makes of an empty text, of a formula and of JSON."""
        guarded = event.pop(GUARDED, None)
        if isinstance(guarded, str):
            cells.unguard(event, guarded)
        elif self.is_pages:
            cells.unguard_pages(event)
        for name in JSON_FIELDS:
            if event.get(name) is not None:
                event[name] = parse_text(event[name], is_json=self.is_ours)


def _read_values(event: dict[str, Any]) -> None:
    """Bring the fields into the form of the log protocol."""
    at = event.pop("created_at", None)
    if at is not None and at != "":
        at_ms = read_time(at)
        if at_ms is None:
            raise InvalidError(
                f"“{str(at)[:60]}” is no time. Write ISO 8601, as in 2026-11-27T09:30:00Z, or "
                "seconds or milliseconds since 1970; or take the column for metadata, with another "
                "one or none as created_at."
            )
        event["created_at_ms"] = at_ms
    for side in ("input", "output"):
        if isinstance(event.get(side), dict | list):
            said = read_said(event[side], side)
            event.setdefault(f"raw_{side}", said.raw)
            event[side] = said.text
    flag = event.get("flag")
    if flag is not None and flag not in ("success", "failure"):
        event["flag"] = read_thumb(flag)


def read_columns(
    sample: Sequence[Mapping[str, Any]],
    *,
    file_name: str,
    is_table: bool,
    asked: Mapping[str, str],
) -> Columns:
    """Return which column is which field, as options say and names tell.

    Raises:
        InvalidError: No column is what users said, or an option names one that is not there.
    """
    columns = list(dict.fromkeys(name for row in sample for name in row))
    found = map_columns(columns, sample, asked) if columns else ColumnMap()
    if set(_TURNS) & set(columns):
        # What was said stands in the messages, whatever else is called a prompt.
        guessed = {k: v for k, v in found.guessed.items() if k not in ("input", "output")}
        found = ColumnMap(found.asked, guessed)
    has_input = "input" in columns or "input" in found.columns
    if columns and not has_input and not set(_TURNS) & set(columns):
        raise InvalidError(describe_missing(file_name, columns, sample))
    is_ours = is_table and (GUARDED in columns or set(FIELDS) <= set(columns))
    is_pages = not is_ours and not asked and set(columns) >= _PAGES
    if is_ours or is_pages:
        found = ColumnMap(found.asked)
    return Columns(found, columns, is_table, is_ours, is_pages)
