"""`phospho keys`."""

from __future__ import annotations

from datetime import datetime, timezone

import click

from phospho_server.commands import (
    database_option,
    json_option,
    note,
    opened,
    phospho,
    show_json,
    show_table,
)
from phospho_server.store import Connection
from phospho_server.store.projects import create_key, list_keys, revoke_key
from phospho_server.store.rows import ApiKey


@phospho.group()
def keys() -> None:
    """Make, list and revoke API keys."""


@keys.command()
@click.argument("project_id")
@click.option("--name", default="from the command line", show_default=True)
@json_option
@database_option
def create(project_id: str, name: str, database: str, *, as_json: bool) -> None:
    """Make an API key for PROJECT_ID. It is shown this once."""

    def make(db: Connection) -> tuple[ApiKey, str]:
        key, secret = create_key(db, project_id, name)
        note(db, project_id, "key created", f"{key.name} ({key.prefix}…)")
        return key, secret

    with opened(database) as store:
        key, secret = store.write(make)
    if as_json:
        show_json({"key_id": key.id, "api_key": secret})
        return
    click.echo(f"PHOSPHO_API_KEY={secret}")


@keys.command("list")
@click.argument("project_id")
@json_option
@database_option
def list_(project_id: str, database: str, *, as_json: bool) -> None:
    """List the API keys of PROJECT_ID, without their secrets."""
    with opened(database) as store, store.read() as db:
        rows = [
            {
                "key_id": key.id,
                "name": key.name,
                "starts_with": key.prefix,
                "created": _iso(key.created_at_ms),
                "last_used": _iso(key.last_used_at_ms),
                "revoked": _iso(key.revoked_at_ms),
            }
            for key in list_keys(db, project_id)
        ]
    if as_json:
        show_json(rows)
        return
    show_table(rows, empty=f"There is no key yet. Make one: phospho keys create {project_id}")


@keys.command()
@click.argument("key_id")
@json_option
@database_option
def revoke(key_id: str, database: str, *, as_json: bool) -> None:
    """Make the key KEY_ID useless, at once and for good."""

    def revoke_it(db: Connection) -> None:
        key = revoke_key(db, key_id)
        note(db, key.project_id, "key revoked", f"{key.name} ({key.prefix}…)")

    with opened(database) as store:
        store.write(revoke_it)
    if as_json:
        show_json({"key_id": key_id, "revoked": True})
        return
    click.echo(f"{key_id} is revoked. Programs that use it are refused from now on.")


def _iso(at_ms: int | None) -> str | None:
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, timezone.utc).isoformat(timespec="seconds")
