"""Projects to choose from: the few that a drop-down has room for, and all by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from phospho_server.store import Connection, in_list
from phospho_server.store.accounts import Account
from phospho_server.store.memberships import visible_to
from phospho_server.store.rows import Project

_COLUMNS = "id, name, created_at_ms"


def list_recent(
    db: Connection, account: Account | None, used: Sequence[str], *, most: int
) -> tuple[list[Project], bool]:
    """Return the projects used last, then the newest, and whether there are more.

    Args:
        db: A connection.
        account: Who may see them; None owns the server.
        used: Ids, that used last first; those of projects that are no more are left out.
        most: How many to return.
    """
    text, params = in_list("p", used)
    visible, mine = visible_to(account)
    rows = db.rows(
        f"select {_COLUMNS} from projects where {visible} and id {text}", {**mine, **params}
    )
    known = {row["id"]: Project(**dict(row)) for row in rows}
    newest = db.rows(
        f"select {_COLUMNS} from projects where {visible} order by id desc limit :limit",
        {**mine, "limit": most + 1},
    )
    chosen = {id_: known[id_] for id_ in used if id_ in known}
    for row in newest:
        chosen.setdefault(row["id"], Project(**dict(row)))
    return list(chosen.values())[:most], len(chosen) > most


def find_by_name(db: Connection, account: Account | None, words: str) -> Sequence[Project]:
    """Return the projects that somebody may see and whose name holds the words, by name.

    A project is found by its id, too.
    """
    visible, mine = visible_to(account)
    # Letters of every script are compared without their case, which the database does for ASCII.
    sought = words.casefold()
    found = [
        Project(row["id"], row["name"], row["created_at_ms"])
        for row in db.rows(f"select {_COLUMNS} from projects where {visible}", mine)
        if sought in row["name"].casefold() or words == row["id"]
    ]
    return sorted(found, key=lambda project: (project.name.casefold(), project.id))


def list_last_messages(db: Connection, project_ids: Sequence[str]) -> Mapping[str, int]:
    """Return when a message was last sent, for those of the projects that have some."""
    text, params = in_list("p", project_ids)
    rows = db.rows(
        "select id, (select max(s.last_at_ms) from sessions s where s.project_id = projects.id) "
        f"as last_at_ms from projects where id {text}",
        params,
    )
    return {row["id"]: row["last_at_ms"] for row in rows if row["last_at_ms"] is not None}
