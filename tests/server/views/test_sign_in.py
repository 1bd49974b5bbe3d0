"""Signing in by a one-time link, and out."""

from __future__ import annotations

import string
from random import Random

import pytest
from flask import Flask

from phospho_server.errors import BusyError, StorageFullError
from phospho_server.store.rows import Project
from phospho_server.store.sign_ins import create_link
from phospho_server.store.sqlite import SqliteStore
from tests.server.views.conftest import Visitor, text_of


def test_a_link_signs_in_once(stranger: Visitor, app: Flask, store: SqliteStore) -> None:
    link = f"/login?token={store.write(create_link)}"
    first = stranger.get(link)
    assert first.status_code == 302
    assert first.headers["Location"] == "/"
    assert "HttpOnly" in first.headers["Set-Cookie"]
    again = Visitor(app.test_client()).get(link)
    assert again.status_code == 403
    assert "phospho link" in text_of(again)


def test_looking_at_a_link_does_not_use_it_up(stranger: Visitor, store: SqliteStore) -> None:
    link = f"/login?token={store.write(create_link)}"
    assert stranger.client.head(link).status_code == 200
    assert stranger.get(link).status_code == 302


def test_without_a_link_the_page_says_how_to_get_one(stranger: Visitor) -> None:
    response = stranger.get("/login")
    assert response.status_code == 200
    assert "phospho link" in text_of(response)


def test_a_page_asked_for_is_shown_after_signing_in(
    stranger: Visitor, store: SqliteStore, home: str
) -> None:
    refused = stranger.get(f"{home}/sessions?event=thanks")
    stranger.get(refused.headers["Location"])
    assert stranger.sign_in(store).headers["Location"] == f"{home}/sessions?event=thanks"


@pytest.mark.parametrize(
    "path",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/a\r\nSet-Cookie: x=y", ""],
)
def test_next_never_leads_elsewhere(stranger: Visitor, store: SqliteStore, path: str) -> None:
    token = store.write(create_link)
    response = stranger.get("/login", query_string={"token": token, "next": path})
    assert response.headers["Location"] == "/"


@pytest.mark.parametrize("length", [100, 2_000, 4_000, 60_000])
def test_an_address_of_any_length_keeps_nobody_from_signing_in(
    stranger: Visitor, length: int
) -> None:
    """Browsers drop a cookie of more than 4,096 bytes, and the form's token is in it."""
    random = "".join(Random(length).choices(string.ascii_letters, k=length - 1))
    answer = stranger.get("/login", query_string={"next": f"/{random}"})
    assert len(answer.headers["Set-Cookie"]) < 4_000


@pytest.mark.parametrize("page", ["dashboard", "sessions", "sessions/s1", "settings", "pulse"])
def test_a_stranger_is_led_to_the_sign_in(stranger: Visitor, home: str, page: str) -> None:
    response = stranger.get(f"{home}/{page}")
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login?next=")


def test_a_stranger_learns_no_project_names_from_a_wrong_address(
    stranger: Visitor, project: Project
) -> None:
    response = stranger.get("/nowhere")
    assert response.status_code == 404
    assert project.name not in text_of(response)


def test_an_ended_sign_in_shows_no_projects_either(
    visitor: Visitor, store: SqliteStore, project: Project
) -> None:
    store.write(lambda db: db.execute("delete from sign_ins"))
    assert project.name not in text_of(visitor.get("/nowhere"))


def test_a_busy_database_is_told_on_a_page_of_its_own(
    visitor: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch, store: SqliteStore, home: str
) -> None:
    def refuse() -> None:
        raise BusyError("Another program holds the database.")

    monkeypatch.setattr(store, "read", refuse)
    response = visitor.get(f"{home}/dashboard")
    assert response.status_code == 503
    assert "Another program holds the database" in text_of(response)


def test_signing_out_ends_a_copied_cookie_too(visitor: Visitor, app: Flask, home: str) -> None:
    cookie = visitor.client.get_cookie("phospho")
    assert cookie is not None
    copied = app.test_client()
    copied.set_cookie("phospho", cookie.value)
    assert visitor.post("/logout").headers["Location"] == "/login"
    assert copied.get(f"{home}/dashboard").status_code == 302


def test_on_a_full_disk_a_browser_is_signed_out_all_the_same(
    visitor: Visitor, store: SqliteStore, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise StorageFullError("The disk takes no more.")

    with monkeypatch.context() as full:
        full.setattr(store, "write", refuse)
        response = visitor.post("/logout")
    assert response.status_code == 507
    assert "The disk takes no more." in text_of(response)
    assert visitor.get(f"{home}/dashboard").status_code == 302


def test_a_form_without_its_token_is_refused(
    visitor: Visitor, store: SqliteStore, home: str
) -> None:
    for path in ("/projects", "/logout", f"{home}/settings/keys", f"{home}/settings/events"):
        response = visitor.client.post(path, data={"name": "x"})
        assert response.status_code == 403
        assert "Open the page again" in text_of(response)
    assert visitor.get(f"{home}/settings").status_code == 200


def test_every_page_has_the_strict_policy_and_nothing_inline(visitor: Visitor, home: str) -> None:
    for page in ("dashboard", "sessions", "settings"):
        response = visitor.get(f"{home}/{page}")
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert " style=" not in response.get_data(as_text=True)
        assert "<style" not in response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 303, id="not-told"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 303, id="same-origin"),
        pytest.param({"Origin": "http://localhost"}, 303, id="own-origin"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="neighbour"),
        pytest.param({"Origin": "https://evil.example"}, 403, id="foreign-origin"),
        pytest.param({"Origin": "null"}, 403, id="hidden-origin"),
        pytest.param({"Origin": "http://[bad"}, 403, id="no-origin-at-all"),
    ],
)
def test_a_form_of_another_site_is_refused_even_with_a_token(
    visitor: Visitor, headers: dict[str, str], status: int
) -> None:
    answer = visitor.client.post(
        "/projects", data={"csrf_token": visitor.token(), "name": "New"}, headers=headers
    )
    assert answer.status_code == status
