"""Projects, API keys, sign-in links."""

from __future__ import annotations

import pytest

from phospho_server import clock
from phospho_server.errors import InvalidError, NotFoundError
from phospho_server.store import Store, sign_ins
from phospho_server.store.projects import (
    create_key,
    create_project,
    find_key,
    get_project,
    list_keys,
    rename_project,
    revoke_key,
    touch_key,
)
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.databases import on_each_database, on_sqlite

pytestmark = on_each_database


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param(" \n\t ", "is empty", id="blank"),
        pytest.param("x" * 101, "at most 100", id="long"),
    ],
)
def test_a_bad_project_name_is_refused(store: Store, name: str, problem: str) -> None:
    with pytest.raises(InvalidError, match=problem):
        store.write(lambda db: create_project(db, name))


def test_a_project_is_renamed_and_keeps_its_id(store: Store, project: Project) -> None:
    store.write(lambda db: rename_project(db, project.id, "  New   name "))
    with store.read() as db:
        assert get_project(db, project.id).name == "New name"


def test_an_unknown_project_is_not_found(store: Store) -> None:
    with store.read() as db, pytest.raises(NotFoundError, match="phospho projects list"):
        get_project(db, "proj_none")


def test_a_key_is_found_by_its_secret_until_it_is_revoked(store: Store, project: Project) -> None:
    key, secret = store.write(lambda db: create_key(db, project.id, "mine"))
    with store.read() as db:
        assert find_key(db, secret) == key
        assert find_key(db, secret[:-1]) is None
    store.write(lambda db: revoke_key(db, key.id))
    with store.read() as db:
        assert find_key(db, secret) is None
        assert list_keys(db, project.id)[0].revoked_at_ms is not None


@on_sqlite
def test_a_secret_is_kept_nowhere(store: SqliteStore, project: Project) -> None:
    _, secret = store.write(lambda db: create_key(db, project.id, "mine"))
    store.close()
    assert secret.encode() not in store.path.read_bytes()


def test_a_key_of_another_project_is_not_revoked(store: Store, project: Project) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    key, _ = store.write(lambda db: create_key(db, project.id, "mine"))
    with pytest.raises(NotFoundError):
        store.write(lambda db: revoke_key(db, key.id, project_id=other.id))


def test_the_last_use_of_a_key_is_noted(store: Store, project: Project) -> None:
    key, _ = store.write(lambda db: create_key(db, project.id, "mine"))
    store.write(lambda db: touch_key(db, key.id))
    with store.read() as db:
        assert list_keys(db, project.id)[0].last_used_at_ms is not None


def test_a_link_signs_in_once(store: Store) -> None:
    token = store.write(sign_ins.create_link)
    sign_in = store.write(lambda db: sign_ins.use_link(db, token))
    assert sign_in is not None
    assert store.write(lambda db: sign_ins.use_link(db, token)) is None
    with store.read() as db:
        found = sign_ins.find_sign_in(db, sign_in)
        assert found is not None
        assert found.owns_server
        assert sign_ins.find_sign_in(db, token) is None
    store.write(lambda db: sign_ins.end_sign_in(db, found))
    with store.read() as db:
        assert sign_ins.find_sign_in(db, sign_in) is None


def test_a_link_expires(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    token = store.write(sign_ins.create_link)
    later = clock.now_ms() + sign_ins.LINK_LIFE_MS + 1
    monkeypatch.setattr(sign_ins, "now_ms", lambda: later)
    assert store.write(lambda db: sign_ins.use_link(db, token)) is None


def test_a_secret_of_the_database_is_made_once(store: Store) -> None:
    first = store.write(lambda db: sign_ins.get_secret(db, "cookies"))
    assert store.write(lambda db: sign_ins.get_secret(db, "cookies")) == first
    assert store.write(lambda db: sign_ins.get_secret(db, "other")) != first


def test_ids_made_later_sort_later() -> None:
    ids = [clock.new_id("x_") for _ in range(500)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 500
    assert {len(made) for made in ids} == {18}
