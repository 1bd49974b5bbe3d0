"""Parquet, with pyarrow: the extra `parquet`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from phospho_server.errors import InvalidError
from phospho_server.files.pyarrow_extra import load_pyarrow
from phospho_server.files.reading.opening import Opened
from phospho_server.files.rows import Problem, Row, Rows

_ROWS_AT_ONCE = 500

# Of each column; without it, a column of a row group is read at once.
_BUFFER_BYTES = 256 * 1024


def read(opened: Opened) -> Rows:
    """Yield a row for each row of the file, by its number.

    Raises:
        InvalidError: It is damaged, or packed once more.
        MissingDependencyError: pyarrow is not installed.
    """
    pa = load_pyarrow()
    if opened.is_packed:
        raise InvalidError(f"{opened.path.name} is packed. Unpack it first: gunzip FILE.gz")
    try:
        file = pa.parquet.ParquetFile(opened.path, pre_buffer=False, buffer_size=_BUFFER_BYTES)
    except (pa.lib.ArrowException, OSError) as exc:
        raise InvalidError(f"{opened.path.name} is no Parquet file: {exc}.") from exc
    with file:
        yield from _read_batches(pa, file, opened)


def count_rows(path: Path) -> int:
    """Return how many rows a Parquet file says it has; 0 where it is none."""
    pa = load_pyarrow()
    try:
        return int(pa.parquet.read_metadata(path).num_rows)
    except (pa.lib.ArrowException, OSError):
        return 0


def _read_batches(pa: Any, file: Any, opened: Opened) -> Iterator[Row | Problem]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False):
            names = batch.schema.names
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                number += 1
                yield Row(
                    number,
                    {
                        name: value if value is None or type(value) is str else _as_json(value)
                        for name, value in zip(names, values, strict=True)
                    },
                )
            opened.on_progress(batch.num_rows)
    # A damaged page is found where it is read; what pyarrow cannot convert is a ValueError.
    except (pa.lib.ArrowException, OSError, ValueError, OverflowError) as exc:
        yield Problem(number + 1, f"The file is damaged from here on: {exc}.")


def _as_json(value: Any) -> Any:
    """Return a value of a column as JSON could have given it."""
    if isinstance(value, dict):
        return {str(name): _as_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return convert(value)
    return value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: Decimal) -> float | None:
    return _finite(float(value)) if value.as_tuple().exponent else int(value)


# A datetime is a date as well, so it comes first.
_CONVERSIONS: Sequence[tuple[Any, Callable[[Any], Any]]] = (
    (datetime, lambda at: (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).isoformat()),
    (date | time, lambda at: at.isoformat()),
    (timedelta, timedelta.total_seconds),
    (Decimal, _number),
    (float, _finite),
    (bytes, lambda value: value.decode("utf-8", "replace")),
)
