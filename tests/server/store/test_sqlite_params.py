"""Statements name their parameters; SQLite gets them by place, and lists have few lengths."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho_server.store import in_ids, in_list
from phospho_server.store.sqlite_params import place


@pytest.mark.parametrize(
    ("sql", "params", "found"),
    [
        pytest.param("select :a, :b, :a", {"b": 2, "a": 1}, (1, 2, 1), id="named-twice"),
        pytest.param("select :a", {"a": "x"}, ("x",), id="one"),
        pytest.param('select \'at :a\', ":b" from (select 7 as ":b")', {}, ("at :a", 7), id="none"),
        pytest.param("select :a_1 || ':a' || :a", {"a": "x", "a_1": "y"}, ("y:ax",), id="alike"),
    ],
)
def test_each_parameter_finds_its_place(
    sql: str, params: dict[str, object], found: tuple[object, ...]
) -> None:
    placed = place(sql)
    with sqlite3.connect(":memory:") as db:
        assert db.execute(placed.sql, placed.values({**params, "more": 0})).fetchone() == found
    db.close()


@given(st.lists(st.integers(0, 99) | st.text("ab", max_size=2), max_size=70), st.integers(0, 99))
def test_a_list_holds_what_it_was_given(values: Sequence[object], other: int) -> None:
    text, params = in_list("v", values)
    placed = place(f"select :x {text}")
    db = sqlite3.connect(":memory:")
    for each in (*values, other):
        (is_in,) = db.execute(placed.sql, placed.values({"x": each, **params})).fetchone()
        assert bool(is_in) == (each in values)
    db.close()


@given(st.sets(st.integers(0, 9)).map(sorted) | st.permutations(range(5)), st.integers(0, 10))
def test_ids_are_what_they_were_with_a_gap_and_without(ids: Sequence[int], other: int) -> None:
    text, params = in_ids("i", ids)
    placed = place(f"select :x {text}")
    db = sqlite3.connect(":memory:")
    (is_in,) = db.execute(placed.sql, placed.values({"x": other, **params})).fetchone()
    assert bool(is_in) == (other in ids)
    db.close()


def test_lists_of_many_lengths_make_few_statements() -> None:
    assert len({in_list("v", range(n))[0] for n in range(1_000)}) == 12
