"""One file of the spool: records in the order they were logged, owned by whoever holds its lock.

The file is text in ASCII, and anyone may read it::

    phospho spool 1 00000000000000000037
    9ae0daaf {"task_id":"...","input":"...", ...}
    5a09bd73 ["task_id",{"human_eval":"success", ...}]

The number in the first line is the place of the first record that the server has not acknowledged.
Each further line is a CRC-32 of what follows it, and an interaction's record or a feedback.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from phospho.backlog import Item
from phospho.encoding import encode

_MAGIC = b"phospho spool 1 "
_FIRST_LINE = _MAGIC + b"%020d\n"
FIRST_RECORD = len(_FIRST_LINE % 0)

_CRC_CHARS = 9  # with the blank behind it

# In bytes of a file that is read at once.
_READ_BYTES = 256 * 1024

# A child must not keep its parent's files locked when the parent is gone.
_open: weakref.WeakSet[Segment] = weakref.WeakSet()


class Entry(NamedTuple):
    """A record that was read.

    Args:
        item: What to deliver; None where the record is damaged.
        end: Where in the file the next record starts.
        is_feedback: Whether it is a feedback, not an interaction.
    """

    item: Item | None
    end: int
    is_feedback: bool


class NotASegmentError(ValueError):
    """A file that another version, or something else, has written."""


class Segment:
    """An open, locked file; made by `create` or `adopt`.

    Args:
        path: Where it is.
        fd: The file, open for reading and writing, locked.
        append_fd: The same for appending; -1 for one that nothing is appended to.

    `size` is how many bytes of it count, `read_to` how far it was read, `unread` how many records
    lie behind that, and `interactions` how many of its interactions are not settled.
    """

    def __init__(self, path: Path, fd: int, append_fd: int = -1) -> None:
        self.path = path
        self._fd = fd
        self._append_fd = append_fd
        self.size = self.read_to = FIRST_RECORD
        self.unread = self.interactions = 0
        self.is_unreadable = False
        _open.add(self)

    @classmethod
    def create(cls, path: Path) -> Segment:
        """Make a new file and lock it; raises OSError where that is not possible."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_all(fd, _FIRST_LINE % FIRST_RECORD)
            return cls(path, fd, os.open(path, os.O_WRONLY | os.O_APPEND))
        except BaseException:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise

    @classmethod
    def adopt(cls, path: Path) -> Segment | None:
        """Lock a file whose owner is gone; None where it has one, or where nothing is left in it.

        Raises:
            NotASegmentError: When it is something else; it is left alone.
            OSError: When it cannot be read.
        """
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        segment = cls(path, fd)
        try:
            if segment._lock() and segment._read_first_line():
                return segment
        except BaseException:
            segment.close()
            raise
        segment.close()
        return None

    def _lock(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        # Whoever held the lock before may have removed it meanwhile.
        return os.fstat(self._fd).st_nlink > 0

    def _read_first_line(self) -> bool:
        """Find what is left to deliver; remove a file that has nothing."""
        line = os.pread(self._fd, FIRST_RECORD, 0)
        self.size = os.fstat(self._fd).st_size
        place = line[len(_MAGIC) : -1]
        if len(line) == FIRST_RECORD and not (line.startswith(_MAGIC) and place.isdigit()):
            raise NotASegmentError(self.path)
        # Shorter is one whose process ended while it was made.
        self.read_to = int(place) if len(line) == FIRST_RECORD else self.size
        if not FIRST_RECORD <= self.read_to < self.size:
            self.remove()
            return False
        with self._lines() as lines:
            for line in lines:
                self.unread += 1
                self.interactions += not _is_feedback(line)
        return True

    @contextmanager
    def _lines(self) -> Iterator[BinaryIO]:
        """Yield the lines that were not read yet."""
        with os.fdopen(os.dup(self._fd), "rb", _READ_BYTES) as lines:
            lines.seek(self.read_to)
            yield lines

    def append(self, line: bytes, *, is_feedback: bool, fsync: bool) -> None:
        """Append a record; raises OSError, and keeps nothing of it, where it does not fit."""
        try:
            _write_all(self._append_fd, line)
            if fsync:
                os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(line)
        self.unread += 1
        self.interactions += not is_feedback

    def read(self, size: int, max_items: int, max_bytes: int) -> list[Entry]:
        """Return the next records up to the limits, of the first `size` bytes; at least one.

        A feedback comes alone. What was read is passed on to `note`. Where the disk cannot be read
        the records count as damaged, and the file is never deleted.
        """
        try:
            return self._read(size, max_items, max_bytes)
        except OSError:
            self.is_unreadable = True
            return [Entry(None, size, is_feedback=False)] * max(1, self.unread)

    def _read(self, size: int, max_items: int, max_bytes: int) -> list[Entry]:
        entries: list[Entry] = []
        end = self.read_to
        with self._lines() as lines:
            while end < size and len(entries) < max_items:
                line = lines.readline()
                entry = Entry(read_line(line), end + len(line), _is_feedback(line))
                if entries and (entry.end - self.read_to > max_bytes or entry.is_feedback):
                    break
                entries.append(entry)
                end = entry.end
                if entry.is_feedback or not line:
                    break
        return entries

    def note(self, entries: list[Entry]) -> None:
        """Note what was read."""
        self.read_to = entries[-1].end
        self.unread -= len(entries)

    def acknowledge(self, end: int) -> None:
        """Note that all records before this place are settled, also for who adopts the file."""
        with suppress(OSError):
            os.pwrite(self._fd, _FIRST_LINE % end, 0)

    def empty(self) -> None:
        """Remove all records, which are settled."""
        # In this order: a place behind the end means that there is nothing left.
        os.ftruncate(self._fd, FIRST_RECORD)
        self.size = self.read_to = FIRST_RECORD
        self.acknowledge(FIRST_RECORD)

    def remove(self) -> None:
        """Delete the file, if it could be read."""
        if not self.is_unreadable:
            with suppress(OSError):
                self.path.unlink()
        self.close()

    def close(self) -> None:
        """Leave the file to whoever locks it next."""
        fds = (self._append_fd, self._fd)
        self._append_fd = self._fd = -1
        for fd in fds:
            if fd >= 0:
                with suppress(OSError):
                    os.close(fd)

    def __del__(self) -> None:
        self.close()


def write_line(payload: str, about: str | None) -> bytes:
    """Return a record as it stands in the file."""
    if about is not None:
        payload = f"[{encode(about)},{payload}]"
    data = payload.encode("ascii")
    return b"%08x %b\n" % (zlib.crc32(data), data)


def read_line(line: bytes) -> Item | None:
    """Return what a line holds; None for one that is torn or damaged."""
    data = line[_CRC_CHARS:].rstrip(b"\n")
    if line[:_CRC_CHARS] != b"%08x " % zlib.crc32(data):
        return None
    # What has its checksum is what was written.
    text = data.decode("ascii")
    if not _is_feedback(line):
        return Item(len(data), text)
    about, body = json.loads(text)
    return Item(len(data), encode(body), about)


def _is_feedback(line: bytes) -> bool:
    return line[_CRC_CHARS : _CRC_CHARS + 1] == b"["


def _write_all(fd: int, data: bytes) -> None:
    # In one piece: a process that is killed meanwhile has written it, or not.
    if os.write(fd, data) != len(data):
        raise OSError(errno.ENOSPC, "only a part could be written")


def _close_inherited() -> None:
    for segment in list(_open):
        segment.close()


os.register_at_fork(after_in_child=_close_inherited)
