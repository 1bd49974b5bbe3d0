"""Administrative acts: each is noted, and none is done by who may no longer do it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from phospho.detectors import Detector
from phospho_server.security import EDITOR, OWNER, PUBLIC, SERVER_OWNER
from phospho_server.store import Connection
from phospho_server.store.memberships import Role, add_member, list_members
from phospho_server.store.sign_ins import find_sign_in
from tests.server.test_access import PROGRAMS, ROUTES, Route, call, client_of, each, token_of
from tests.server.worlds import PASSWORD, Opened, World, make_world, opened

# Changes that are no administrative acts: what people say of conversations, how they look at
# them, and what changes nothing.
EVERYDAY = {
    "reviews.save",
    "audit.answer",
    "feedback_pages.save",
    "saved_views.save",
    "saved_views.delete",
    "previews.show",
}
CHANGES = [route for route in ROUTES if route.changes and route.who not in PROGRAMS]
ACTS = [route for route in CHANGES if route.endpoint not in EVERYDAY]

# Makes a key only while nothing was logged.
FIRST_KEY = "first_steps.create_key"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def now(world: World, tmp_path: Path, detectors: Mapping[str, Detector]) -> Iterator[Opened]:
    with opened(world, tmp_path, detectors) as found:
        yield found


def forget_all(now: Opened, world: World, route: Route) -> None:
    """Let the project be a new one, for what is done there only."""
    if route.endpoint == FIRST_KEY:
        mine = {"id": world.a.project_id}
        now.store.write(lambda db: db.execute("delete from counters where project_id = :id", mine))


def who_may(route: Route) -> str:
    """Return who may do no more than what a route needs."""
    return "server owner" if route.who == SERVER_OWNER else "owner"


def list_noted(now: Opened) -> list[dict[str, Any]]:
    with now.store.read() as db:
        return [dict(row) for row in db.rows("select * from audit_log order by id")]


@each(CHANGES)
def test_every_act_is_noted_and_nothing_else(world: World, now: Opened, route: Route) -> None:
    forget_all(now, world, route)
    name = "signed out" if route.endpoint == "sign_up.create" else who_may(route)
    earlier = len(list_noted(now))
    answer = call(route, client_of(now, world, name), world.a)
    assert answer.status_code in {200, 302, 303}
    noted = list_noted(now)[earlier:]
    assert bool(noted) == (route.endpoint not in EVERYDAY)
    who = {"sign_up.create": "new@example.com", "sign_in.enter": "root@example.com"}
    for entry in noted:
        email = "root@example.com" if route.who == SERVER_OWNER else "a-owner@example.com"
        assert entry["who"] == who.get(route.endpoint, email)
        is_of_project = route.has_project and route.endpoint != "data.delete"
        assert not is_of_project or entry["project_id"] == world.a.project_id
        for secret in (world.a.key, world.a.invitation):
            assert secret not in str(entry)


def interrupted(now: Opened, meanwhile: Callable[[Connection], object]) -> Callable[..., Any]:
    """Return a `write` before which, each time, something else is written."""
    write = now.store.write

    def write_late(change: Callable[[Connection], object]) -> object:
        write(meanwhile)
        return write(change)

    return write_late


def dump(now: Opened) -> dict[str, list[tuple[object, ...]]]:
    """Return all that is stored, but for who may do what."""
    stored = now.dump()
    return {name: rows for name, rows in stored.items() if name not in {"memberships", "sign_ins"}}


@each([route for route in ACTS if route.who in {EDITOR, OWNER}])
def test_whoever_loses_their_role_meanwhile_changes_nothing(
    world: World, now: Opened, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two who act at the same moment are checked both before either of them has changed a thing."""
    forget_all(now, world, route)
    client, before = client_of(now, world, "owner"), dump(now)

    def lose(db: Connection) -> None:
        db.execute("update memberships set role = 'viewer' where role = 'owner'")

    monkeypatch.setattr(now.store, "write", interrupted(now, lose))
    answer = call(route, client, world.a)
    assert answer.status_code == 403
    assert dump(now) == before


@each([route for route in ACTS if route.who == SERVER_OWNER])
def test_whoever_owns_the_server_no_more_changes_nothing(
    world: World, now: Opened, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, before = client_of(now, world, "server owner"), now.dump()
    lost = interrupted(now, lambda db: db.execute("update accounts set is_owner = 0"))
    monkeypatch.setattr(now.store, "write", lost)
    answer = call(route, client, world.a)
    assert answer.status_code == 403
    after = now.dump()
    assert [name for name in before if before[name] != after[name]] == ["accounts"]


@each([route for route in ACTS if route.who not in {PUBLIC, *PROGRAMS}])
def test_whoever_is_signed_out_meanwhile_changes_nothing(
    world: World, now: Opened, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_all(now, world, route)
    client, before = client_of(now, world, who_may(route)), dump(now)
    monkeypatch.setattr(
        now.store, "write", interrupted(now, lambda db: db.execute("delete from sign_ins"))
    )
    answer = call(route, client, world.a)
    assert answer.status_code == 403
    assert "signed out meanwhile" in answer.get_data(as_text=True)
    assert dump(now) == before


def at_once(*calls: Callable[[], int]) -> list[int]:
    """Return the statuses of requests that begin at the same moment."""
    barrier, answered = threading.Barrier(len(calls)), []

    def run(call_it: Callable[[], int]) -> None:
        barrier.wait()
        answered.append(call_it())

    threads = [threading.Thread(target=run, args=[each_call]) for each_call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(answered)


def poster(now: Opened, token: str | None, path: str, **fields: str) -> Callable[[], int]:
    """Return a request that is ready to be sent."""
    client = now.client(token)
    form = {"csrf_token": token_of(client), **fields}
    return lambda: client.post(path, data=form).status_code


def test_of_many_who_use_an_invitation_at_once_one_joins(world: World, now: Opened) -> None:
    new = [
        poster(
            now, None, "/signup",
            invitation=world.a.invitation, email=f"{n}@example.com", password=PASSWORD,
        )
        for n in range(3)
    ]  # fmt: skip
    joins = [
        poster(now, world.sign_ins[name], "/join", invitation=world.a.invitation)
        for name in ("other", "server owner")
    ]
    statuses = at_once(*new, *joins)
    assert statuses.count(303) == 1
    assert set(statuses) <= {303, 403, 404}
    with now.store.read() as db:
        mine = {"id": world.a.project_id}
        members = db.rows("select * from memberships where project_id = :id", mine)
    assert len(members) == 4


def own(db: Connection, *, project_id: str, account_id: str) -> Role:
    return add_member(db, project_id, account_id, "owner")


@pytest.mark.parametrize("act", ["role", "remove"])
def test_of_two_owners_who_end_each_other_at_once_one_stays(
    world: World, now: Opened, act: str
) -> None:
    members = f"/projects/{world.a.project_id}/settings/members"
    accounts = {}
    for name in ("editor", "owner"):
        with now.store.read() as db:
            sign_in = find_sign_in(db, world.sign_ins[name])
        assert sign_in is not None
        assert sign_in.account is not None
        accounts[name] = sign_in.account.id
        now.store.write(partial(own, project_id=world.a.project_id, account_id=sign_in.account.id))
    statuses = at_once(
        poster(
            now, world.sign_ins["editor"], f"{members}/{accounts['owner']}/{act}", role="viewer"
        ),
        poster(
            now, world.sign_ins["owner"], f"{members}/{accounts['editor']}/{act}", role="viewer"
        ),
    )
    assert statuses[0] == 303
    assert statuses[1] in {403, 404, 409}
    with now.store.read() as db:
        roles = [member.role for member in list_members(db, world.a.project_id)]
    assert roles.count("owner") == 1
