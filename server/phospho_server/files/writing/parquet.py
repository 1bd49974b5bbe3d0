"""Parquet, with pyarrow: the extra `parquet`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import IO, Any

from phospho_server.files.pyarrow_extra import load_pyarrow

# Of a row group, which is held in memory while it grows.
_GROUP_ROWS = 4_000
_GROUP_CHARS = 16_000_000

# Who reads the file has a page of each column in memory.
_PAGE_BYTES = 128 * 1024

# Columns whose values come again and again, which makes a dictionary of them small.
_REPEATED = frozenset({"session_id", "user_id", "version_id", "flag"})

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

# Columns that are times, and those that are numbers; all others are text.
_TIMES = frozenset({"created_at", "first_at", "last_at"})
_NUMBERS = frozenset({"interactions", "sessions", "tokens", "successes", "failures"})


class ParquetWriter:
    """Parquet in row groups of thousands; what is an object or a list is JSON in it."""

    def __init__(self, stream: IO[bytes], columns: Sequence[str]) -> None:
        self._pa = load_pyarrow()
        self._schema = self._pa.schema([(name, self._type_of(name)) for name in columns])
        self._file = self._pa.parquet.ParquetWriter(
            stream,
            self._schema,
            compression="zstd",
            use_dictionary=[name for name in columns if name in _REPEATED],
            data_page_size=_PAGE_BYTES,
        )
        self._columns: dict[str, list[object]] = {name: [] for name in columns}
        self._rows = self._chars = 0

    def write(self, records: Sequence[Mapping[str, object]]) -> None:
        """Add records; a row group is written when it is large enough."""
        for record in records:
            for name, values in self._columns.items():
                value = _as_value(name, record[name])
                values.append(value)
                if isinstance(value, str):
                    self._chars += len(value)
            self._rows += 1
            if self._rows == _GROUP_ROWS or self._chars >= _GROUP_CHARS:
                self._write_group()

    def close(self) -> None:
        """Write the last row group, and what the file says of all of them."""
        if self._rows:
            self._write_group()
        self._file.close()

    def _write_group(self) -> None:
        arrays = [
            self._pa.array(values, type=self._schema.field(name).type)
            for name, values in self._columns.items()
        ]
        self._file.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))
        for values in self._columns.values():
            values.clear()
        self._rows = self._chars = 0

    def _type_of(self, name: str) -> Any:
        if name in _TIMES:
            return self._pa.timestamp("ms", tz="UTC")
        return self._pa.int64() if name in _NUMBERS else self._pa.string()


def _as_value(name: str, value: object) -> object:
    if name in _TIMES and isinstance(value, str):
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    return _ENCODER.encode(value) if isinstance(value, dict | list) else value
