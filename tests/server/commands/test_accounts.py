"""`phospho accounts`, and what the commands leave in the audit log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from phospho_server.commands import phospho
from phospho_server.passwords import is_password
from phospho_server.store import audit_log, sign_ins
from phospho_server.store.accounts import find_account, find_password_hash
from phospho_server.store.invitations import find_invitation
from phospho_server.store.sqlite import SqliteStore

ANA, PASSWORD = "ana@example.com", "a password of a test"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "phospho.db"
    monkeypatch.setenv("PHOSPHO_DATABASE_URL", str(path))
    return path


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(phospho, arguments, input=given)


def run_json(*arguments: str, given: str | None = None) -> Any:
    result = run(*arguments, "--json", given=given)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def create(email: str = ANA, *options: str, password: str = PASSWORD) -> Any:
    return run_json("accounts", "create", email, "--password-stdin", *options, given=password)


def noted(database: Path, project_id: str | None = None) -> list[str]:
    store = SqliteStore(database)
    with store.read() as db:
        entries = audit_log.list_entries(db, project_id).entries
    store.close()
    return [f"{e.who} | {e.action} | {e.what}" for e in reversed(entries)]


def test_the_first_account_owns_the_server_and_others_where_asked(database: Path) -> None:
    first = create("Ana@Example.com")
    assert first == {"account_id": first["account_id"], "email": ANA, "owns_server": True}
    assert first["account_id"].startswith("acc_")
    assert create("ben@example.com")["owns_server"] is False
    assert create("eva@example.com", "--owner")["owns_server"] is True
    listed = run_json("accounts", "list")
    assert [row["email"] for row in listed] == [ANA, "ben@example.com", "eva@example.com"]
    assert "ben@example.com" in run("accounts", "list").output
    assert noted(database)[0] == f"command line | account created | {ANA}, owns the server"


@pytest.mark.parametrize("given", [PASSWORD, f"{PASSWORD}\n", f"{PASSWORD}\r\n"])
def test_the_password_is_read_from_standard_input(database: Path, given: str) -> None:
    create(password=given)
    store = SqliteStore(database)
    with store.read() as db:
        assert is_password(find_password_hash(db, ANA), PASSWORD)
    store.close()


def test_without_the_option_the_password_is_asked_for_twice(database: Path) -> None:
    result = run("accounts", "create", ANA, given=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert "It owns the server" in result.output
    assert PASSWORD not in result.output


@pytest.mark.parametrize(
    ("arguments", "given", "says"),
    [
        pytest.param(["create", "ana"], PASSWORD, "This is no e-mail", id="no-e-mail"),
        pytest.param(["create", "b@c.example"], "short", "at least 10", id="short"),
        pytest.param(["create", "b@c.example"], "", "at least 10", id="nothing"),
        pytest.param(["create", ANA], PASSWORD, "already", id="taken"),
        pytest.param(["password", "b@c.example"], PASSWORD, "phospho accounts list", id="unknown"),
        pytest.param(["password", ANA], "short", "at least 10", id="short-again"),
    ],
)
def test_a_mistake_gets_a_message(
    database: Path, arguments: list[str], given: str, says: str
) -> None:
    create()
    result = run("accounts", *arguments, "--password-stdin", given=given)
    assert result.exit_code == 1
    assert says in result.output
    assert len(run_json("accounts", "list")) == 1


def test_without_an_account_the_list_says_how_to_make_one(database: Path) -> None:
    assert "phospho accounts create EMAIL" in run("accounts", "list").output


def test_an_invitation_is_a_link(database: Path) -> None:
    project_id = run_json("projects", "create", "Support bot")["project_id"]
    options = ["--project", project_id, "--role", "editor", "--base-url", "https://p.example/"]
    made = run_json("accounts", "invite", *options)
    assert (made["project_id"], made["role"]) == (project_id, "editor")
    assert made["invitation_url"].startswith("https://p.example/signup?invitation=")
    store = SqliteStore(database)
    with store.read() as db:
        invitation = find_invitation(db, made["invitation_url"].partition("=")[2])
    store.close()
    assert invitation is not None
    assert (invitation.role, invitation.invited_by) == ("editor", "command line")
    shown = run("accounts", "invite", "--project", project_id).output
    assert shown.startswith("http://127.0.0.1:8000/signup?invitation=")
    unknown = run("accounts", "invite", "--project", "proj_none")
    assert "phospho projects list" in unknown.output
    assert run("accounts", "invite", "--project", project_id, "--role", "king").exit_code == 2


def test_a_forgotten_password_is_set_anew_and_ends_the_sign_ins(database: Path) -> None:
    create()
    store = SqliteStore(database)
    with store.read() as db:
        account = find_account(db, ANA)
    token = store.write(lambda db: sign_ins.create_sign_in(db, account))
    result = run("accounts", "password", ANA, "--password-stdin", given="quite another one")
    assert "It has to sign in again everywhere" in result.output
    with store.read() as db:
        assert is_password(find_password_hash(db, ANA), "quite another one")
        assert sign_ins.find_sign_in(db, token) is None
    store.close()
    run_json("accounts", "password", ANA, "--password-stdin", given=PASSWORD)
    assert noted(database)[1:] == [f"command line | password changed | {ANA}"] * 2


def test_an_account_is_deleted_but_never_the_last_owner(database: Path) -> None:
    create()
    create("ben@example.com")
    refused = run("accounts", "delete", ANA)
    assert refused.exit_code == 1
    assert "phospho accounts create EMAIL --owner" in refused.output
    assert "is deleted" in run("accounts", "delete", "Ben@example.com").output
    assert [row["email"] for row in run_json("accounts", "list")] == [ANA]
    assert run("accounts", "delete", "ben@example.com").exit_code == 1
    create("eva@example.com", "--owner")
    assert run_json("accounts", "delete", ANA)["email"] == ANA


def test_what_commands_change_in_a_project_is_noted(database: Path) -> None:
    made = run_json("projects", "create", "Support bot")
    project_id = made["project_id"]
    key = run_json("keys", "create", project_id, "--name", "ci")
    run_json("keys", "revoke", key["key_id"])
    run_json("events", "create", project_id, "refund", "The user said 'refund'")
    run_json("accounts", "invite", "--project", project_id)
    prefix = f"{key['api_key'][:9]}…"
    assert [line.removeprefix("command line | ") for line in noted(database, project_id)] == [
        "project created | Support bot",
        f"key created | first key ({made['api_key'][:9]}…)",
        f"key created | ci ({prefix})",
        f"key revoked | ci ({prefix})",
        "event created | refund",
        "member invited | as viewer",
    ]
