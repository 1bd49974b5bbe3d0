"""Interactions that turn out to be different once more of them is known."""

from __future__ import annotations

import json
from dataclasses import replace

from phospho_server.store import Connection, changing, erasing, interactions
from phospho_server.store.rows import NewInteraction

_TEXTS = ("input", "output", "raw_input", "raw_output", "steps")


def amend_interaction(
    db: Connection, project_id: str, task_id: str, changed: NewInteraction
) -> bool:
    """Let an interaction be as if it had arrived in another form, and all counts with it.

    Its feedback stays. What is said in it is looked at again where the texts changed.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        task_id: The interaction.
        changed: What it is now. `flag` and `notes` are not looked at.

    Returns:
        Whether there is such an interaction.
    """
    row = db.row(
        f"select id, session_id, created_at_ms, flag, notes, {', '.join(_TEXTS)} "
        "from interactions where project_id = :project_id and task_id = :task_id",
        {"project_id": project_id, "task_id": task_id},
    )
    if row is None:
        return False
    if (row["session_id"], row["created_at_ms"]) != (changed.session_id, changed.created_at_ms):
        _move(db, project_id, row["id"], replace(changed, task_id=task_id))
        return True
    new = {name: getattr(changed, name) for name in _TEXTS}
    old = {name: row[name] for name in _TEXTS}
    if new != old:
        _retell(db, project_id, row["id"], old, new)
    before = changing.find(db, project_id, task_id)
    if before is not None:
        metadata = json.loads(changed.metadata or "{}")
        after = replace(
            before,
            user_id=changed.user_id,
            version_id=changed.version_id,
            metadata=changed.metadata,
            tokens=interactions.tokens_of(metadata),
        )
        if after != before:
            changing.replace_kept(db, project_id, before, after)
    return True


def _retell(
    db: Connection,
    project_id: str,
    interaction_id: int,
    old: dict[str, str | None],
    new: dict[str, str | None],
) -> None:
    """Replace what was said, and have it looked at again where it reads differently."""
    mine = {"project_id": project_id, "id": interaction_id}
    if any(old[name] != new[name] for name in ("input", "output")):
        changing.replace_texts(db, project_id, interaction_id, new)
        if old["input"] != new["input"]:
            _follow_in_session(db, mine)
        return
    assigned = ", ".join(f"{name} = :{name}" for name in _TEXTS)
    db.execute(
        f"update interactions set {assigned} where project_id = :project_id and id = :id",
        {**new, **mine},
    )


def _follow_in_session(db: Connection, mine: dict[str, object]) -> None:
    """Let a session begin with what was said first in it."""
    session = db.row(
        "select session_id from interactions where project_id = :project_id and id = :id", mine
    )
    if session is None:
        return
    here = {"project_id": mine["project_id"], "session_id": session["session_id"]}
    first = db.row(
        f"select substr(input, 1, {interactions.PREVIEW_LENGTH}) as input from interactions "
        "where project_id = :project_id and session_id = :session_id "
        "order by created_at_ms, id limit 1",
        here,
    )
    if first is not None:
        db.execute(
            "update sessions set first_input = :input "
            "where project_id = :project_id and session_id = :session_id",
            {**here, "input": first["input"]},
        )


def _move(db: Connection, project_id: str, interaction_id: int, changed: NewInteraction) -> None:
    """Let an interaction stand in another session, or at another time."""
    mine = {"project_id": project_id, "task_id": changed.task_id}
    feedback = [
        dict(row)
        for row in db.rows(
            "select * from feedback where project_id = :project_id and task_id = :task_id", mine
        )
    ]
    erasing.remove_interactions(db, project_id, [interaction_id], keep_numbers=False)
    for row in feedback:
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        db.execute(f"insert into feedback ({names}) values ({values})", row)
    interactions.add_interactions(db, project_id, [changed])
