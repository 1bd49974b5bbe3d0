"""`phospho accounts`."""

from __future__ import annotations

import sys

import click

from phospho_server.commands import (
    base_url_option,
    database_option,
    json_option,
    note,
    opened,
    phospho,
    show_json,
    show_table,
)
from phospho_server.passwords import check_password, hash_password
from phospho_server.store import Connection
from phospho_server.store import accounts as store
from phospho_server.store.accounts import Account, clean_email, get_account
from phospho_server.store.audit_log import BY_COMMAND
from phospho_server.store.invitations import create_invitation
from phospho_server.store.memberships import ROLES, Role
from phospho_server.store.sign_ins import end_sign_ins


@phospho.group()
def accounts() -> None:
    """Make, invite, list and delete the accounts of people who sign in."""


password_option = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input, instead of asking for it.",
)


@accounts.command()
@click.argument("email")
@password_option
@click.option("--owner", "is_owner", is_flag=True, help="Let it own the server, as the first does.")
@json_option
@database_option
def create(
    email: str, database: str, *, password_stdin: bool, is_owner: bool, as_json: bool
) -> None:
    """Make an account for EMAIL. The first one owns the server; others see no project yet."""
    password_hash = _ask_password(clean_email(email), from_stdin=password_stdin)

    def make(db: Connection) -> Account:
        account = store.create_account(db, email, password_hash, is_owner=is_owner or None)
        owns = ", owns the server" if account.is_owner else ""
        note(db, None, "account created", f"{account.email}{owns}")
        return account

    with opened(database) as opened_store:
        account = opened_store.write(make)
    if as_json:
        show_json(_to_json(account))
        return
    click.echo(f"{account.email} can sign in.{' It owns the server.' if account.is_owner else ''}")


@accounts.command()
@click.option("--project", "project_id", required=True, metavar="PROJECT_ID")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True)
@base_url_option
@json_option
@database_option
def invite(project_id: str, role: Role, base_url: str, database: str, *, as_json: bool) -> None:
    """Print a link that lets somebody join a project. It works once, for 7 days."""

    def make(db: Connection) -> str:
        _, token = create_invitation(db, project_id, role, invited_by=BY_COMMAND)
        note(db, project_id, "member invited", f"as {role}")
        return token

    with opened(database) as opened_store:
        token = opened_store.write(make)
    link = f"{base_url.rstrip('/')}/signup?invitation={token}"
    if as_json:
        show_json({"invitation_url": link, "project_id": project_id, "role": role})
        return
    click.echo(link)


@accounts.command("list")
@json_option
@database_option
def list_(database: str, *, as_json: bool) -> None:
    """List the accounts."""
    with opened(database) as opened_store, opened_store.read() as db:
        rows = [_to_json(account) for account in store.list_accounts(db)]
    if as_json:
        show_json(rows)
        return
    show_table(
        [{**row, "owns_server": "yes" if row["owns_server"] else "no"} for row in rows],
        empty="There is no account yet. Make one: phospho accounts create EMAIL",
    )


@accounts.command()
@click.argument("email")
@password_option
@json_option
@database_option
def password(email: str, database: str, *, password_stdin: bool, as_json: bool) -> None:
    """Give the account EMAIL another password, and end its sign-ins."""
    with opened(database) as opened_store:
        with opened_store.read() as db:
            account = get_account(db, email)
        password_hash = _ask_password(account.email, from_stdin=password_stdin)

        def change(db: Connection) -> None:
            store.set_password_hash(db, account.id, password_hash)
            end_sign_ins(db, account)
            note(db, None, "password changed", account.email)

        opened_store.write(change)
    if as_json:
        show_json(_to_json(account))
        return
    click.echo(f"{account.email} has another password. It has to sign in again everywhere.")


@accounts.command()
@click.argument("email")
@json_option
@database_option
def delete(email: str, database: str, *, as_json: bool) -> None:
    """Delete the account EMAIL. It is signed out everywhere at once."""

    def change(db: Connection) -> Account:
        account = get_account(db, email)
        store.delete_account(db, account)
        note(db, None, "account deleted", account.email)
        return account

    with opened(database) as opened_store:
        account = opened_store.write(change)
    if as_json:
        show_json(_to_json(account))
        return
    click.echo(f"{account.email} is deleted. Who used it is signed out.")


def _ask_password(email: str, *, from_stdin: bool) -> str:
    """Return the hash of a password that is read or asked for."""
    if from_stdin:
        given = sys.stdin.read().rstrip("\r\n")
    else:
        given = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    check_password(given, email)
    return hash_password(given)


def _to_json(account: Account) -> dict[str, object]:
    return {
        "account_id": account.id,
        "email": account.email,
        "owns_server": account.is_owner,
    }
