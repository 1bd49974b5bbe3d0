"""Interactions with everything they arrived with, as files carry them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from phospho_server.store import Connection, in_list
from phospho_server.store.rows import NewInteraction

_COLUMNS = ", ".join(each.name for each in fields(NewInteraction))


def list_whole(db: Connection, project_id: str, ids: Sequence[int]) -> list[NewInteraction]:
    """Return interactions by their row ids, in the order in which they arrived."""
    text, params = in_list("i", ids)
    rows = db.rows(
        f"select {_COLUMNS} from interactions "
        f"where project_id = :project_id and id {text} order by id",
        {"project_id": project_id, **params},
    )
    return [NewInteraction(**dict(row)) for row in rows]
