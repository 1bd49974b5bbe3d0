"""Every page and every answer is on PostgreSQL what it is on SQLite, and every act is done."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from phospho.detectors import Detector
from phospho_server import create_app
from phospho_server.store import Store
from phospho_server.store.postgresql import moving
from phospho_server.store.postgresql.store import PostgresStore, connect
from phospho_server.store.projects import create_key, create_project
from phospho_server.store.rows import Project
from phospho_server.store.sign_ins import create_sign_in
from phospho_server.store.sqlite import SqliteStore
from tests.browser.conversations import fill
from tests.server.postgresql import Databases
from tests.server.test_access import LET_IN, ROUTES, Route, body_of, call
from tests.server.views.test_query_plans import ANSWERS
from tests.server.views.test_query_plans import PAGES as LISTS
from tests.server.worlds import World, make_world

_EVENT_PAGES = ("events/{id}", "events/{id}?period=all", "settings/events/{id}",
                "settings/events/{id}/versions", "events/{id}/review")  # fmt: skip
PAGES = (
    *(f"dashboard?period={period}" for period in ("all", "30d", "7d", "24h")),
    *("dashboard?since=2026-11-01&until=2026-11-21&step=day", "events", "events?period=all"),
    *("settings", "settings/audit-log", "settings/members", "session?id=endless"),
    *("sessions?event=flight_booking&period=all", "sessions?without=thanks&language=es"),
    *("interactions?event=thanks&language=en", "interactions?sentiment=negative&q=hotel"),
    *("search?q=As+an+AI", "search?q=flight+thanks", "users?event=thanks&period=all"),
    *LISTS,
)

# What differs by itself from one answer to the next.
_CHANGES = re.compile(
    r'name="csrf_token" value="[^"]+"|name="csrf-token" content="[^"]+"|nonce-[\w-]+'
    r"|last used [^<]*|\d+ (?:second|minute)s? ago|datetime=\"[^\"]+\""
)


def copy_to(file: Path, url: str) -> None:
    PostgresStore(url).close()
    with moving.held(file) as source, connect(url) as target:
        moving.claim(target)
        tables = moving.list_tables(source)
        moving.copy_all(source, target, tables, lambda _: None)
        moving.compare(source, target, tables)
        moving.finish(target)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Project, str, str]:
    """A file with sixty conversations; a key, and the token of a sign-in."""
    file = tmp_path_factory.mktemp("filled") / "phospho.db"
    store = SqliteStore(file)
    project = store.write(lambda db: create_project(db, "Bot"))
    fill(store, project)
    _, key = store.write(lambda db: create_key(db, project.id, "key"))
    token = store.write(lambda db: create_sign_in(db, None))
    store.close()
    return file, project, key, token


@pytest.fixture(scope="module")
def both(
    filled: tuple[Path, Project, str, str], postgresql: Databases
) -> Iterator[tuple[Store, Store]]:
    file, *_ = filled
    url = postgresql.make()
    copy_to(file, url)
    stores = SqliteStore(file), PostgresStore(url)
    yield stores
    for store in stores:
        store.close()
    postgresql.drop(url)


def signed_in(store: Store, detectors: Mapping[str, Detector], token: str) -> FlaskClient:
    client = create_app(store, detectors=detectors).test_client()
    with client.session_transaction() as session:
        session["_user_id"] = token
    return client


def shown(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, _CHANGES.sub("", answer.get_data(as_text=True))


def test_every_page_and_answer_is_the_same(
    both: tuple[Store, Store],
    filled: tuple[Path, Project, str, str],
    detectors: Mapping[str, Detector],
) -> None:
    _, project, key, token = filled
    clients = [signed_in(store, detectors, token) for store in both]
    with both[0].read() as db:
        events = [row["id"] for row in db.rows("select id from event_definitions order by color")]
    home = f"/projects/{project.id}"
    pages = [f"{home}/{page}" for page in PAGES]
    pages += [f"{home}/{page.format(id=event)}" for page in _EVENT_PAGES for event in events]
    pages += [f"/api{home}/{answer}" for answer in ANSWERS]
    pages += ["/projects", "/audit-log", "/account"]
    headers = {"Authorization": f"Bearer {key}"}
    for page in pages:
        ours, theirs = (
            shown(client.get(page, headers=headers if page.startswith("/api") else {}))
            for client in clients
        )
        assert ours == theirs, page
        assert ours[0] < 500, page


def test_every_route_does_what_it_is_for(
    tmp_path_factory: pytest.TempPathFactory,
    postgresql: Databases,
    detectors: Mapping[str, Detector],
) -> None:
    world = make_world(tmp_path_factory.mktemp("world"))
    template = postgresql.make_empty()
    copy_to(world.file, template)
    looked_at = PostgresStore(postgresql.copy(template))
    pages = _app_of(looked_at, detectors)
    for route in ROUTES:
        if not route.changes:
            _check_answer(route, pages, world)
            continue
        changed = PostgresStore(postgresql.copy(template))
        _check_answer(route, _app_of(changed, detectors), world)
        changed.close()
        postgresql.drop(changed.url)
    looked_at.close()
    postgresql.drop(looked_at.url)
    postgresql.drop(template)


def _app_of(store: Store, detectors: Mapping[str, Detector]) -> Flask:
    app = create_app(store, detectors=detectors)
    app.testing = False
    return app


def _check_answer(route: Route, app: Flask, world: World) -> None:
    """Call a route as who may call it: a person with a sign-in, or a program with a key."""
    client = app.test_client()
    if route.who in LET_IN:
        with client.session_transaction() as session:
            session["_user_id"] = world.sign_ins[LET_IN[route.who][0]]
        answer = call(route, client, world.a)
    else:
        answer = client.open(
            route.address(world.a),
            method=route.method,
            headers={"Authorization": f"Bearer {world.a.key}"},
            json=body_of(route.endpoint, world.a) if route.changes else None,
            buffered=True,
        )
    assert answer.status_code < 500, f"{route}: {answer.get_data(as_text=True)[-500:]}"
