"""Two projects that must learn nothing of each other, and everybody who may knock."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from phospho.detectors import Detector
from phospho.models import Evidence
from phospho_server import create_app
from phospho_server.clock import now_ms
from phospho_server.passwords import hash_password
from phospho_server.store import (
    Connection,
    alerts,
    deliveries,
    detections,
    erasures,
    session_details,
    sign_ins,
)
from phospho_server.store.accounts import Account, create_account
from phospho_server.store.alert_rules import Terms, add_rule
from phospho_server.store.audit_log import record
from phospho_server.store.definitions import create_definition
from phospho_server.store.feedback import add_feedback
from phospho_server.store.interactions import add_interactions, find_ids
from phospho_server.store.invitations import create_invitation
from phospho_server.store.memberships import add_member
from phospho_server.store.projects import create_key, create_project, revoke_key
from phospho_server.store.rows import StoredDetection
from phospho_server.store.saved_views import save_view
from phospho_server.store.sign_ins import Browser
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.webhooks import add_webhook
from tests.server.builders import NOON_MS, definition, interaction

PASSWORD = "a password of a test"

# Stands in every text of a project; whoever is no member must never read it.
CANARIES = {"a": "canary-alpha", "b": "canary-beta"}


@cache
def password_hash() -> str:
    """Return the hash of `PASSWORD`, made once: it takes its time."""
    return hash_password(PASSWORD)


@dataclass(frozen=True)
class Place:
    """A project with one of everything, by the names that addresses have for them."""

    project_id: str
    session_id: str
    task_id: str
    user_id: str
    event_id: str
    definition_id: str
    key_id: str
    account_id: str
    invitation_id: str
    interaction_id: int
    key: str
    revoked_key: str
    invitation: str
    view_id: str
    webhook_id: str
    message_id: str
    rule_id: str
    erasure_id: str
    project_name: str
    version: int = 1
    page: str = "sessions"
    filename: str = "app.css"


@dataclass(frozen=True)
class World:
    """The database file as it begins, and what opens it.

    Args:
        a: The project whose viewer, editor and owner call.
        b: The project of another account.
        sign_ins: The token of each caller who is signed in, or was.
    """

    file: Path
    a: Place
    b: Place
    sign_ins: Mapping[str, str]


@dataclass(frozen=True)
class Opened:
    """A copy of the world, with an application over it."""

    store: SqliteStore
    app: Flask

    def client(self, token: str | None) -> FlaskClient:
        """Return a browser that has the cookie of a sign-in, or none."""
        client = self.app.test_client()
        if token is not None:
            with client.session_transaction() as session:
                session["_user_id"] = token
        return client

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """Return all that is stored, but for when something was last used."""
        with self.store.read() as db:
            names = [
                row["name"]
                for row in db.rows(
                    "select name from sqlite_master where type = 'table' "
                    "and name not like 'interactions_fts%' and name not like '\\_%' escape '\\'"
                )
            ]
            return {name: _without_times(db, name) for name in names}


def _without_times(db: Connection, table: str) -> list[tuple[object, ...]]:
    rows = [dict(row) for row in db.rows(f"select * from {table}")]
    return [
        tuple(v for k, v in row.items() if k not in {"last_used_at_ms", "last_seen_at_ms"})
        for row in rows
    ]


def make_world(folder: Path) -> World:
    """Make the database, once for all tests that copy it."""
    file = folder / "world.db"
    store = SqliteStore(file)
    root = store.write(lambda db: create_account(db, "root@example.com", password_hash()))
    a, editor, owner = store.write(lambda db: _fill(db, "a"))
    b, _, other = store.write(lambda db: _fill(db, "b"))
    viewer = Account(a.account_id, "a-viewer@example.com", is_owner=False, created_at_ms=0)

    def enter(db: Connection) -> dict[str, str]:
        entered = {
            name: sign_ins.create_sign_in(db, account, Browser("a test", "127.0.0.1"))
            for name, account in {
                "viewer": viewer,
                "editor": editor,
                "owner": owner,
                "other": other,
                "server owner": root,
                "one-time link": None,
                "expired": owner,
                "idle": owner,
                "signed out": owner,
            }.items()
        }
        for name, change in {
            "expired": "update sign_ins set expires_at_ms = 1",
            "idle": f"update sign_ins set last_seen_at_ms = last_seen_at_ms - {8 * 86_400_000}",
            "signed out": "delete from sign_ins",
        }.items():
            found = sign_ins.find_sign_in(db, entered[name])
            assert found is not None
            db.execute(f"{change} where token_hash = :key", {"key": found.key})
        return entered

    tokens = store.write(enter)
    store.close()
    return World(file, a, b, tokens)


@contextmanager
def opened(world: World, folder: Path, detectors: Mapping[str, Detector]) -> Iterator[Opened]:
    """Open a copy of the world, which a test may change."""
    file = folder / "copy.db"
    for left in folder.glob("copy.db*"):
        left.unlink()
    shutil.copy(world.file, file)
    store = SqliteStore(file)
    app = create_app(store, detectors=detectors)
    app.testing = False
    try:
        yield Opened(store, app)
    finally:
        store.close()


def _fill(db: Connection, name: str) -> tuple[Place, Account, Account]:
    """Make a project with one of everything; return it with an editor and an owner."""
    canary = CANARIES[name]
    accounts = {
        role: create_account(db, f"{name}-{role}@example.com", password_hash())
        for role in ("viewer", "editor", "owner")
    }
    project = create_project(db, f"{canary} project")
    for role, account in accounts.items():
        add_member(db, project.id, account.id, role)  # type: ignore[arg-type]
    key, secret = create_key(db, project.id, f"{canary} key")
    old, old_secret = create_key(db, project.id, f"{canary} old key")
    revoke_key(db, old.id)
    event = create_definition(
        db, project.id, definition(f"{canary}-event", description=f"The user said '{canary}'")
    )
    new = interaction(
        f"{name}-task",
        session_id=f"{name}-session",
        user_id=f"{name}-user",
        input=f"{canary} in",
        output=f"{canary} out",
        version_id=f"{canary}-version",
        metadata=f'{{"place": "{canary}"}}',
        created_at_ms=NOON_MS,
    )
    add_interactions(db, project.id, [new])
    row_id = find_ids(db, project.id, [new.task_id])[new.task_id]
    found = StoredDetection(
        interaction_id=row_id,
        session_id=new.session_id,
        created_at_ms=new.created_at_ms,
        detected=True,
        score=1.0,
        detector="rules",
        evidence=Evidence(side="input", quote=canary, reason=canary).model_dump_json(),
    )
    detections.record(db, project.id, event, [found])
    create_definition(db, project.id, definition(f"{canary}-other-event"))
    add_feedback(db, project.id, new.task_id, flag="failure", notes=canary, source="user")
    invitation, token = create_invitation(db, project.id, "editor", invited_by=canary)
    record(db, project.id, who=canary, action="key created", what=canary)
    view = save_view(db, project.id, page="sessions", name=f"{canary} view", query=f"q={canary}")
    webhook = add_webhook(
        db,
        project.id,
        url="sealed:none",
        shown_url=f"https://{canary}.example",
        format_name="json",
        secret="sealed:none",
        definition_ids=None,
        page_url="https://phospho.example",
    )
    message = deliveries.add_test(db, webhook)
    db.execute("update webhook_deliveries set state = 'parked' where id = :id", vars(message))
    rule = add_rule(db, project.id, event.id, Terms(60, 1))
    alerts.fire(db, rule, count=1, usual=None, at_ms=now_ms())
    gone = session_details.create_session(db, project.id, None)
    erasure = erasures.ask(db, project.id, "session", gone, who=f"{canary} somebody")
    erasures.end_removing(db, erasure)
    erasures.verify(db, erasures.Checked(), until_ms=now_ms())
    place = Place(
        project_id=project.id,
        session_id=new.session_id,
        task_id=new.task_id,
        user_id=f"{name}-user",
        event_id=event.id,
        definition_id=event.id,
        key_id=key.id,
        account_id=accounts["viewer"].id,
        invitation_id=invitation.id,
        interaction_id=row_id,
        key=secret,
        revoked_key=old_secret,
        invitation=token,
        view_id=view.id,
        webhook_id=webhook.id,
        message_id=message.id,
        rule_id=rule.id,
        erasure_id=erasure.id,
        project_name=project.name,
    )
    return place, accounts["editor"], accounts["owner"]
