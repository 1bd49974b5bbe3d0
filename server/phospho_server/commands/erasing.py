"""`phospho erase`."""

from __future__ import annotations

import time

import click

from phospho_server import receipts
from phospho_server.commands import database_option, json_option, note, opened, phospho, show_json
from phospho_server.erasing import Erasing
from phospho_server.errors import InvalidError
from phospho_server.portions import Carrier
from phospho_server.store import Connection, Store, audit_log, erasures
from phospho_server.store.erasures import Erasure, Kind

# Between looks at whether what is in the way has ended.
_PAUSE_S = 0.2


@phospho.command()
@click.option("--project", "project_id", required=True, help="The project's id.")
@click.option("--user", "user_id", help="Erase all that this user said.")
@click.option("--session", "session_id", help="Erase this session.")
@click.option("--receipt", "erasure_id", help="Erase nothing; print the receipt of an erasure.")
@click.option(
    "--wait",
    "wait_s",
    default=60,
    show_default=True,
    type=click.IntRange(0),
    help="Seconds to wait until it is verified; the server goes on with it afterwards.",
)
@json_option
@database_option
def erase(
    project_id: str,
    user_id: str | None,
    session_id: str | None,
    erasure_id: str | None,
    wait_s: int,
    database: str,
    *,
    as_json: bool,
) -> None:
    """Erase a user or a session for good, also while the server runs, and print the receipt.

    The receipt names nobody: it has a hash, by which whoever knows the id recognises it.
    """
    if sum(given is not None for given in (user_id, session_id, erasure_id)) != 1:
        raise InvalidError("Give one of --user, --session and --receipt.")
    with opened(database) as store:
        if erasure_id is None:
            kind: Kind = "session" if user_id is None else "user"
            target = user_id if session_id is None else session_id
            erasure_id = store.write(lambda db: _ask(db, project_id, kind, target or "")).id
            _carry_out(store, project_id, erasure_id, wait_s=wait_s)
        with store.read() as db:
            erasure = erasures.get_erasure(db, project_id, erasure_id)
    if as_json:
        show_json(receipts.to_answer(erasure).model_dump(mode="json"))
        return
    click.echo("\n".join(receipts.to_lines(erasure)))


def _ask(db: Connection, project_id: str, kind: Kind, target: str) -> Erasure:
    erasure = erasures.ask(db, project_id, kind, target, who=audit_log.BY_COMMAND)
    note(db, project_id, *receipts.to_audit(erasure))
    return erasure


def _carry_out(store: Store, project_id: str, erasure_id: str, *, wait_s: int) -> None:
    """Erase until it is verified, or for so long."""
    erasing = Erasing(store, Carrier(store))
    deadline_s = time.monotonic() + wait_s
    while time.monotonic() < deadline_s:
        with store.read() as db:
            if erasures.get_erasure(db, project_id, erasure_id).state == "verified":
                return
        if not erasing.run_once():
            time.sleep(_PAUSE_S)
