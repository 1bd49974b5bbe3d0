"""Who may call what: every route of the application, by everybody there is.

The list is taken from the application, so a new route is tried as soon as it is there. What it
needs beside is named here: what stands in its address (`Place` of `worlds.py`), and what is sent
to it (`form_of` and `query_of` for pages, `body_of` for programs), where the common does not do.
"""

from __future__ import annotations

import html
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from phospho.detectors import Detector
from phospho.errors import ConfigurationError
from phospho_server import create_app, security
from phospho_server.security import (
    API_KEY,
    API_KEY_OR_PAGE,
    EDITOR,
    OPERATOR,
    OWNER,
    PUBLIC,
    SERVER_OWNER,
    SIGNED_IN,
    VIEWER,
    access,
    access_of,
)
from phospho_server.services import Services
from phospho_server.store.sqlite import SqliteStore
from tests.server.worlds import CANARIES, PASSWORD, Opened, Place, World, make_world, opened

CHANGING = {"POST", "PUT", "PATCH", "DELETE"}

# Everybody whose cookie gives no right to anything.
NOBODY = ("stranger", "expired", "idle", "signed out", "forged")

# Who of project A may call what is declared so; everybody else who is signed in may not.
LET_IN: Mapping[str, tuple[str, ...]] = {
    VIEWER: ("viewer", "editor", "owner", "server owner", "one-time link"),
    EDITOR: ("editor", "owner", "server owner", "one-time link"),
    OWNER: ("owner", "server owner", "one-time link"),
    SERVER_OWNER: ("server owner", "one-time link"),
    SIGNED_IN: ("viewer", "editor", "owner", "other", "server owner"),
}
MEMBERS = ("viewer", "editor", "owner")


def form_of(endpoint: str, place: Place) -> dict[str, str]:
    """Return a form that is right for a page, wherever it goes."""
    common = {
        "name": "another name",
        "description": "The user said 'something else'",
        "scope": "auto",
        "detector": "auto",
        "apply": "all",
        "role": "viewer",
        "click": f"yes {place.event_id} {place.interaction_id}",
        "source": "transcript",
        "enabled": "0",
        "event_id": "",
        "model": "some-model",
        "base_url": "https://llm.example/v1",
        "daily_tokens": "1000",
        "invitation": place.invitation,
        "page": place.page,
        "query": "user=somebody",
        "task_id": place.task_id,
        "notes": "a note",
    }
    own = {
        "audit.answer": {"source": "audit"},
        "events.switch": {"detector": "semantic"},
        "data.erase": {
            "kind": "session",
            "target": place.session_id,
            "sure": f"session:{place.session_id}",
        },
        "data.keep": {"keep": "days", "days": "3650"},
        "data.delete": {"name": place.project_name},
        "webhooks.create": {"url": "https://93.184.216.34/hook", "format": "json", "scope": "all"},
        "webhooks.choose": {"scope": "all"},
        "webhooks.send_again": {"message": place.message_id},
        "alerts.create": {"event_id": place.event_id, "at_least": "5", "window": "1440"},
        "alerts.save": {"at_least": "5", "window": "15", "factor": "3"},
        "account.change_password": {"password": PASSWORD, "new_password": "quite another one"},
        "sign_in.enter": {"email": "root@example.com", "password": PASSWORD},
        "sign_up.create": {"email": "new@example.com", "password": "a new password"},
    }
    return {**common, **own.get(endpoint, {})}


def query_of(endpoint: str, place: Place) -> dict[str, str]:
    """Return what an address needs behind its question mark."""
    return {
        "sessions.show_by_id": {"id": place.session_id},
        "users.show_by_id": {"id": place.user_id},
        "api_sessions.show_by_id": {"id": place.session_id},
        "api_users.show_by_id": {"id": place.user_id},
        "api_interactions.show_by_id": {"id": place.task_id},
        "api_search.index": {"q": "canary"},
        "api_reviews.take_back": {"task_id": place.task_id, "definition_id": place.event_id},
    }.get(endpoint, {})


_IDS = {"traceId": "1" * 32, "spanId": "2" * 16}
ONE_SPAN = {"resourceSpans": [{"scopeSpans": [{"spans": [_IDS]}]}]}
ONE_RECORD = {"resourceLogs": [{"scopeLogs": [{"logRecords": [_IDS]}]}]}


def body_of(endpoint: str, place: Place) -> dict[str, Any]:
    """Return a body that is right for what a program calls."""
    bodies: dict[str, dict[str, Any]] = {
        "log.log": {"batched_log_events": [{"input": "hello"}]},
        "feedback.give": {"human_eval": "success", "project_id": place.project_id},
        "otlp.traces": ONE_SPAN,
        "otlp.logs": ONE_RECORD,
        "otlp.traces_of_project": ONE_SPAN,
        "api_previews.show": {"description": "The user said 'hello'"},
        "api_definitions.create": {"name": "new", "description": "The user said 'hello'"},
        "api_definitions.edit": {"description": "The user said 'hello'"},
        "api_reviews.keep": {
            "task_id": place.task_id,
            "definition_id": place.event_id,
            "occurred": True,
        },
        "api_erasures.ask": {"session_id": place.session_id},
        "api_feedback.give": {"task_id": place.task_id, "flag": "success"},
        "tasks.create": {"input": "hello", "project_id": place.project_id},
        "v2_sessions.create": {"project_id": place.project_id},
        "v2_projects.update_flat": {"flattened_tasks": [{"task_id": place.task_id}]},
        "v3_export.analytics": {"metric": "nb_messages", "project_id": place.project_id},
        "v3_log.log": {"batched_log_events": [], "project_id": place.project_id},
    }
    return bodies.get(endpoint.removeprefix("v0_"), {})


@dataclass(frozen=True)
class Route:
    """A rule of the application with one of its methods."""

    rule: Rule
    method: str
    who: str

    @property
    def endpoint(self) -> str:
        return str(self.rule.endpoint)

    @property
    def changes(self) -> bool:
        return self.method in CHANGING

    @property
    def has_project(self) -> bool:
        return "project_id" in self.rule.arguments

    def address(self, place: Place) -> str:
        """Return the address with what is in a place; a name it does not have is an error."""
        values = {name: getattr(place, name) for name in self.rule.arguments}
        built = self.rule.build(values)
        assert built is not None, self.rule
        return built[1]


def list_routes() -> list[Route]:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder, "routes.db"))
        app = create_app(store, detectors={})
        store.close()
    return [
        Route(rule, method, access_of(app, rule.endpoint))
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


ROUTES = list_routes()
# `PUBLIC` and what operators read apart, a route is for people or for programs.
PROGRAMS = {API_KEY, API_KEY_OR_PAGE}
PAGES = [route for route in ROUTES if route.who not in {PUBLIC, OPERATOR, *PROGRAMS}]


def each(routes: list[Route]) -> pytest.MarkDecorator:
    names = [f"{route.method} {route.rule.rule}" for route in routes]
    return pytest.mark.parametrize("route", routes, ids=names)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def now(world: World, tmp_path: Path, detectors: Mapping[str, Detector]) -> Iterator[Opened]:
    with opened(world, tmp_path, detectors) as found:
        yield found


def client_of(now: Opened, world: World, name: str) -> FlaskClient:
    if name == "forged":
        return now.client("x" * 43)
    return now.client(world.sign_ins.get(name))


def token_of(client: FlaskClient) -> str:
    page = client.get("/login").get_data(as_text=True)
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found.group(1)


def call(
    route: Route,
    client: FlaskClient,
    place: Place,
    *,
    names: Place | None = None,
    headers: Mapping[str, str] | None = None,
) -> TestResponse:
    """Call a route of a place as a page does; the objects in its address may be of another."""
    objects = names or place
    options: dict[str, Any] = {"method": route.method, "headers": headers or {}, "buffered": True}
    if route.changes:
        token = token_of(client)
        options["data"] = {"csrf_token": token, **form_of(route.endpoint, objects)}
    else:
        options["query_string"] = query_of(route.endpoint, objects)
    return client.open(route.address(objects), **options)


def assert_silent(answer: TestResponse, *projects: str) -> None:
    """Nothing of these projects stands in an answer or its headers."""
    text = answer.get_data(as_text=True) + str(answer.headers)
    for project in projects:
        assert CANARIES[project] not in text


def is_sent_to_sign_in(answer: TestResponse) -> bool:
    is_redirect = answer.status_code in {302, 303}
    return is_redirect and answer.headers["Location"].startswith("/login")


@each(PAGES)
def test_whoever_is_not_signed_in_is_led_to_the_sign_in(
    world: World, now: Opened, route: Route
) -> None:
    before = now.dump()
    for name in NOBODY:
        answer = call(route, client_of(now, world, name), world.a)
        assert is_sent_to_sign_in(answer), name
        assert answer.status_code == (303 if route.changes else 302)
        assert_silent(answer, "a", "b")
    with_key = now.client(None)
    key = {"Authorization": f"Bearer {world.a.key}"}
    answer = call(route, with_key, world.a, headers=key)
    assert is_sent_to_sign_in(answer)
    assert now.dump() == before


@each([route for route in PAGES if route.who in LET_IN])
def test_a_role_that_is_too_small_is_refused(world: World, now: Opened, route: Route) -> None:
    refused = [name for name in (*MEMBERS, "other") if name not in LET_IN[route.who]]
    before = now.dump()
    for name in refused:
        answer = call(route, client_of(now, world, name), world.a)
        is_member = name in MEMBERS or not route.has_project
        assert answer.status_code == (403 if is_member else 404), name
        assert_silent(answer, "b" if name in MEMBERS else "a")
        if not is_member:
            assert "There is no project with this id" in answer.get_data(as_text=True)
    assert now.dump() == before


@each([route for route in PAGES if route.who in LET_IN])
def test_whoever_has_the_role_is_let_in(
    world: World, tmp_path: Path, detectors: Mapping[str, Detector], route: Route
) -> None:
    for name in LET_IN[route.who]:
        with opened(world, tmp_path, detectors) as now:
            answer = call(route, client_of(now, world, name), world.a)
            said = f"{name}: {answer.status_code} {answer.get_data(as_text=True)[-1500:]}"
            assert answer.status_code in {200, 302, 303}, said
            assert not is_sent_to_sign_in(answer) or route.endpoint == "sign_in.end"
            if name in MEMBERS:
                assert_silent(answer, "b")


@each([route for route in PAGES if route.has_project])
def test_objects_of_another_project_are_not_there(world: World, now: Opened, route: Route) -> None:
    """The address names a project of one's own, and the rest of it another's."""
    mixed = replace(world.a, project_id=world.b.project_id, project_name="what was typed")
    of_a = {
        table: [row for row in rows if world.a.project_id in row]
        for table, rows in now.dump().items()
    }
    answer = call(route, client_of(now, world, "other"), world.b, names=mixed)
    names_more = bool(route.rule.arguments - {"project_id", "version", "page"})
    assert answer.status_code < 500
    if names_more:
        assert answer.status_code == 404
    assert_silent(answer, "a")
    after = now.dump()
    for table, rows in of_a.items():
        assert [row for row in after[table] if world.a.project_id in row] == rows


# What belongs to one project; names that people choose may be the same in several.
OF_ONE_PROJECT = (
    *("event_id", "interaction_id", "task_id", "session_id", "user_id", "key_id", "account_id"),
    *("invitation_id", "view_id", "webhook_id", "message_id", "rule_id"),
)

# Ids that are sent in a form.
SENT: Mapping[str, tuple[str, ...]] = {
    "reviews.save": ("event_id", "interaction_id"),
    "audit.answer": ("event_id", "interaction_id"),
    "feedback_pages.save": ("task_id",),
    "webhooks.send_again": ("message_id",),
    "alerts.create": ("event_id",),
}


@each([route for route in PAGES if route.has_project])
def test_each_id_of_another_project_alone_is_not_there(
    world: World, now: Opened, route: Route
) -> None:
    """Everything is one's own but for one id, in the address, in what is sent, or behind `?`."""
    client = client_of(now, world, "other")
    before = of_project(now, world.a)
    for name in OF_ONE_PROJECT:
        mixed = replace(world.b, **{name: getattr(world.a, name)})
        answer = call(route, client, world.b, names=mixed)
        assert answer.status_code < 500, name
        if name in route.rule.arguments:
            assert answer.status_code == 404, name
        if name in SENT.get(route.endpoint, ()):
            assert answer.status_code in {404, 422}, name
        assert_silent(answer, "a")
    if not route.changes:
        foreign = (world.a.event_id, f"{CANARIES['a']}-event", str(world.a.interaction_id))
        for asked in (
            "copy",
            "event",
            "without",
            "at",
            "of",
            "add",
            "note",
            "id",
            "user",
            "cursor",
        ):
            for value in (*foreign, world.a.session_id, world.a.user_id, f"1.{world.a.session_id}"):
                answer = client.get(route.address(world.b), query_string={asked: value})
                assert answer.status_code < 500
                said = answer.get_data(as_text=True)
                # What was typed may be shown; nothing else of it is known here.
                assert f"{CANARIES['a']} " not in said
                assert f"{CANARIES['a']}-version" not in said
    assert of_project(now, world.a) == before


def of_project(now: Opened, place: Place) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of a project, and those that name something of it."""
    own = {place.project_id, place.event_id, place.account_id, place.webhook_id, place.rule_id}
    return {
        name: [r for r in rows if own.intersection(map(str, r))]
        for name, rows in now.dump().items()
    }


@each(ROUTES)
def test_other_methods_tell_no_more_and_change_nothing(
    world: World, now: Opened, route: Route
) -> None:
    before, address = now.dump(), route.address(world.a)
    for name in ("stranger", "other"):
        client = client_of(now, world, name)
        for method in ("HEAD", "OPTIONS", "TRACE", "PROPFIND", "CONNECT", "get", "\u00dc"):
            answer = client.open(address, method=method, headers={"Origin": "https://evil.example"})
            assert answer.status_code in {200, 302, 303, 401, 403, 404, 405}, method
            assert not any(each.startswith("Access-Control") for each, _ in answer.headers)
            assert_silent(answer, "a")
            if method == "HEAD":
                assert answer.get_data() == b""
            # Who may not call a route does not learn that it is there, either.
            if name == "stranger" and route.who not in {PUBLIC, OPERATOR, *PROGRAMS}:
                assert is_sent_to_sign_in(answer) or answer.status_code == 405, method
            answer.close()
    assert now.dump() == before


@each([route for route in ROUTES if route.who in PROGRAMS])
def test_a_program_needs_a_key_of_the_project(world: World, now: Opened, route: Route) -> None:
    def ask(key: str | None, place: Place = world.a, **sent: Any) -> TestResponse:
        headers = {} if key is None else {"Authorization": key}
        sent = sent or {"json": body_of(route.endpoint, place)}
        client = client_of(now, world, "owner")
        asked = query_of(route.endpoint, place)
        address = route.address(place)
        return client.open(
            address, method=route.method, headers=headers, query_string=asked, **sent
        )

    key, before = world.a.key, now.dump()
    near = key[:-1] + ("a" if key[-1] != "a" else "b")
    wrong = (
        *(None, "Bearer", "Bearer ", "Bearer wrong", f"Bearer {near}", f"Basic {key}"),
        *(f"Bearer {key[:9]}", f"Bearer {world.a.revoked_key}", f"Bearer {key.upper()}"),
    )
    for header in wrong:
        answer = ask(header)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert_silent(answer, "a", "b")
    assert ask(None, data=b"{{{{").status_code == 401
    assert now.dump() == before
    foreign = ask(f"Bearer {world.b.key}")
    names_project = route.has_project or "project_id" in body_of(route.endpoint, world.a)
    if route.rule.arguments or names_project:
        # An object by itself is looked for in the project of the key.
        refusal = (403, "forbidden") if names_project else (404, "not_found")
        assert (foreign.status_code, foreign.get_json()["error"]["code"]) == refusal
        assert now.dump() == before
    assert_silent(foreign, "a")
    let_in = ask(f"Bearer {key}")
    assert let_in.status_code in {200, 201, 202, 204}, let_in.get_data(as_text=True)
    assert_silent(let_in, "b")


@each([route for route in ROUTES if route.who == OPERATOR])
def test_what_operators_read_needs_the_machine_or_the_token(
    world: World, now: Opened, route: Route
) -> None:
    services: Services = now.app.extensions["phospho"]
    services.metrics.token = "a-token"
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    owner, address = client_of(now, world, "server owner"), route.address(world.a)
    for environment, more in (
        (elsewhere, {}),
        ({}, {"X-Forwarded-For": "127.0.0.1"}),
        ({}, {"Host": "evil.example"}),
    ):
        for shown in ("", "Bearer", "Bearer wrong", "Basic a-token", f"Bearer {world.a.key}"):
            headers = {**more, "Authorization": shown}
            answer = owner.get(address, headers=headers, environ_base=environment)
            assert answer.status_code == 401
            assert answer.get_json()["error"]["code"] == "unauthorized"
            assert_silent(answer, "a", "b")
        headers = {**more, "Authorization": "Bearer a-token"}
        answer = owner.get(address, headers=headers, environ_base=environment)
        assert answer.status_code == 200
    stranger = client_of(now, world, "stranger")
    assert_silent(stranger.get(address), "a", "b")
    services.metrics.token = None
    for shown in ("Bearer ", "Bearer None"):
        headers = {"Authorization": shown}
        answer = stranger.get(address, headers=headers, environ_base=elsewhere)
        assert answer.status_code == 401
    assert stranger.get(address).status_code == 200


@each([route for route in ROUTES if route.who == PUBLIC])
def test_what_is_public_tells_nothing_of_any_project(
    world: World, now: Opened, route: Route
) -> None:
    for name in NOBODY:
        place = replace(world.a, invitation="x" * 43)
        answer = call(route, client_of(now, world, name), place)
        assert answer.status_code in {200, 302, 303, 403}
        assert_silent(answer, "a", "b")


@each([route for route in ROUTES if route.changes and route.who not in PROGRAMS])
def test_a_change_needs_the_token_of_a_page_and_its_own_site(
    world: World, now: Opened, route: Route
) -> None:
    before, address = now.dump(), route.address(world.a)
    client = client_of(now, world, "server owner")
    stranger = client_of(now, world, "other")
    form = form_of(route.endpoint, world.a)
    for token in (None, "", "x", token_of(stranger)):
        data = form if token is None else {**form, "csrf_token": token}
        answer = client.open(address, method=route.method, data=data)
        assert answer.status_code == 403
        assert "Open the page again" in answer.get_data(as_text=True)
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        assert call(route, client, world.a, headers=headers).status_code == 403
    assert now.dump() == before


@each([route for route in PAGES if route.who in {VIEWER, SIGNED_IN} and not route.changes])
def test_a_page_offers_nothing_that_the_role_may_not_do(
    world: World, now: Opened, route: Route
) -> None:
    for role in MEMBERS:
        answer = call(route, client_of(now, world, role), world.a)
        for method, address in list_offers(answer.get_data(as_text=True)):
            rule, _ = now.app.url_map.bind("localhost").match(address, method=method)
            who = access_of(now.app, rule)
            assert who == PUBLIC or role in LET_IN[who], f"{role}: {method} {address}"


def list_offers(page: str) -> list[tuple[str, str]]:
    """Return the method and path of each form, and each link, of a page."""
    found = []
    for tag, rest in re.findall(r"<(form|a|button)\b([^>]*)>", page):
        fields = dict(re.findall(r'([\w-]+)="([^"]*)"', rest))
        address = fields.get({"form": "action", "a": "href"}.get(tag, "formaction"), "")
        path = urlsplit(html.unescape(address)).path
        if path.startswith("/"):
            is_form = tag == "button" or (tag == "form" and fields.get("method") == "post")
            found.append(("POST" if is_form else "GET", path))
    return found


def test_every_route_says_who_may_call_it() -> None:
    known = {PUBLIC, *PROGRAMS, OPERATOR, SIGNED_IN, SERVER_OWNER, VIEWER, EDITOR, OWNER}
    assert {route.who for route in ROUTES} == known


@each([route for route in ROUTES if route.has_project and route.who != API_KEY])
def test_what_a_route_is_for_follows_from_its_address(route: Route) -> None:
    """Viewers read, editors change events and reviews, owners change the rest of Settings."""
    _, _, rest = route.rule.rule.partition("/settings/")
    is_setting = bool(rest) and not rest.startswith("events")
    if is_setting:
        assert route.who == OWNER
    elif route.changes:
        assert route.who in {EDITOR, OWNER}
    else:
        assert route.who in {VIEWER, EDITOR}


@pytest.mark.parametrize(
    ("rule", "who", "says"),
    [
        pytest.param("/new", None, "does not declare who may call it", id="nothing"),
        pytest.param("/new", "everybody", "does not declare", id="unknown"),
        pytest.param("/new", VIEWER, "its address names none", id="role-without-project"),
        pytest.param("/new/<project_id>", SIGNED_IN, "names a project", id="any-project"),
        pytest.param("/new/<project_id>", PUBLIC, "names a project", id="public-project"),
    ],
)
def test_an_application_with_an_undeclared_route_does_not_start(
    app: Flask, rule: str, who: str | None, says: str
) -> None:
    def view(**_names: str) -> str:
        return ""

    app.add_url_rule(rule, "new", access(who)(view) if who else view)
    with pytest.raises(ConfigurationError, match=says):
        security.check_declarations(app)
