"""Bytes of an SQLite file that no row owns: found page by page, and overwritten with zeros.

`secure_delete` overwrites what is deleted, but a page that SQLite has put in a new order may keep
an old copy of a row between its parts, and a file from before may have more. Only what the file
format declares unused is written to: no reader looks at it, so a crash in between does no harm.
Source: sqlite.org/fileformat2.html, sections 1.3 (header), 1.5 (freelist) and 1.6 (b-tree pages).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# The first byte of a b-tree page is its kind. Any other page begins with a page number of four
# bytes, of which the first is 0 or 1 up to this number: 128 GiB of pages of 4 KiB.
_HEADER_BYTES = {2: 12, 5: 12, 10: 8, 13: 8}
MOST_PAGES = 2**25 - 1

_FILE_HEADER_BYTES = 100

# Read at once.
_CHUNK_PAGES = 256


@dataclass(frozen=True)
class Swept:
    """What a look through a file found.

    Args:
        pages: Pages that were read.
        dirty: Numbers of those in which something stands that no row owns, from 1.
    """

    pages: int
    dirty: Sequence[int]


def page_size(file: int) -> int:
    """Return the bytes of a page of a database."""
    (size,) = struct.unpack(">H", os.pread(file, 2, 16))
    return 65_536 if size == 1 else int(size)


def find_dirty(file: int) -> Iterator[Swept]:
    """Look through a database, yielding after some pages what they are.

    Args:
        file: Its descriptor. Do not close it while SQLite has the file open in this process: that
            would give up SQLite's locks.
    """
    size = page_size(file)
    free = dict(list_free(file, size))
    number = 1
    while chunk := os.pread(file, size * _CHUNK_PAGES, (number - 1) * size):
        count = len(chunk) // size
        pages = ((number + n, chunk[n * size : (n + 1) * size]) for n in range(count))
        yield Swept(count, [at for at, page in pages if cleaned(page, at, free.get(at))])
        number += count
        if not count:
            return


def clean_pages(file: int, numbers: Sequence[int]) -> int:
    """Overwrite what no row owns in some pages; return in how many there was something.

    Nobody else may write to the database meanwhile, and its log has to be empty.
    """
    size = page_size(file)
    free = dict(list_free(file, size))
    count = 0
    for number in numbers:
        at = (number - 1) * size
        page = cleaned(os.pread(file, size, at), number, free.get(number))
        if page is not None:
            os.pwrite(file, page, at)
            count += 1
    os.fsync(file)
    return count


def list_free(file: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the numbers of pages that are kept for what comes next, with the bytes used of each."""
    (trunk,) = struct.unpack(">I", os.pread(file, 4, 32))
    while trunk:
        page = os.pread(file, size, (trunk - 1) * size)
        following, count = struct.unpack_from(">II", page)
        yield trunk, 8 + 4 * count
        yield from ((leaf, 0) for leaf in struct.unpack_from(f">{count}I", page, 8))
        trunk = following


def cleaned(page: bytes, number: int, used: int | None) -> bytes | None:
    """Return a page with zeros where no row owns anything, or None where they are there already.

    Args:
        page: Its bytes.
        number: Its number, from 1.
        used: The bytes that are used of a page that is free; None for any other.
    """
    if used is not None:
        return page[:used] + bytes(len(page) - used) if any(page[used:]) else None
    header = _FILE_HEADER_BYTES if number == 1 else 0
    if len(page) <= header or page[header] not in _HEADER_BYTES:
        return None
    unused = list(_unused(page, header))
    # A page that makes no sense is left to SQLite's own checks.
    if any(not header < start <= end <= len(page) for start, end in unused):
        return None
    written = bytearray(page)
    for start, end in unused:
        written[start:end] = bytes(end - start)
    return None if written == page else bytes(written)


def _unused(page: bytes, header: int) -> Iterator[tuple[int, int]]:
    """Yield where a b-tree page has nothing: between pointers and cells, and in freed blocks."""
    block, cells, content = struct.unpack_from(">HHH", page, header + 1)
    yield header + _HEADER_BYTES[page[header]] + 2 * cells, content or 65_536
    while 0 < block <= len(page) - 4:
        next_block, length = struct.unpack_from(">HH", page, block)
        yield block + 4, block + length
        # They stand in order; a page that is broken must not be followed for ever.
        block = next_block if next_block > block else 0
