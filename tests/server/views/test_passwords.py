"""Signing in with e-mail and password, and who tries too often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from phospho_server.store.accounts import create_account
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.trying import Tries
from tests.server.views.conftest import Visitor, text_of
from tests.server.views.people import ANA, actions, enter, invite, make, token_of
from tests.server.worlds import PASSWORD


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
    before, token = stranger.client.get_cookie("phospho"), stranger.token()
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
    # Who knew the form's token of before knows nothing of the sign-in.
    form = {"csrf_token": token}
    assert stranger.client.post("/account/sign-outs", data=form).status_code == 403


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
    refused = [line for line in actions(store) if "refused" in line]
    assert refused == [f"somebody at 192.0.2.10 | sign-in refused after 10 tries | {ANA}"]


def test_an_address_may_not_try_many_accounts(stranger: Visitor, store: SqliteStore) -> None:
    make(store)
    tried = [enter(stranger, f"{n}@example.com", "wrong").status_code for n in range(30)]
    assert tried == [403] * 10 + [429] * 20
    assert actions(store) == ["somebody at 127.0.0.1 | sign-in refused after 10 tries"]


def test_what_strangers_type_and_proxies_say_is_kept_to_some_length_only(
    stranger: Visitor, app: Flask
) -> None:
    fields = {"csrf_token": token_of(stranger.get("/login")), "email": "\ufdfa" * 9_000}
    there = {"REMOTE_ADDR": "somewhere" * 1_000}
    assert stranger.client.post("/login", data=fields, environ_base=there).status_code == 403
    tries: Tries = app.extensions["phospho"].tries
    assert max(map(len, [*tries._tries, *tries._failed])) < 300


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
