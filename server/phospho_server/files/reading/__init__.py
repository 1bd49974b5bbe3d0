"""Reading files: which format one is in, and its rows.

A format is a module with `read(opened)`, which yields rows; add one here and it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from phospho_server.errors import InvalidError
from phospho_server.files.reading import csv_table, json_values, jsonl, parquet
from phospho_server.files.reading.opening import Opened
from phospho_server.files.rows import Rows

READERS: Mapping[str, Callable[[Opened], Rows]] = {
    "csv": csv_table.read,
    "jsonl": jsonl.read,
    "json": json_values.read,
    "parquet": parquet.read,
}

_BY_ENDING = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


def find_format(opened: Opened) -> str:
    """Return the format of a file: by how it begins, then by its name.

    Raises:
        InvalidError: It is in a format that is not read.
    """
    head = opened.head
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"PK\x03\x04"):
        raise InvalidError(
            f"{opened.path.name} is a ZIP file, or a spreadsheet. Unpack it, or save it as CSV in "
            "UTF-8, and import that."
        )
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidError(
            f"{opened.path.name} is UTF-16. Save it as UTF-8, which Excel calls “CSV UTF-8”."
        )
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    known = _BY_ENDING.get(_ending(opened.path))
    if known != "csv" and text.startswith(b"["):
        return "json"
    if known is None and json_values.is_answer(text):
        return "json"
    if known == "parquet":
        raise InvalidError(f"{opened.path.name} is no Parquet file: it is damaged or empty.")
    if known:
        return known
    if not text.startswith(b"{"):
        return "csv" if text else "jsonl"
    # Both are JSON; of lines, the first is a whole object.
    return "jsonl" if jsonl.is_object(text.splitlines()[0]) else "json"


def _ending(path: Path) -> str:
    endings = [ending.lower() for ending in path.suffixes if ending.lower() != ".gz"]
    return endings[-1] if endings else ""


def measure(path: Path) -> int:
    """Return how much of a file there is to read, in the unit in which progress is told."""
    with path.open("rb") as raw:
        is_parquet = raw.read(4) == b"PAR1"
    return parquet.count_rows(path) if is_parquet else path.stat().st_size
