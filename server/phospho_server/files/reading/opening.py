"""A file that is open: its bytes, unpacked where it is packed, and how far it has been read."""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from phospho_server.errors import InvalidError

# Enough to tell what a file is; a first line may be long.
_HEAD_BYTES = 1024 * 1024

# Read at once: a call of the system for a few lines costs more than they do.
_BUFFER_BYTES = 256 * 1024

# What reading a damaged gzip file raises.
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Opened:
    """A file that is open for reading.

    Args:
        path: Where it is.
        raw: It as it stands on the disk.
        stream: It unpacked.
        head: How it begins, unpacked; reading starts there again.
        on_progress: Is told how much was read since it was last told, in bytes on the disk, or in
            rows of a Parquet file.
    """

    path: Path
    raw: IO[bytes]
    stream: IO[bytes]
    head: bytes
    on_progress: Callable[[int], None]

    @property
    def is_packed(self) -> bool:
        """Whether it is a gzip file."""
        return self.stream is not self.raw


@contextlib.contextmanager
def open_file(path: Path, on_progress: Callable[[int], None]) -> Iterator[Opened]:
    """Open a file, packed or not.

    Raises:
        OSError: It cannot be read.
        InvalidError: Already its beginning is damaged.
    """
    with io.BufferedReader(io.FileIO(path), _BUFFER_BYTES) as raw:
        stream: IO[bytes] = raw
        if raw.peek(2)[:2] == _GZIP:
            stream = _unpack(raw)
        try:
            head = stream.read(_HEAD_BYTES)
        except DAMAGED as exc:
            # What stands before the damage is still read.
            head = _read_to_damage(path)
            if not head:
                raise InvalidError(f"{path.name} is damaged from its beginning on: {exc}.") from exc
        raw.seek(0)
        if stream is not raw:
            stream = _unpack(raw)
        yield Opened(path, raw, stream, head, on_progress)


def _unpack(raw: IO[bytes]) -> IO[bytes]:
    return io.BufferedReader(gzip.GzipFile(fileobj=raw), _BUFFER_BYTES)


def _read_to_damage(path: Path) -> bytes:
    """Return what a damaged gzip file gives before its damage."""
    head = bytearray()
    with gzip.open(path) as stream, contextlib.suppress(*DAMAGED):
        while len(head) < _HEAD_BYTES:
            piece = stream.read1(4096)
            if not piece:
                break
            head += piece
    return bytes(head)


class Place:
    """How far a file has been read, told as it goes on."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._told = 0

    def tell(self) -> None:
        """Tell what was read since this was last called."""
        at = self._opened.raw.tell()
        self._opened.on_progress(at - self._told)
        self._told = at
