"""CSV: whatever separates its cells, with the names of the columns in its first row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence

from phospho_server.errors import InvalidError
from phospho_server.files.reading.opening import DAMAGED, Opened, Place
from phospho_server.files.rows import MAX_ROW, Problem, Row, Rows

# The first that gives the most columns is taken.
_DELIMITERS = (",", ";", "\t", "|")

# How often, in rows, it is told how far the file has been read.
_ROWS_TOLD = 500

# A cell has at most this many characters. A quote that is never closed ends there too, so that the
# rest of the file is not lost.
_MAX_CELL = 8 * 1024 * 1024

# What `surrogateescape` makes of a byte that is not UTF-8.
_STRAY = re.compile("[\udc80-\udcff]")


def read(opened: Opened) -> Rows:
    """Yield a row for each record below the header, by the number of the line it begins in.

    Raises:
        InvalidError: There is no header, or it is not UTF-8.
    """
    csv.field_size_limit(_MAX_CELL)
    place = Place(opened)
    text = io.TextIOWrapper(opened.stream, "utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(
        iter(lambda: text.readline(MAX_ROW), ""), delimiter=_find_delimiter(opened.head)
    )
    try:
        columns = _read_header(reader, opened.path.name)
        yield from _read_records(reader, columns, place)
    except DAMAGED as exc:
        yield Problem(reader.line_num + 1, f"The file is damaged from here on: {exc}.")
    finally:
        # The file belongs to who opened it.
        text.detach()


def _find_delimiter(head: bytes) -> str:
    lines = head.decode("utf-8-sig", "replace").lstrip("\r\n").splitlines(keepends=True)

    def count(delimiter: str) -> int:
        try:
            return len(next(csv.reader(iter(lines), delimiter=delimiter), ()))
        except csv.Error:
            return 0

    return max(_DELIMITERS, key=count)


def _read_header(reader: Iterator[list[str]], name: str) -> list[str]:
    try:
        header = next((record for record in reader if any(map(str.strip, record))), None)
    except (csv.Error, *DAMAGED) as exc:
        raise InvalidError(f"The first row of {name} cannot be read: {exc}.") from exc
    if header is None:
        return []
    if _STRAY.search("".join(header)):
        raise InvalidError(
            f"{name} is not UTF-8: its first row has other bytes. Save it as UTF-8, which Excel "
            "calls “CSV UTF-8”."
        )
    return _name_columns(header)


def _name_columns(header: Sequence[str]) -> list[str]:
    """Return a name for each column; of two with one name the later has its number with it."""
    columns: list[str] = []
    for number, cell in enumerate(header, 1):
        name = cell.strip() or f"column {number}"
        columns.append(f"{name} {number}" if name in columns else name)
    return columns


def _read_records(
    reader: Iterator[list[str]], columns: Sequence[str], place: Place
) -> Iterator[Row | Problem]:
    number = line = reader.line_num  # type: ignore[attr-defined]
    for read in _guarded(reader):
        number, line = line + 1, reader.line_num  # type: ignore[attr-defined]
        if isinstance(read, str):
            yield Problem(number, read)
        elif read:
            yield _read_record(number, read, columns)
        if number % _ROWS_TOLD == 0:
            place.tell()
    place.tell()


def _guarded(reader: Iterator[list[str]]) -> Iterator[list[str] | str]:
    """Yield records, and in the place of one that cannot be read the reason."""
    while (record := _read_next(reader)) is not None:
        yield record


def _read_next(reader: Iterator[list[str]]) -> list[str] | str | None:
    try:
        return next(reader, None)
    except csv.Error as exc:
        return (
            f"It cannot be read: {exc}. A quote that opens here may never close; within quotes, "
            "write a quote twice."
        )


def _read_record(number: int, cells: list[str], columns: Sequence[str]) -> Row | Problem:
    if len(cells) > len(columns) and any(cells[len(columns) :]):
        return Problem(
            number,
            f"It has {len(cells)} cells, and the first row {len(columns)}. Put a text that has "
            "the separator in it between quotes.",
        )
    text = "".join(cells)
    if not text.isascii() and _STRAY.search(text):
        return Problem(
            number,
            "It is not UTF-8. Save the file as UTF-8, which Excel calls “CSV UTF-8”.",
        )
    cells += [""] * (len(columns) - len(cells))
    return Row(number, {name: cell or None for name, cell in zip(columns, cells, strict=False)})
