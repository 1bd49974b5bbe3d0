"""Where a file is written: beside its name first, so that no half file ever has it."""

from __future__ import annotations

import contextlib
import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

# Of gzip: most of what is to be won, in a third of the time of the highest.
_LEVEL = 6


@contextlib.contextmanager
def writing_to(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write, which gets its name when all is written, and is gone otherwise.

    Where the name ends in `.gz`, it is packed. Only its owner may read it, like the database.

    Raises:
        OSError: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as raw:
            if path.suffix.lower() == ".gz":
                # Without a time in it, two exports of the same are the same.
                with gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as packed:
                    yield cast("IO[bytes]", packed)
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
