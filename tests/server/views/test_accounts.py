"""Signing up, signing in with a password, the account page, members and the audit log."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from phospho_server import create_app
from phospho_server.clock import DAY_MS, now_ms
from phospho_server.services import Services
from phospho_server.store import sign_ins
from phospho_server.store.accounts import Account, create_account, find_account, list_accounts
from phospho_server.store.invitations import create_invitation
from phospho_server.store.memberships import Role, add_member, find_member
from phospho_server.store.projects import create_project, list_keys
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.views.account import name_browser
from tests.server.builders import define
from tests.server.views.conftest import Visitor, text_of
from tests.server.worlds import PASSWORD, password_hash

ANA = "ana@example.com"


def make(store: SqliteStore, email: str = ANA) -> Account:
    return store.write(lambda db: create_account(db, email, password_hash()))


def enter(visitor: Visitor, email: str = ANA, password: str = PASSWORD) -> TestResponse:
    return visitor.post("/login", email=email, password=password)


@pytest.fixture
def new_visitor(app: Flask) -> Callable[[], Visitor]:
    return lambda: Visitor(app.test_client())


@pytest.fixture
def ana(store: SqliteStore, stranger: Visitor) -> Visitor:
    """The owner of the server, signed in."""
    make(store)
    enter(stranger)
    return stranger


def member(
    store: SqliteStore, project: Project, visitor: Visitor, role: Role, email: str = "m@example.com"
) -> Visitor:
    account = make(store, email)
    store.write(lambda db: add_member(db, project.id, account.id, role))
    enter(visitor, email)
    return visitor


def invite(store: SqliteStore, project: Project, role: Role = "editor") -> str:
    return store.write(
        lambda db: create_invitation(db, project.id, role, invited_by="ana@example.com")
    )[1]


def actions(store: SqliteStore) -> list[str]:
    with store.read() as db:
        rows = db.rows("select who, action, what from audit_log order by id")
    return [" | ".join(filter(None, dict(row).values())) for row in rows]


# Signing up


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


def token_of(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.get_data(as_text=True))
    assert found
    return found.group(1)


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


# Signing in


def test_email_and_password_sign_in_and_lead_to_the_page_asked_for(
    stranger: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    make(store)
    stranger.get(stranger.get(f"{home}/sessions?flag=failure").headers["Location"])
    answer = enter(stranger, " ANA@example.com")
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{home}/sessions?flag=failure"
    assert stranger.get(f"{home}/sessions").status_code == 200


def test_the_cookie_is_made_anew_and_kept_from_scripts_and_other_sites(
    stranger: Visitor, store: SqliteStore, app: Flask
) -> None:
    make(store)
    stranger.get("/login?next=/account")
    before = stranger.client.get_cookie("phospho")
    answer = enter(stranger)
    cookie = answer.headers["Set-Cookie"]
    for flag in ("HttpOnly", "SameSite=Lax", "Path=/", "Expires="):
        assert flag in cookie
    assert "Secure" not in cookie
    after = stranger.client.get_cookie("phospho")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    fixed = app.test_client()
    fixed.set_cookie("phospho", before.value)
    assert fixed.get("/account").status_code == 302


def test_under_https_the_cookie_is_secure_and_the_site_stays_there(
    stranger: Visitor, store: SqliteStore
) -> None:
    make(store)
    secure: dict[str, Any] = {"base_url": "https://phospho.example"}
    token = token_of(stranger.get("/login", **secure))
    fields = {"csrf_token": token, "email": ANA, "password": PASSWORD}
    headers = {"Referer": "https://phospho.example/login"}
    answer = stranger.client.post("/login", data=fields, headers=headers, **secure)
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in stranger.get("/login").headers


@pytest.mark.parametrize(
    ("email", "password"),
    [(ANA, "wrong"), ("nobody@example.com", PASSWORD), ("", ""), (ANA, ""), (ANA, "x" * 500)],
)
def test_a_wrong_password_and_an_unknown_account_get_one_answer(
    stranger: Visitor, store: SqliteStore, email: str, password: str
) -> None:
    make(store)
    answer = enter(stranger, email, password)
    assert answer.status_code == 403
    assert "E-mail or password is not right" in text_of(answer)
    assert stranger.get("/account").status_code == 302


def test_ten_wrong_passwords_a_minute_and_then_not_even_the_right_one(
    stranger: Visitor, new_visitor: Callable[[], Visitor], store: SqliteStore
) -> None:
    make(store)
    assert [enter(stranger, ANA, "wrong").status_code for _ in range(10)] == [403] * 10
    for visitor in (stranger, new_visitor()):
        answer = enter(visitor)
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert "Try again in" in text_of(answer)
    assert actions(store) == [f"somebody at 127.0.0.1 | sign-in refused after 10 tries | {ANA}"]


def test_an_account_is_protected_from_many_addresses_and_others_are_not_kept_out(
    stranger: Visitor, store: SqliteStore
) -> None:
    make(store)
    make(store, "ben@example.com")

    def attempt(email: str, password: str, address: str) -> int:
        fields = {"csrf_token": token, "email": email, "password": password}
        from_there = {"REMOTE_ADDR": address}
        answer = stranger.client.post("/login", data=fields, environ_base=from_there)
        return answer.status_code

    token = token_of(stranger.get("/login"))
    assert [attempt(ANA, "wrong", f"192.0.2.{n}") for n in range(12)] == [403] * 10 + [429] * 2
    assert attempt("ben@example.com", PASSWORD, "192.0.2.1") == 302


def test_an_address_may_not_try_many_accounts(stranger: Visitor, store: SqliteStore) -> None:
    make(store)
    tried = [enter(stranger, f"{n}@example.com", "wrong").status_code for n in range(12)]
    assert tried == [403] * 10 + [429] * 2
    assert actions(store) == [
        "somebody at 127.0.0.1 | sign-in refused after 10 tries | an unknown e-mail",
        "somebody at 127.0.0.1 | sign-in refused after 10 tries | an unknown e-mail",
    ]


def test_signing_in_often_is_no_attack(stranger: Visitor, store: SqliteStore) -> None:
    make(store)
    assert {enter(stranger).status_code for _ in range(25)} == {302}


def test_failed_tries_are_noted_at_the_next_sign_in(stranger: Visitor, store: SqliteStore) -> None:
    make(store)
    enter(stranger, ANA, "wrong")
    enter(stranger, ANA, "wrong again")
    enter(stranger)
    stranger.post("/logout")
    assert actions(store) == [
        f"{ANA} | signed in | after 2 failed tries",
        f"{ANA} | signed out",
    ]


def test_a_hash_of_old_costs_is_renewed_at_the_next_sign_in(
    stranger: Visitor, store: SqliteStore
) -> None:
    from argon2 import PasswordHasher

    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    store.write(lambda db: create_account(db, ANA, old))
    assert enter(stranger).status_code == 302
    with store.read() as db:
        row = db.row("select password_hash from accounts")
    assert row is not None
    assert "m=19456" in row["password_hash"]
    assert enter(stranger).status_code == 302


def test_signing_up_is_tried_ten_times_a_minute(
    stranger: Visitor, store: SqliteStore, project: Project
) -> None:
    make(store)
    token = invite(store, project)
    tried = [
        stranger.post("/signup", invitation=token, email=ANA, password=PASSWORD).status_code
        for _ in range(12)
    ]
    assert tried == [409] * 10 + [429] * 2


# The account


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


# Members


def test_an_owner_invites_and_the_link_is_shown_once(
    ana: Visitor, store: SqliteStore, home: str
) -> None:
    made = ana.post(f"{home}/settings/members/invitations", role="editor")
    page = made.get_data(as_text=True)
    link = re.search(r"http://localhost/signup\?invitation=([\w-]{43})", page)
    assert link
    assert ana.get(f"/signup?invitation={link.group(1)}").status_code == 200
    listed = ana.get(f"{home}/settings/members").get_data(as_text=True)
    assert link.group(1) not in listed
    assert "1 open invitation" in listed
    withdraw = re.search(r'action="([^"]+/withdraw)"', listed)
    assert withdraw
    assert ana.post(withdraw.group(1)).status_code == 303
    assert ana.get(f"/signup?invitation={link.group(1)}").status_code == 403
    assert actions(store)[-2:] == [
        f"{ANA} | member invited | as editor",
        f"{ANA} | invitation withdrawn | as editor",
    ]


def test_a_role_is_changed_and_a_member_removed_at_once(
    ana: Visitor,
    new_visitor: Callable[[], Visitor],
    store: SqliteStore,
    project: Project,
    home: str,
) -> None:
    ben = member(store, project, new_visitor(), "viewer")
    with store.read() as db:
        account = find_account(db, "m@example.com")
    assert account is not None
    members = f"{home}/settings/members"
    assert ben.post(f"{home}/settings/events", name="x", description="y").status_code == 403
    assert ana.post(f"{members}/{account.id}/role", role="editor").status_code == 303
    made = ben.post(f"{home}/settings/events", name="x", description="The user said 'y'")
    assert made.status_code == 303
    assert ana.post(f"{members}/{account.id}/remove").status_code == 303
    assert ben.get(f"{home}/dashboard").status_code == 404
    assert project.name not in text_of(ben.get("/account"))
    assert f"{ANA} | role changed | m@example.com, from viewer to editor" in actions(store)
    assert actions(store)[-1] == f"{ANA} | member removed | m@example.com, who was editor"


def test_the_last_owner_stays_and_the_page_says_why(
    ana: Visitor,
    new_visitor: Callable[[], Visitor],
    store: SqliteStore,
    project: Project,
    home: str,
) -> None:
    owner = member(store, project, new_visitor(), "owner")
    with store.read() as db:
        account = find_account(db, "m@example.com")
    assert account is not None
    for action, fields in (("remove", {}), ("role", {"role": "viewer"})):
        path = f"{home}/settings/members/{account.id}/{action}"
        refused = owner.post(path, **fields)
        assert refused.status_code == 409
        assert "last owner of the project" in text_of(refused)
    assert owner.post(path, role="king").status_code == 422
    assert owner.post(f"{home}/settings/members/invitations", role="king").status_code == 422
    with store.read() as db:
        found = find_member(db, project.id, account.id)
    assert found is not None
    assert found.role == "owner"


def test_who_makes_a_project_owns_it(
    ana: Visitor, new_visitor: Callable[[], Visitor], store: SqliteStore, project: Project
) -> None:
    ben = member(store, project, new_visitor(), "viewer")
    path = ben.post("/projects", name="Of Ben").headers["Location"]
    assert ben.post(path.replace("dashboard", "settings/name"), name="Renamed").status_code == 303
    assert "Renamed" in text_of(ana.get("/account"))
    assert "m@example.com" in text_of(ana.get(path.replace("dashboard", "settings/members")))
    assert actions(store)[-2:] == [
        "m@example.com | project created | Of Ben",
        "m@example.com | project renamed | Renamed",
    ]


def test_a_viewer_sees_no_keys_no_llm_and_who_can_help(
    new_visitor: Callable[[], Visitor], store: SqliteStore, project: Project, home: str
) -> None:
    make(store)
    member(store, project, new_visitor(), "owner", "boss@example.com")
    viewer = member(store, project, new_visitor(), "viewer")
    define(store, project)
    page = text_of(viewer.get(f"{home}/settings"))
    assert "booking" in page
    assert project.id in page
    assert "boss@example.com" in page
    for hidden in ("API keys", "LLM judge", "Define an event", "Rename", "Turn off", "Members"):
        assert hidden not in page


# The audit log


def test_what_is_changed_in_a_project_is_noted_with_who_did_it(
    ana: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    event = define(store, project, name="booking")
    settings = f"{home}/settings"
    ana.post(f"{settings}/keys", name="production")
    with store.read() as db:
        (key,) = list_keys(db, project.id)
    ana.post(f"{settings}/keys/{key.id}/revoke")
    ana.post(f"{settings}/events", name="thanks", description="The user said 'thanks'")
    ana.post(f"{settings}/events/{event.id}", name="booked", description="The user said 'book'")
    ana.post(f"{settings}/events/{event.id}/versions/1/restore")
    ana.post(f"{settings}/events/{event.id}/toggle", enabled="0")
    ana.post(f"{settings}/events/{event.id}/toggle", enabled="1")
    ana.post(f"{settings}/events/{event.id}/delete")
    ana.post(f"{settings}/llm", base_url="https://u:pw@llm.example/v1?k=v", model="m")
    ana.post(
        f"{settings}/llm",
        base_url="https://llm.example/v1", model="m", api_key="sk-secret", daily_tokens="9",
    )  # fmt: skip
    ana.post(f"{settings}/llm", is_off="1")
    ana.post(f"{settings}/llm/resume")
    ana.post(f"{settings}/name", name="Helpdesk")
    ana.post(f"{settings}/name", name="")
    noted = [line.removeprefix(f"{ANA} | ") for line in actions(store)]
    assert noted == [
        "signed in",
        f"key created | production ({key.prefix}…)",
        f"key revoked | production ({key.prefix}…)",
        "event created | thanks",
        "event edited | booked",
        "event edited | booked, version 1 restored",
        "event disabled | booked",
        "event enabled | booked",
        "event deleted | booked",
        "LLM settings changed | m at llm.example",
        "LLM settings changed | off",
        "LLM resumed",
        "project renamed | Helpdesk",
    ]
    page = text_of(ana.get(f"{settings}/audit-log"))
    assert page.index("Helpdesk") < page.index("Key created: production")
    assert "sk-secret" not in page
    assert "Signed in" not in page
    assert "Signed in" in text_of(ana.get("/audit-log"))


def test_the_audit_log_has_pages(ana: Visitor, home: str) -> None:
    for n in range(60):
        ana.post(f"{home}/settings/name", name=f"Name {n}.")
    page = ana.get(f"{home}/settings/audit-log").get_data(as_text=True)
    assert "Name 58." in page
    assert "Name 9." not in page
    older = re.search(r'href="([^"]+\?before=[^"]+)"', page)
    assert older
    second = text_of(ana.get(older.group(1)))
    assert "Name 9." in second
    assert "Name 58." not in second
    assert "Newest" in second
    for before in ("x", "\x00", "' or 1=1 --", "0"):
        answer = ana.get(f"{home}/settings/audit-log", query_string={"before": before})
        assert answer.status_code == 200


def test_what_strangers_wrote_stays_text_in_the_audit_log(ana: Visitor, home: str) -> None:
    ana.post(f"{home}/settings/name", name="<script>alert(1)</script>\u202e")
    page = ana.get(f"{home}/settings/audit-log").get_data(as_text=True)
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page


# Headers


def test_every_answer_refuses_what_is_not_named(stranger: Visitor, ana: Visitor) -> None:
    for path in ("/login", "/account", "/nowhere", "/static/app.css", "/healthz", "/v2/log/x"):
        with ana.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; ")
            for never in ("unsafe", "*", "data:", "http"):
                assert never not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert "camera=()" in answer.headers["Permissions-Policy"]
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "Server" not in answer.headers
    assert ana.get("/account").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example", "a b", "<script>", "[bad", "x:99999", "é", ""])
def test_any_host_header_is_answered_without_leading_there(
    ana: Visitor, home: str, host: str
) -> None:
    for path in ("/login", "/signup", f"{home}/settings", "/"):
        answer = ana.get(path, headers={"Host": host})
        assert answer.status_code < 500
        assert not answer.headers.get("Location", "/").startswith(("http", "//"))
        assert "<script>" not in answer.get_data(as_text=True).replace('<script src="/', "")


def test_services_are_of_one_application(app: Flask) -> None:
    found = app.extensions["phospho"]
    assert isinstance(found, Services)
    assert found.tries is not Services(found.store, {}, lambda: None).tries


def test_a_full_disk_keeps_nobody_from_reading(
    ana: Visitor, store: SqliteStore, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from phospho_server.errors import StorageFullError

    def refuse(_change: object) -> None:
        raise StorageFullError("The disk is full.")

    store.write(lambda db: db.execute(f"update sign_ins set last_seen_at_ms = {now_ms() - DAY_MS}"))
    monkeypatch.setattr(store, "write", refuse)
    assert ana.get(f"{home}/dashboard").status_code == 200


def test_a_link_opened_in_a_browser_that_was_signed_in_takes_its_place(
    ana: Visitor, store: SqliteStore
) -> None:
    ana.sign_in(store)
    assert "One-time link" in text_of(ana.get("/account"))
    with store.read() as db:
        assert len(db.rows("select 1 from sign_ins")) == 1
        assert len(sign_ins.list_sign_ins(db, None)) == 1
