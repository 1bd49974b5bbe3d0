"""JSON lines: a record a line, without what it does not have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import IO

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class JsonlWriter:
    """JSON lines in UTF-8."""

    def __init__(self, stream: IO[bytes], columns: Sequence[str]) -> None:
        self._stream = stream
        self._columns = columns

    def write(self, records: Sequence[Mapping[str, object]]) -> None:
        """Add a line for each record."""
        self._stream.write("".join(map(self._line, records)).encode())

    def close(self) -> None:
        """Nothing is left to write."""

    def _line(self, record: Mapping[str, object]) -> str:
        told = {name: record[name] for name in self._columns if record[name] is not None}
        return _ENCODER.encode(told) + "\n"
