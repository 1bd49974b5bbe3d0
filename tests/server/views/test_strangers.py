"""Whatever a stranger sends to the pages that need no account, nothing breaks or opens."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho_server.store.accounts import list_accounts
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.views.conftest import Visitor
from tests.server.views.people import invite, make

ANYTHING = st.text(max_size=60) | st.sampled_from(
    ["ana@example.com", "\x00", "%00", "x" * 5_000, "' or 1=1 --", "{{ 7 * 7 }}", "<b>", "\u202e"]
)
FIELDS = ("email", "password", "new_password", "invitation", "token", "next", "role", "before")

calmly = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def forget_tries(app: Flask) -> None:
    app.extensions["phospho"].tries._tries.clear()


@calmly
@given(fields=st.dictionaries(st.sampled_from(FIELDS), ANYTHING))
def test_any_form_of_a_stranger_is_answered(
    app: Flask, stranger: Visitor, store: SqliteStore, project: Project, fields: dict[str, str]
) -> None:
    forget_tries(app)
    with store.read() as db:
        is_new = not list_accounts(db)
    if is_new:
        make(store)
    for path in ("/login", "/signup"):
        assert stranger.post(path, **fields).status_code in {403, 422}
    ends = ("/account/sign-outs", "/account/link-sign-outs", "/logout")
    for path in ("/join", "/account/password", *ends):
        answer = stranger.post(path, **fields)
        assert answer.headers["Location"] == "/login"
    for path in ("/login", "/signup"):
        assert stranger.get(path, query_string=fields).status_code in {200, 403}
    with store.read() as db:
        assert len(list_accounts(db)) == 1


@calmly
@given(fields=st.dictionaries(st.sampled_from(FIELDS[:3]), ANYTHING))
def test_any_account_that_is_invited_is_made_or_refused(
    app: Flask, store: SqliteStore, project: Project, fields: dict[str, str]
) -> None:
    forget_tries(app)
    visitor = Visitor(app.test_client())
    token = invite(store, project)
    answer = visitor.post("/signup", **{**fields, "invitation": token})
    assert answer.status_code in {303, 409, 422}
    is_in = visitor.get("/account").status_code == 200
    assert is_in == (answer.status_code == 303)


@calmly
@given(fields=st.dictionaries(st.sampled_from(FIELDS), ANYTHING))
def test_any_form_of_an_owner_is_answered(
    app: Flask, ana: Visitor, home: str, fields: dict[str, str]
) -> None:
    forget_tries(app)
    members = f"{home}/settings/members"
    assert ana.post(f"{members}/invitations", **fields).status_code in {200, 422}
    for path in ("x/role", "x/remove", "invitations/x/withdraw", "%00/remove", "\u202e/role"):
        assert ana.post(f"{members}/{path}", **fields).status_code in {404, 422}
    for page in ("settings/audit-log", "settings/members"):
        assert ana.get(f"{home}/{page}", query_string=fields).status_code == 200
    assert ana.get("/audit-log", query_string=fields).status_code == 200
    assert ana.post("/account/password", **fields).status_code == 422


@pytest.mark.parametrize("path", ["/login", "/signup"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(b"", "application/x-www-form-urlencoded", id="empty"),
        pytest.param(b"%", "application/x-www-form-urlencoded", id="half-an-escape"),
        pytest.param(b"\xff\xfe=%ff", "application/x-www-form-urlencoded", id="no-utf-8"),
        pytest.param(b"a=b&" * 200_000, "application/x-www-form-urlencoded", id="many-fields"),
        pytest.param(b"x" * 1_000_000, "application/x-www-form-urlencoded", id="long"),
        pytest.param(b"--x", "multipart/form-data; boundary=x", id="half-a-part"),
        pytest.param(b"--x\r\n" * 5_000, "multipart/form-data; boundary=x", id="many-parts"),
        pytest.param(b"{}", "application/json", id="json"),
        pytest.param(b"{}", "", id="no-type"),
        pytest.param(b"\x1f\x8b", "multipart/form-data", id="no-boundary"),
    ],
)
def test_any_body_is_refused(stranger: Visitor, path: str, body: bytes, kind: str) -> None:
    options: dict[str, Any] = {"data": body, "content_type": kind}
    assert stranger.client.post(path, **options).status_code in {400, 403, 413}
