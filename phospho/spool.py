"""Keeps what is logged on disk until the server has it, whatever becomes of the process.

Each process appends to files of its own, in a folder that several may share. What one leaves
behind, because it was killed or the server was away when it ended, the next one adopts.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from phospho import guard
from phospho.encoding import NOT_JSON
from phospho.segment import FIRST_RECORD, Entry, NotASegmentError, Segment, write_line

if TYPE_CHECKING:
    from phospho.backlog import Item

# A week of an app with 5,000 interactions a day; what comes on top is kept in memory.
MAX_SPOOL_BYTES = 256 * 1024 * 1024

# A file this large gets a successor, so that what was sent can be removed while more is logged.
SEGMENT_BYTES = 16 * 1024 * 1024

# How often a living process looks for what others have left behind.
SCAN_INTERVAL_S = 30.0

# A process that runs each minute while the server is down leaves as many files: the host needs its
# descriptors for itself.
MAX_ADOPTED_AT_ONCE = 8

# After a failure of the disk, until it is tried again.
DISK_PAUSE_S = 10.0

_SUFFIX = ".spool"
_ATTEMPTS = 5


class _Mark(NamedTuple):
    """A record under way: where it ends, and how many numbers it stands for.

    That is one, and one for each damaged record beside it.
    """

    segment: Segment
    end: int
    numbers: int
    interactions: int
    is_feedback: bool


class Spool:
    """The files of one client in one process; guarded by the lock of its backlog.

    `settled` is how many records need no more work, `put` how many there were at all; `unread` of
    them have not been taken yet. `interactions` are on disk.

    Args:
        folder: Where the files are; made when the first record is appended.
        project_id: The project they are for: others' files are left alone.
        fsync: Whether each record is on the disk itself, not only with the system, before
            `append` returns.
    """

    def __init__(self, folder: Path, project_id: str, *, fsync: bool = False) -> None:
        self.folder = folder
        self._prefix = hashlib.sha256(project_id.encode()).hexdigest()[:16] + "-"
        self._fsync = fsync
        self._segments: deque[Segment] = deque()
        # The last of the segments, while it is appended to.
        self._active: Segment | None = None
        self._taken: deque[_Mark] = deque()
        self._others_bytes: int | None = None
        self._next_try_at = self._next_scan_at = 0.0
        self._is_busy = False
        self._adopted: deque[Segment] = deque()
        self.has_more_to_adopt = False
        self.settled = self.adopted = self._left = 0

    # What the files know is not counted twice: an exception of a signal handler may come between.

    @property
    def _bytes(self) -> int:
        return sum(segment.size for segment in list(self._segments))

    @property
    def unread(self) -> int:
        """How many records wait."""
        return sum(segment.unread for segment in list(self._segments))

    @property
    def put(self) -> int:
        """How many records there were so far."""
        return self.settled + sum(mark.numbers for mark in list(self._taken)) + self.unread

    @property
    def interactions(self) -> int:
        """How many interactions are on disk, those that were left to others included."""
        return self._left + sum(segment.interactions for segment in list(self._segments))

    def append(self, item: Item) -> bool:
        """Append an item; False where the disk does not take it.

        A signal handler that logs while this thread appends or settles is not let in between.
        """
        if self._is_busy or time.monotonic() < self._next_try_at:
            return False
        try:
            line = write_line(item.text, item.task_id)
        except NOT_JSON:
            return False
        if (self._others_bytes or 0) + self._bytes + len(line) > MAX_SPOOL_BYTES:
            guard.report_once(
                f"spool_full:{self.folder}",
                "phospho's spool in %s is full (%d MB): what is logged is kept in memory until "
                "what is there has been sent. Check that the server is up.",
                self.folder,
                MAX_SPOOL_BYTES // 2**20,
            )
            return False
        self._is_busy = True
        try:
            self._append(line, is_feedback=item.task_id is not None)
        except OSError as exc:
            self._give_up_the_disk(exc)
            return False
        finally:
            self._is_busy = False
        return True

    def _append(self, line: bytes, *, is_feedback: bool) -> None:
        segment = self._active or self._begin_segment()
        if segment.is_gone:
            self._retire_active()
            segment = self._begin_segment()
        segment.append(line, is_feedback=is_feedback, fsync=self._fsync)
        if segment.size >= SEGMENT_BYTES:
            self._retire_active()

    def _begin_segment(self) -> Segment:
        if not self.folder.is_dir():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._fsync:
                _sync_folder(self.folder.parent)
        if self._others_bytes is None:
            self._measure_others()
        segment = self._create()
        self._active = segment
        self._segments.append(segment)
        if self._fsync:
            _sync_folder(self.folder)
        return segment

    def _create(self) -> Segment:
        for _ in range(_ATTEMPTS):
            name = f"{time.time_ns() // 1_000_000:013d}-{os.urandom(4).hex()}{_SUFFIX}"
            # Another process may take it, while it is empty, for one that was left behind.
            with suppress(BlockingIOError):
                segment = Segment.create(self.folder / f"{self._prefix}{name}")
                if not segment.is_gone:
                    return segment
                segment.close()
        raise BlockingIOError(errno.EAGAIN, "others take each file that is made there")

    def _measure_others(self) -> None:
        own = {segment.path for segment in list(self._segments)}
        size = 0
        for path in self.folder.glob(f"*{_SUFFIX}"):
            # It may be gone by now: its owner deletes it when all is sent.
            with suppress(FileNotFoundError):
                size += 0 if path in own else path.stat().st_size
        self._others_bytes = size

    def _give_up_the_disk(self, exc: OSError) -> None:
        # A file that took a part of a record may not be appended to any more.
        self._retire_active()
        self._next_try_at = time.monotonic() + DISK_PAUSE_S
        guard.report_once(
            f"spool:{self.folder}",
            "phospho cannot write to its spool in %s: %s. What is logged is kept in memory, and "
            "the disk is tried again. Make room, or set spool_dir (PHOSPHO_SPOOL_DIR) to a folder "
            "that this process may write to.",
            self.folder,
            guard.words_of(exc),
        )

    def next_unread(self) -> tuple[Segment, int] | None:
        """Return the file that holds the oldest unread record, and how much of it counts."""
        # A copy: a signal handler may log, and so add one, meanwhile.
        for segment in list(self._segments):
            if segment.unread:
                return segment, segment.size
        return None

    def take(self, segment: Segment, entries: list[Entry]) -> list[Item]:
        """Note what was read; return the items, which are under way now."""
        segment.note(entries)
        if segment.is_unreadable and segment is self._active:
            self._active = None
        items: list[Item] = []
        numbers = interactions = 0
        for item, end, is_feedback in entries:
            numbers += 1
            interactions += not is_feedback
            if item is not None:
                items.append(item)
                self._taken.append(_Mark(segment, end, numbers, interactions, is_feedback))
                numbers = interactions = 0
        if len(items) < len(entries):
            guard.report_once(
                f"spool_damaged:{segment.path}",
                "phospho skipped a damaged record in %s: it was being written when its process "
                "ended, or the disk failed. Others like it are only counted: see "
                "phospho.stats().dropped.",
                segment.path,
            )
        if numbers:
            # Damaged ones at the end are settled with the record before them, else at once.
            last = self._taken.pop() if items else _Mark(segment, 0, 0, 0, is_feedback=True)
            self._taken.append(
                last._replace(
                    end=entries[-1].end,
                    numbers=last.numbers + numbers,
                    interactions=last.interactions + interactions,
                )
            )
            if not items:
                self.settle(1)
        return items

    def settle(self, count: int) -> list[tuple[int, bool]]:
        """Note that the oldest `count` items under way need no more work.

        Returns:
            Of each its number, and whether it is a feedback.
        """
        settled = []
        mark = None
        self._is_busy = True
        try:
            # There are none if they were released meanwhile.
            for _ in range(min(count, len(self._taken))):
                mark = self._taken.popleft()
                self.settled += mark.numbers
                mark.segment.interactions -= mark.interactions
                settled.append((self.settled, mark.is_feedback))
            if mark is not None:
                self._acknowledge(mark.segment, mark.end)
        finally:
            self._is_busy = False
        return settled

    def _acknowledge(self, segment: Segment, end: int) -> None:
        if end < segment.size:
            segment.acknowledge(end)
        elif segment is not self._active:
            self._remove(segment)
        else:
            try:
                segment.empty()
            except OSError:
                # What is appended to it might be lost.
                self._active = None
                self._remove(segment)

    def _remove(self, segment: Segment) -> None:
        self._segments.remove(segment)
        with suppress(ValueError):
            self._adopted.remove(segment)
        segment.remove()

    def is_scan_due(self) -> bool:
        """Whether it is time to look for what others have left behind."""
        return self.seconds_to_scan() <= 0

    def seconds_to_scan(self) -> float:
        """Return how long until then."""
        if self.has_more_to_adopt and not self._adopted:
            return 0.0
        return max(0.0, self._next_scan_at - time.monotonic())

    def find_abandoned(self) -> list[Segment]:
        """Lock and return files of processes that are gone; needs no lock of ours."""
        self._next_scan_at = time.monotonic() + SCAN_INTERVAL_S
        found: list[Segment] = []
        self.has_more_to_adopt = False
        with suppress(OSError):
            self._measure_others()
            for path in sorted(self.folder.glob(f"{self._prefix}*{_SUFFIX}")):
                if len(self._adopted) + len(found) >= MAX_ADOPTED_AT_ONCE:
                    self.has_more_to_adopt = True
                    break
                segment = self._find_abandoned(path)
                if segment is not None:
                    found.append(segment)
        return found

    def _find_abandoned(self, path: Path) -> Segment | None:
        try:
            return Segment.adopt(path)
        except NotASegmentError:
            why = "it was not written by this version of phospho"
        except OSError as exc:
            why = exc.strerror or type(exc).__name__
        guard.report_once(
            f"spool_file:{self.folder}:{why}",
            "phospho cannot send what is in %s: %s. It is left as it is, like others of the kind. "
            "Move it away, or run the version that wrote it.",
            path,
            why,
        )
        return None

    def adopt(self, segments: list[Segment]) -> None:
        """Take over files of processes that are gone; they come after what is there."""
        self._retire_active()
        self._segments.extend(segments)
        self._adopted.extend(segments)
        self.adopted += sum(segment.interactions for segment in segments)
        with suppress(OSError):
            self._measure_others()

    def close(self) -> None:
        """Leave no file without records behind."""
        self._retire_active()

    def release(self) -> None:
        """Leave everything to whoever adopts it, in this process or another one."""
        self._retire_active()
        self._left, self.settled = self.interactions, self.put
        for segment in self._segments:
            segment.close()
        for held in (self._segments, self._adopted, self._taken):
            held.clear()

    def _retire_active(self) -> None:
        """Append to a new file from now on; delete the present one if nothing is in it."""
        active, self._active = self._active, None
        if active is not None and active.size == FIRST_RECORD:
            self._remove(active)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
