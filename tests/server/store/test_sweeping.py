"""Bytes that no row owns: found in real files of SQLite, and overwritten without harm."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho_server.store.sweeping import clean_pages, cleaned, find_dirty

GONE = b"zqxgone"


@contextmanager
def opened(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDWR)
    try:
        yield file
    finally:
        os.close(file)


def make(path: Path, *, page_size: int) -> list[tuple[object, ...]]:
    """Make a database in which rows have come, changed and gone; return those that are left."""
    chance = random.Random(9)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute(f"pragma page_size = {page_size}")
        raw.execute("pragma secure_delete = off")
        raw.execute("create table t (id integer primary key, name text, body text)")
        raw.execute("create index by_name on t (name, id)")
        raw.execute("create table w (name text primary key, n integer) without rowid")
        raw.execute("begin")
        for n in range(3_000):
            who = GONE.decode() if n % 9 == 4 else "kept"
            name, size = f"{who}{chance.random()}", chance.choice([1, 20, 400, 9_000])
            raw.execute("insert into t values (?, ?, ?)", (n, name, f"{who}{n} " * (size // 9)))
            raw.execute("insert into w values (?, ?)", (name, n))
        raw.execute("commit")
        raw.execute("update t set body = body || body where id % 5 = 0")
        raw.execute(f"delete from t where name like '{GONE.decode()}%'")
        raw.execute(f"delete from w where name like '{GONE.decode()}%'")
        return raw.execute("select * from t order by id").fetchall()


@pytest.mark.parametrize("page_size", [512, 4_096, 65_536])
def test_what_was_deleted_is_in_no_byte_and_what_was_not_is_as_it_was(
    tmp_path: Path, page_size: int
) -> None:
    path = tmp_path / "x.db"
    rows = make(path, page_size=page_size)
    assert GONE in path.read_bytes()
    with opened(path) as file:
        dirty = [number for swept in find_dirty(file) for number in swept.dirty]
        assert clean_pages(file, dirty) == len(dirty) > 0
        assert [swept.dirty for swept in find_dirty(file) if swept.dirty] == []
        assert sum(swept.pages for swept in find_dirty(file)) == os.fstat(file).st_size // page_size
    assert GONE not in path.read_bytes()
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert raw.execute("select * from t order by id").fetchall() == rows
        # What is free is still of use.
        raw.execute("insert into t select id + 10000, name, body from t")
        assert raw.execute("pragma integrity_check").fetchall() == [("ok",)]


@given(page=st.binary(min_size=512, max_size=512), kind=st.sampled_from([2, 5, 10, 13]))
def test_a_page_that_makes_no_sense_is_not_made_longer(page: bytes, kind: int) -> None:
    written = cleaned(bytes([kind]) + page[1:], 2, None)
    assert written is None or len(written) == 512
