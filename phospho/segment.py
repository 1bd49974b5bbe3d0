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
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from phospho.backlog import Item
from phospho.encoding import encode

_MAGIC = b"phospho spool 1 "
_FIRST_LINE = _MAGIC + b"%020d\n"
FIRST_RECORD = len(_FIRST_LINE % 0)

_CRC_CHARS = 9  # with the blank behind it

_STDERR = 2

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

    `size` is how many bytes of it count, `read_to` how far it was read, `unread` how many records
    lie behind that, and `interactions` how many interactions in it are not settled.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd
        self._identity = _identify(fd)
        self.size = self.read_to = FIRST_RECORD
        self.unread = self.interactions = 0
        self.is_unreadable = False
        _open.add(self)

    @classmethod
    def create(cls, path: Path) -> Segment:
        """Make a new file and lock it; raises OSError where that is not possible."""
        segment = cls(path, _open_file(path, os.O_CREAT | os.O_EXCL))
        try:
            fcntl.flock(segment._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            segment._write_place(FIRST_RECORD)
        except BaseException:
            segment.remove()
            raise
        return segment

    @classmethod
    def adopt(cls, path: Path) -> Segment | None:
        """Lock a file whose owner is gone; None where it has one, or where nothing is left in it.

        Raises:
            NotASegmentError: When it is something else; it is left alone.
            OSError: When it cannot be read.
        """
        try:
            fd = _open_file(path, os.O_NOFOLLOW)
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
        for line in self._read_lines(self.size):
            self.unread += 1
            self.interactions += not _is_feedback(line)
        return True

    def _read_lines(self, size: int) -> Iterator[bytes]:
        """Yield the lines that were not read yet, of the first `size` bytes."""
        self._check()
        at, rest = self.read_to, b""
        while at < size and (chunk := os.pread(self._fd, min(_READ_BYTES, size - at), at)):
            at += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line + b"\n"
        if rest:
            yield rest

    @property
    def is_gone(self) -> bool:
        """Whether what is appended would not be found again: somebody has removed the file."""
        return self._check().st_nlink == 0

    def _check(self) -> os.stat_result:
        """Raise OSError where a host that closed all descriptors has a file of its own here."""
        found = os.fstat(self._fd)
        if (found.st_dev, found.st_ino) != self._identity:
            raise OSError(errno.EBADF, "the app has closed the file, and opened another one")
        return found

    def append(self, line: bytes, *, is_feedback: bool, fsync: bool) -> None:
        """Append a record; raises OSError, and keeps nothing of it, where it does not fit.

        Where an exception comes in between, as from a signal handler, the next one overwrites it.
        """
        size = self.size + len(line)
        try:
            _write_all(self._fd, line, self.size)
            if fsync:
                os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        # No call stands between these: a signal handler may raise after each.
        self.size = size
        self.unread += 1
        self.interactions += not is_feedback

    def read(self, size: int, max_items: int, max_bytes: int) -> list[Entry]:
        """Return the next records up to the limits, of the first `size` bytes; at least one.

        A feedback comes alone. What was read is passed on to `note`. Where the disk cannot be read
        the records count as damaged, and the file is never deleted.
        """
        entries: list[Entry] = []
        try:
            for line in self._read_lines(size):
                start = entries[-1].end if entries else self.read_to
                entry = Entry(read_line(line), start + len(line), _is_feedback(line))
                if entries and (entry.end - self.read_to > max_bytes or entry.is_feedback):
                    break
                entries.append(entry)
                if entry.is_feedback or len(entries) == max_items:
                    break
        except OSError:
            entries = []
        if not entries:
            self.is_unreadable = True
            return [Entry(None, size, is_feedback=False)] * max(1, self.unread)
        return entries

    def note(self, entries: list[Entry]) -> None:
        """Note what was read."""
        self.read_to = entries[-1].end
        self.unread -= len(entries)

    def acknowledge(self, end: int) -> None:
        """Note that all records before this place are settled, also for who adopts the file."""
        # If that fails they are sent once more, and the server ignores what it has.
        with suppress(OSError):
            self._write_place(end)

    def _write_place(self, place: int) -> None:
        self._check()
        _write_all(self._fd, _FIRST_LINE % place, 0)

    def empty(self) -> None:
        """Remove all records, which are settled; raises OSError where that is not possible."""
        self._check()
        # In this order: a place behind the end means that there is nothing left.
        os.ftruncate(self._fd, FIRST_RECORD)
        self._write_place(FIRST_RECORD)
        self.size = self.read_to = FIRST_RECORD

    def remove(self) -> None:
        """Delete the file, if it could be read."""
        if not self.is_unreadable:
            with suppress(OSError):
                self.path.unlink()
        self.close()

    def close(self) -> None:
        """Leave the file to whoever locks it next."""
        with suppress(OSError):
            self._check()
            os.close(self._fd)
        self._fd = -1

    def __del__(self) -> None:
        self.close()


def _open_file(path: Path, flags: int) -> int:
    fd = os.open(path, os.O_RDWR | flags, 0o600)
    if fd > _STDERR:
        return fd
    # A host without standard streams must not print into it.
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _STDERR + 1)
    finally:
        os.close(fd)


def _identify(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


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


def _write_all(fd: int, data: bytes, place: int) -> None:
    if os.pwrite(fd, data, place) != len(data):
        raise OSError(errno.ENOSPC, "only a part could be written")


def _close_inherited() -> None:
    for segment in list(_open):
        segment.close()


os.register_at_fork(after_in_child=_close_inherited)
