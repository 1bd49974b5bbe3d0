"""One's own account: its password, and where it is signed in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from phospho_server.clock import DAY_MS, now_ms
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.views.account import name_browser
from tests.server.views.conftest import Visitor, text_of
from tests.server.views.people import ANA, actions, enter, invite, member, token_of
from tests.server.worlds import PASSWORD


def test_another_password_ends_every_other_sign_in(
    ana: Visitor, new_visitor: Callable[[], Visitor], store: SqliteStore
) -> None:
    elsewhere, linked = new_visitor(), new_visitor()
    enter(elsewhere)
    linked.sign_in(store)
    new = "quite another password"
    assert ana.post("/account/password", password=PASSWORD, new_password=new).status_code == 303
    assert ana.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 302
    assert linked.get("/account").status_code == 200
    assert enter(elsewhere).status_code == 403
    assert enter(elsewhere, password=new).status_code == 302
    assert f"{ANA} | password changed" in actions(store)


@pytest.mark.parametrize(
    ("password", "new", "says"),
    [
        pytest.param("wrong", "quite another password", "present password is not right", id="old"),
        pytest.param(PASSWORD, "short", "at least 10", id="short"),
        pytest.param(PASSWORD, ANA, "is your e-mail", id="e-mail"),
    ],
)
def test_a_password_is_not_changed_to_a_bad_one_or_by_somebody_else(
    ana: Visitor, password: str, new: str, says: str
) -> None:
    answer = ana.post("/account/password", password=password, new_password=new)
    assert answer.status_code == 422
    assert says in text_of(answer)
    ana.post("/logout")
    assert enter(ana).status_code == 302


def test_the_present_password_is_tried_ten_times_a_minute(ana: Visitor) -> None:
    tried = [
        ana.post("/account/password", password="wrong", new_password=PASSWORD).status_code
        for _ in range(12)
    ]
    assert tried == [422] * 10 + [429] * 2


def test_sign_ins_are_listed_and_ended_everywhere_else(
    ana: Visitor, new_visitor: Callable[[], Visitor]
) -> None:
    elsewhere = new_visitor()
    elsewhere.client.post(
        "/login",
        data={"csrf_token": token_of(elsewhere.get("/login")), "email": ANA, "password": PASSWORD},
        headers={"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/150.0"},
        environ_base={"REMOTE_ADDR": "192.0.2.7"},
    )
    page = text_of(ana.get("/account"))
    assert "Firefox on Windows 192.0.2.7" in page
    assert page.count("This browser") == 1
    assert ana.post("/account/sign-outs").status_code == 303
    assert elsewhere.get("/account").status_code == 302
    assert "192.0.2.7" not in text_of(ana.get("/account"))


def test_an_owner_of_the_server_sees_who_came_by_link_and_signs_them_out(
    ana: Visitor, new_visitor: Callable[[], Visitor], store: SqliteStore
) -> None:
    """They own the server as well, for up to 30 days."""
    assert "Signed in by one-time link Nobody is." in text_of(ana.get("/account"))
    linked = [new_visitor(), new_visitor()]
    for visitor in linked:
        visitor.sign_in(store)
    page = text_of(ana.get("/account"))
    assert "2 sign-ins without an account, which own the server." in page
    assert page.count("This browser") == 1
    assert ana.post("/account/link-sign-outs").status_code == 303
    assert [visitor.get("/account").status_code for visitor in linked] == [302, 302]
    assert "Nobody is." in text_of(ana.get("/account"))
    assert f"{ANA} | signed out all who came by link | 2 sign-ins" in actions(store)


def test_who_came_by_link_signs_out_all_others_and_stays(
    ana: Visitor, visitor: Visitor, new_visitor: Callable[[], Visitor], store: SqliteStore
) -> None:
    other = new_visitor()
    other.sign_in(store)
    page = text_of(visitor.get("/account"))
    assert "Signed in by one-time link" not in page
    assert page.count("signed in ") >= 2
    assert visitor.post("/account/link-sign-outs").status_code == 303
    assert other.get("/account").status_code == 302
    assert visitor.get("/account").status_code == 200
    assert ana.get("/account").status_code == 200


def test_who_does_not_own_the_server_neither_sees_nor_ends_sign_ins_by_link(
    ana: Visitor,
    visitor: Visitor,
    new_visitor: Callable[[], Visitor],
    store: SqliteStore,
    project: Project,
) -> None:
    ben = member(store, project, new_visitor(), "owner")
    assert "one-time link" not in text_of(ben.get("/account"))
    assert ben.post("/account/link-sign-outs").status_code == 403
    assert visitor.get("/account").status_code == 200


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/149.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/149.0 Safari/537.36 Edg/149.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15) Version/19 Safari/605", "Safari on Mac"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/149.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.5", "curl"),
        ("<script>alert(1)</script>", "A browser"),
        ("", "A browser"),
    ],
)  # fmt: skip
def test_a_browser_is_named_as_people_call_it(agent: str, name: str) -> None:
    assert name_browser(agent) == name


def test_a_sign_in_that_is_used_does_not_end_and_an_open_page_is_no_use(
    ana: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    def seen_at() -> int:
        with store.read() as db:
            row = db.row("select last_seen_at_ms from sign_ins")
        assert row is not None
        return int(row["last_seen_at_ms"])

    long_ago = now_ms() - 5 * DAY_MS
    store.write(lambda db: db.execute(f"update sign_ins set last_seen_at_ms = {long_ago}"))
    assert ana.get(f"{home}/pulse").status_code == 200
    assert seen_at() == long_ago
    assert ana.get(f"{home}/dashboard").status_code == 200
    assert seen_at() > long_ago + 4 * DAY_MS


def test_a_link_has_no_password_and_joins_nothing(
    visitor: Visitor, store: SqliteStore, project: Project
) -> None:
    answer = visitor.post("/account/password", password=PASSWORD, new_password=PASSWORD)
    assert answer.status_code == 422
    assert "one-time link" in text_of(answer)
    token = invite(store, project)
    assert "Create account" in text_of(visitor.get(f"/signup?invitation={token}"))
    assert visitor.post("/join", invitation=token).status_code == 422
