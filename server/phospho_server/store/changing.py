"""Interactions that change after they were stored; all that was summed up of them follows.

Metadata is added to, with it the user and the version that it names; an answer that was missing
comes. What else differs is another interaction: the old one is removed and a new one added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phospho.snapshot import MAX_METADATA_CHARS
from phospho_server.errors import InvalidError
from phospho_server.store import (
    Connection,
    app_versions,
    facts,
    jobs,
    search,
    users,
)
from phospho_server.store.facts import FactChange
from phospho_server.store.interactions import tokens_of
from phospho_server.store.users import Said


@dataclass(frozen=True)
class Kept:
    """What of an interaction is summed up, beside its texts."""

    id: int
    session_id: str
    created_at_ms: int
    user_id: str | None
    version_id: str | None
    flag: str | None
    tokens: int | None
    metadata: str | None


def add_metadata(
    db: Connection,
    project_id: str,
    task_id: str,
    metadata: Mapping[str, Any],
    *,
    user_id: str | None = None,
    version_id: str | None = None,
) -> bool:
    """Add to the metadata of an interaction; a key that it has gets the new value.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        task_id: The interaction.
        metadata: What to add: a JSON object whose texts are clean.
        user_id: Whose it is from now on; None leaves who it was.
        version_id: Of which version; None leaves which it was.

    Returns:
        Whether there is such an interaction.

    Raises:
        InvalidError: The metadata would be too long.
    """
    before = find(db, project_id, task_id)
    if before is None:
        return False
    merged = {**json.loads(before.metadata or "{}"), **metadata}
    dumped = json.dumps(merged, ensure_ascii=False, separators=(",", ":")) if merged else None
    if dumped and len(dumped) > MAX_METADATA_CHARS:
        raise InvalidError(
            f"The metadata would have {len(dumped):,} characters as JSON; at most "
            f"{MAX_METADATA_CHARS:,} are kept. Send less."
        )
    after = Kept(
        id=before.id,
        session_id=before.session_id,
        created_at_ms=before.created_at_ms,
        user_id=user_id or before.user_id,
        version_id=version_id or before.version_id,
        flag=before.flag,
        tokens=tokens_of(merged),
        metadata=dumped,
    )
    if after != before:
        replace_kept(db, project_id, before, after)
    return True


def find(db: Connection, project_id: str, task_id: str) -> Kept | None:
    """Return what of an interaction is summed up, or None."""
    row = db.row(
        "select id, session_id, created_at_ms, user_id, version_id, flag, tokens, metadata "
        "from interactions where project_id = :project_id and task_id = :task_id",
        {"project_id": project_id, "task_id": task_id},
    )
    return Kept(**dict(row)) if row else None


def replace_kept(db: Connection, project_id: str, before: Kept, after: Kept) -> None:
    """Let user, version, metadata and tokens be others, and every count follow."""
    was_true = facts.list_of_interactions(db, project_id, [before.id])[before.id]
    events = list_events(db, project_id, before.id)
    is_other_version = after.version_id != before.version_id
    if is_other_version:
        _count_events(db, project_id, events, before.id, -1)
    db.execute(
        "update interactions set user_id = :user_id, version_id = :version_id, "
        "metadata = :metadata, tokens = :tokens where id = :id",
        vars(after),
    )
    if is_other_version:
        _count_events(db, project_id, events, before.id, 1)
        app_versions.move_interaction(
            db,
            project_id,
            (before.version_id, after.version_id),
            created_at_ms=before.created_at_ms,
            flag=before.flag,
        )
    is_true = facts.list_of_interactions(db, project_id, [before.id])[before.id]
    facts.move(
        db,
        project_id,
        [
            FactChange(before.session_id, [f for f in these if f not in others], n, [before.id])
            for these, others, n in ((was_true, is_true, -1), (is_true, was_true, 1))
        ],
    )
    _follow_in_users(db, project_id, before, after)
    _follow_in_session(db, project_id, before, after)


def list_events(db: Connection, project_id: str, interaction_id: int) -> list[str]:
    """Return the definitions of the events of an interaction, those that are not deleted."""
    rows = db.rows(
        "select d.definition_id from detections d join event_definitions e "
        "on e.id = d.definition_id and e.deleted_at_ms is null "
        "where d.project_id = :project_id and d.interaction_id = :id and d.detected = 1",
        {"project_id": project_id, "id": interaction_id},
    )
    return [row["definition_id"] for row in rows]


def _count_events(
    db: Connection, project_id: str, events: list[str], interaction_id: int, difference: int
) -> None:
    """Count the events of an interaction, or no longer, in the version that it has."""
    for definition_id in events:
        mine = {"project_id": project_id, "definition_id": definition_id}
        app_versions.add_events(db, mine, [(interaction_id, difference)])


def _follow_in_users(db: Connection, project_id: str, before: Kept, after: Kept) -> None:
    was, said = (
        [Said(kept.user_id, kept.created_at_ms, kept.tokens or 0)] if kept.user_id else []
        for kept in (before, after)
    )
    if was == said:
        return
    if before.user_id == after.user_id:
        db.execute(
            "update users set tokens = tokens + :more "
            "where project_id = :project_id and user_id = :user_id",
            {
                "project_id": project_id,
                "user_id": after.user_id,
                "more": said[0].tokens - was[0].tokens,
            },
        )
        return
    users.take_out(db, project_id, was, keep_numbers=False)
    users.roll_up(db, project_id, said)


def _follow_in_session(db: Connection, project_id: str, before: Kept, after: Kept) -> None:
    """Let the session be of the user and the version that were heard of last."""
    mine = {"project_id": project_id, "session_id": before.session_id}
    changed = {
        name: getattr(after, name)
        for name in ("user_id", "version_id")
        if getattr(after, name) != getattr(before, name)
    }
    for name, value in changed.items():
        db.execute(
            f"update sessions set {name} = :value "
            "where project_id = :project_id and session_id = :session_id",
            {**mine, "value": value},
        )


def answer(db: Connection, project_id: str, interaction_id: int, output: str) -> None:
    """Give an interaction the answer that was missing, and have it looked at again.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        interaction_id: The row of `interactions`, which has no output.
        output: What the app answered.
    """
    replace_texts(db, project_id, interaction_id, {"output": output})


def replace_texts(
    db: Connection, project_id: str, interaction_id: int, texts: Mapping[str, str | None]
) -> None:
    """Replace what was said in an interaction, and have it looked at again.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        interaction_id: The row of `interactions`.
        texts: By column, what stands there from now on.
    """
    mine = {"project_id": project_id, "id": interaction_id}
    search.remove_from_index(db, [interaction_id])
    assigned = ", ".join(f"{name} = :{name}" for name in texts)
    db.execute(
        f"update interactions set {assigned} where project_id = :project_id and id = :id",
        {**texts, **mine},
    )
    search.add_to_index(db, [interaction_id])
    db.execute("delete from vectors where project_id = :project_id and interaction_id = :id", mine)
    jobs.add_detect(db, project_id, [interaction_id])
