"""Choosing among very many projects."""

from __future__ import annotations

import pytest

from phospho_server.store import Store
from phospho_server.store.accounts import create_account
from phospho_server.store.memberships import add_member
from phospho_server.store.project_lists import find_by_name, list_last_messages, list_recent
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from tests.server.builders import NOON_MS, add, interaction
from tests.server.databases import on_each_database

pytestmark = on_each_database


def make(store: Store, *names: str) -> list[Project]:
    return store.write(lambda db: [create_project(db, name) for name in names])


def test_projects_used_last_come_first_then_the_newest(store: Store) -> None:
    a, b, c, d = make(store, "a", "b", "c", "d")
    with store.read() as db:
        assert list_recent(db, None, [b.id, a.id], most=3) == ([b, a, d], True)
        assert list_recent(db, None, [b.id, "gone", b.id], most=4) == ([b, d, c, a], False)
        assert list_recent(db, None, [], most=2) == ([d, c], True)


def test_a_name_is_found_by_a_part_of_it_whatever_its_case(store: Store) -> None:
    first, second, _ = make(store, "ÉCOLE assistant", "Travel Assistant", "Bank")
    with store.read() as db:
        assert find_by_name(db, None, "assist") == [second, first]
        assert find_by_name(db, None, "école") == [first]
        assert find_by_name(db, None, second.id) == [second]
        assert find_by_name(db, None, "%") == []
        assert len(find_by_name(db, None, "")) == 3


def test_the_last_message_of_a_project_is_told(store: Store) -> None:
    a, b = make(store, "a", "b")
    add(store, b, interaction("t1", created_at_ms=NOON_MS), interaction("t2", created_at_ms=1))
    with store.read() as db:
        assert list_last_messages(db, [a.id, b.id]) == {b.id: NOON_MS}
        assert list_last_messages(db, [a.id]) == {}


@pytest.mark.parametrize("used", [["x"] * 8, []])
def test_without_a_project_there_is_nothing_to_choose(store: Store, used: list[str]) -> None:
    with store.read() as db:
        assert list_recent(db, None, used, most=5) == ([], False)


def test_a_member_is_offered_and_finds_their_projects_only(store: Store) -> None:
    mine, other = make(store, "Support mine", "Support other")
    # The first account owns the server.
    _, account = store.write(
        lambda db: [create_account(db, f"{name}@example.com", "hash") for name in "ab"]
    )
    store.write(lambda db: add_member(db, mine.id, account.id, "viewer"))
    with store.read() as db:
        offered, has_more = list_recent(db, account, [other.id, mine.id], most=5)
        found = find_by_name(db, account, "support")
        by_id = find_by_name(db, account, other.id)
    assert ([p.id for p in offered], has_more) == ([mine.id], False)
    assert [p.id for p in found] == [mine.id]
    assert by_id == []
