"""People with accounts: made, signed in, invited; and what the audit log says of them."""

from __future__ import annotations

import re

from werkzeug.test import TestResponse

from phospho_server.store.accounts import Account, create_account
from phospho_server.store.invitations import create_invitation
from phospho_server.store.memberships import Role, add_member
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.views.conftest import Visitor
from tests.server.worlds import PASSWORD, password_hash

ANA = "ana@example.com"


def make(store: SqliteStore, email: str = ANA) -> Account:
    return store.write(lambda db: create_account(db, email, password_hash()))


def enter(visitor: Visitor, email: str = ANA, password: str = PASSWORD) -> TestResponse:
    return visitor.post("/login", email=email, password=password)


def member(
    store: SqliteStore, project: Project, visitor: Visitor, role: Role, email: str = "m@example.com"
) -> Visitor:
    account = make(store, email)
    store.write(lambda db: add_member(db, project.id, account.id, role))
    enter(visitor, email)
    return visitor


def invite(store: SqliteStore, project: Project, role: Role = "editor") -> str:
    return store.write(lambda db: create_invitation(db, project.id, role, invited_by=ANA))[1]


def actions(store: SqliteStore) -> list[str]:
    with store.read() as db:
        rows = db.rows("select who, action, what from audit_log order by id")
    return [" | ".join(filter(None, dict(row).values())) for row in rows]


def token_of(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.get_data(as_text=True))
    assert found
    return found.group(1)
