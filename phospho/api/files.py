"""Exports, written to a file while they arrive."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from phospho.api.calls import Calls, Query


def write(calls: Calls, path: str, query: Query, to: str | os.PathLike[str] | BinaryIO) -> int:
    """Write what the API sends to a file; return its size in bytes.

    A path is written only once the file is whole: where the connection breaks, what was there
    before stays.

    Raises:
        ApiError: The server refuses, or goes away meanwhile.
        OSError: The file cannot be written.
    """
    with calls.stream(path, query) as parts:
        if not isinstance(to, (str, os.PathLike)):
            return _copy(parts, to)
        whole = Path(to)
        # A name of its own: somebody may export to the same path, or have a file called so.
        part = whole.with_name(f"{whole.name}.{secrets.token_hex(4)}.part")
        try:
            with part.open("xb") as file:
                size = _copy(parts, file)
            part.replace(whole)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return size


def _copy(parts: Iterable[bytes], file: BinaryIO) -> int:
    return sum(file.write(part) for part in parts)
