"""Writing files: one module a format, each with a `Writer` of records.

A format is a class with `write(records)` and `close()`; add one to `WRITERS`, and it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import IO, Protocol

from phospho_server.files.writing import csv_table, jsonl, parquet

Record = Mapping[str, object]


class Writer(Protocol):
    """A file under way."""

    def write(self, records: Sequence[Record]) -> None:
        """Add records, in the order of the file."""
        ...

    def close(self) -> None:
        """Write what is left of it; the stream stays open."""
        ...


# Each is given where to write, and the columns in their order.
WRITERS: Mapping[str, Callable[[IO[bytes], Sequence[str]], Writer]] = {
    "csv": csv_table.CsvWriter,
    "jsonl": jsonl.JsonlWriter,
    "parquet": parquet.ParquetWriter,
}
