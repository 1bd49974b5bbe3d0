"""JSON lines: an object a line."""

from __future__ import annotations

from typing import Any

from phospho_server.files.reading.opening import DAMAGED, Opened, Place
from phospho_server.files.rows import MAX_ROW, TOO_DEEP, Problem, Row, Rows
from phospho_server.incoming import is_deep, parse_json
from phospho_server.limits import MAX_DEPTH

# How often, in lines, it is told how far the file has been read.
_LINES_TOLD = 500

_BOM = b"\xef\xbb\xbf"


def read(opened: Opened) -> Rows:
    """Yield a row for each line that is not empty; those that are no objects are named."""
    place = Place(opened)
    number = 0
    try:
        while line := opened.stream.readline(MAX_ROW):
            number += 1
            if number == 1:
                line = line.removeprefix(_BOM)
            if len(line) == MAX_ROW and not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = opened.stream.readline(MAX_ROW)
                yield Problem(number, f"The line is longer than {MAX_ROW:,} bytes.")
            elif line := line.strip():
                yield _read_line(number, line)
            if number % _LINES_TOLD == 0:
                place.tell()
    except DAMAGED as exc:
        yield Problem(number + 1, f"The file is damaged from here on: {exc}.")
    place.tell()


def is_object(line: bytes) -> bool:
    """Tell whether a line is a whole JSON object."""
    return isinstance(_read_line(1, line), Row)


def _read_line(number: int, line: bytes) -> Row | Problem:
    try:
        # Given bytes, a parser takes some lines for UTF-16.
        value: Any = parse_json(line.decode())
    except UnicodeDecodeError as exc:
        byte = line[exc.start]
        return Problem(number, f"It is not UTF-8: byte 0x{byte:02x} at {exc.start}. Save it so.")
    except (ValueError, RecursionError) as exc:
        return Problem(number, f"It is not JSON: {exc}")
    if not isinstance(value, dict):
        return Problem(number, 'It is no JSON object. Write {"input": "...", "output": "..."}.')
    # Few lines have so many brackets that it is worth to look.
    may_be_deep = line.count(b"{") + line.count(b"[") > MAX_DEPTH
    if may_be_deep and is_deep(value):
        return Problem(number, TOO_DEEP)
    return Row(number, value, line)
