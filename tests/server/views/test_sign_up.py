"""Making an account: the first one, and those that were invited."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from phospho_server import create_app
from phospho_server.store.accounts import find_account, list_accounts
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.views.conftest import Visitor, text_of
from tests.server.views.people import ANA, actions, enter, invite, make, token_of
from tests.server.worlds import PASSWORD


def test_the_first_account_is_made_at_the_machine_and_owns_the_server(
    stranger: Visitor, store: SqliteStore
) -> None:
    page = stranger.get("/login")
    assert "Create the first account" in text_of(page)
    made = stranger.post("/signup", email="Ana@Example.com", password=PASSWORD)
    assert (made.status_code, made.headers["Location"]) == (303, "/")
    with store.read() as db:
        (account,) = list_accounts(db)
    assert (account.email, account.is_owner) == (ANA, True)
    assert "Create your first project" in text_of(stranger.get("/"))
    assert actions(store) == ["ana@example.com | account created | owns the server"]


@pytest.mark.parametrize(
    ("base_url", "address", "more"),
    [
        pytest.param("http://phospho.example", "127.0.0.1", {}, id="another-name"),
        pytest.param("http://localhost.evil.example", "127.0.0.1", {}, id="looks-local"),
        pytest.param("http://192.0.2.1:8000", "127.0.0.1", {}, id="another-address"),
        pytest.param("http://localhost", "192.0.2.9", {}, id="from-elsewhere"),
        pytest.param("http://localhost", "", {}, id="from-nowhere"),
        pytest.param("http://localhost", "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, id="xff"),
        pytest.param("http://localhost", "127.0.0.1", {"X-Real-IP": "192.0.2.1"}, id="real-ip"),
        pytest.param("http://localhost", "127.0.0.1", {"Via": "1.1 proxy"}, id="via"),
        pytest.param("http://localhost", "127.0.0.1", {"Forwarded": "for=x"}, id="forwarded"),
    ],
)
def test_nobody_else_makes_the_first_account(
    stranger: Visitor, store: SqliteStore, base_url: str, address: str, more: dict[str, str]
) -> None:
    token = stranger.token() or token_of(stranger.get("/login"))
    options: dict[str, Any] = {
        "base_url": base_url,
        "environ_base": {"REMOTE_ADDR": address},
        "headers": more,
    }
    assert "Create the first account" not in text_of(stranger.get("/login", **options))
    page = stranger.get("/signup", **options)
    assert page.status_code == 403
    assert "phospho link" in text_of(page)
    fields = {"csrf_token": token, "email": ANA, "password": PASSWORD}
    assert stranger.client.post("/signup", data=fields, **options).status_code == 403
    with store.read() as db:
        assert list_accounts(db) == []


@pytest.mark.parametrize(
    "base_url", ["http://localhost:8000", "http://127.0.0.1", "http://[::1]:8"]
)
def test_the_machine_itself_goes_by_these_names(stranger: Visitor, base_url: str) -> None:
    assert stranger.get("/signup", base_url=base_url).status_code == 200


def test_behind_a_proxy_nobody_is_at_the_machine(store: SqliteStore) -> None:
    visitor = Visitor(create_app(store, detectors={}, is_behind_proxy=True).test_client())
    assert visitor.get("/signup").status_code == 403
    visitor.sign_in(store)
    assert visitor.get("/signup").status_code == 200


def test_after_a_one_time_link_the_first_account_is_made_from_anywhere(
    visitor: Visitor, app: Flask, store: SqliteStore
) -> None:
    cookie = visitor.client.get_cookie("phospho")
    assert cookie is not None
    assert "Create the first account" in text_of(visitor.get("/account"))
    far = {"environ_base": {"REMOTE_ADDR": "192.0.2.9"}}
    fields = {"csrf_token": visitor.token(), "email": ANA, "password": PASSWORD}
    assert visitor.client.post("/signup", data=fields, **far).status_code == 303
    assert ANA in text_of(visitor.get("/account"))
    copied = app.test_client()
    copied.set_cookie("phospho", cookie.value)
    assert copied.get("/").headers["Location"].startswith("/login")


def test_after_the_first_account_only_invitations_make_more(
    store: SqliteStore, new_visitor: Callable[[], Visitor], visitor: Visitor
) -> None:
    make(store)
    for each in (new_visitor(), visitor):
        page = each.get("/signup")
        assert page.status_code == 403
        assert "Ask the owner of a project for an invitation" in text_of(page)
        refused = each.post("/signup", email="b@example.com", password=PASSWORD)
        assert refused.status_code == 403
    with store.read() as db:
        assert len(list_accounts(db)) == 1


@pytest.mark.parametrize(
    ("email", "password", "says", "status"),
    [
        pytest.param("ana", PASSWORD, "This is no e-mail", 422, id="no-e-mail"),
        pytest.param(ANA, "short", "at least 10 characters", 422, id="short"),
        pytest.param("long@name.example", "long@name.example", "is your e-mail", 422, id="same"),
        pytest.param("taken@example.com", PASSWORD, "Sign in with it instead", 409, id="taken"),
        pytest.param("", "", "This is no e-mail", 422, id="empty"),
    ],
)
def test_what_is_wrong_with_a_new_account_is_said_and_the_email_kept(
    stranger: Visitor,
    store: SqliteStore,
    project: Project,
    email: str,
    password: str,
    says: str,
    status: int,
) -> None:
    make(store, "taken@example.com")
    token = invite(store, project)
    answer = stranger.post("/signup", invitation=token, email=email, password=password)
    assert answer.status_code == status
    assert says in text_of(answer)
    assert f'value="{email}"' in answer.get_data(as_text=True)
    assert stranger.get(f"/signup?invitation={token}").status_code == 200


def test_an_invitation_makes_a_member_of_its_project_once(
    stranger: Visitor,
    new_visitor: Callable[[], Visitor],
    store: SqliteStore,
    project: Project,
    home: str,
) -> None:
    make(store)
    other = store.write(lambda db: create_project(db, "Secret"))
    token = invite(store, project, "viewer")
    page = text_of(stranger.get(f"/signup?invitation={token}"))
    assert "Join Support bot" in page
    assert "ana@example.com invites you to this project as viewer" in page
    stranger.post("/signup", invitation=token, email="b@example.com", password=PASSWORD)
    assert stranger.get("/").headers["Location"] == f"{home}/dashboard"
    seen = text_of(stranger.get(f"{home}/settings"))
    assert "You are a viewer of this project" in seen
    assert "Secret" not in seen
    assert stranger.get(f"/projects/{other.id}/dashboard").status_code == 404
    again = new_visitor()
    assert again.get(f"/signup?invitation={token}").status_code == 403
    used = again.post("/signup", invitation=token, email="c@example.com", password=PASSWORD)
    assert "no longer valid" in text_of(used)
    with store.read() as db:
        assert find_account(db, "c@example.com") is None
    assert actions(store)[-2:] == [
        "b@example.com | account created",
        "b@example.com | member joined | as viewer, invited by ana@example.com",
    ]


def test_who_is_invited_before_there_is_an_owner_becomes_none(
    stranger: Visitor, new_visitor: Callable[[], Visitor], store: SqliteStore, project: Project
) -> None:
    token = invite(store, project, "viewer")
    stranger.post("/signup", invitation=token, email="b@example.com", password=PASSWORD)
    with store.read() as db:
        (account,) = list_accounts(db)
    assert not account.is_owner
    assert stranger.get("/audit-log").status_code == 403
    far: dict[str, Any] = {"environ_base": {"REMOTE_ADDR": "192.0.2.9"}}
    assert stranger.get("/signup", **far).status_code == 403
    assert "Create the first account" not in text_of(stranger.get("/account"))
    first = new_visitor()
    assert first.post("/signup", email=ANA, password=PASSWORD).status_code == 303
    assert first.get("/audit-log").status_code == 200


def test_an_invitation_is_joined_with_the_account_one_has(
    stranger: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    make(store)
    make(store, "b@example.com")
    token = invite(store, project)
    page = stranger.get(f"/signup?invitation={token}").get_data(as_text=True)
    link = re.search(r'href="(/login\?next=[^"]+)"', page)
    assert link
    stranger.get(link.group(1))
    back = enter(stranger, "b@example.com").headers["Location"]
    assert back == f"/signup?invitation={token}"
    assert "You are signed in as b@example.com" in text_of(stranger.get(back))
    joined = stranger.post("/join", invitation=token)
    assert joined.headers["Location"] == f"{home}/dashboard"
    assert stranger.post("/join", invitation=token).status_code == 404
    assert stranger.get(f"{home}/settings").status_code == 200
