"""CSV that a spreadsheet opens as UTF-8, and computes nothing of."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import IO

from phospho_server.files import cells
from phospho_server.files.fields import GUARDED

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class CsvWriter:
    """CSV with its columns in the first row, and one that names guarded cells behind them."""

    def __init__(self, stream: IO[bytes], columns: Sequence[str]) -> None:
        self._stream = stream
        self._columns = columns
        self._text = io.StringIO()
        self._csv = csv.writer(self._text)
        self._text.write("\ufeff")
        self._csv.writerow([*columns, GUARDED])

    def write(self, records: Sequence[Mapping[str, object]]) -> None:
        """Add a row for each record."""
        for record in records:
            values = [_as_cell(record[name]) for name in self._columns]
            self._csv.writerow(cells.guard(self._columns, values))
        self._flush()

    def close(self) -> None:
        """Write the header, where there was nothing else."""
        self._flush()

    def _flush(self) -> None:
        self._stream.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()


def _as_cell(value: object) -> object:
    return _ENCODER.encode(value) if isinstance(value, dict | list) else value
