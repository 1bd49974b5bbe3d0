"""Users: who they are, when they came, and how much they said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from phospho_server.clock import day_of
from phospho_server.errors import NotFoundError
from phospho_server.store import Connection, cursors, user_days
from phospho_server.store.rows import NewInteraction
from phospho_server.store.walking import Way, walk

PAGE_SIZE = 50

_UPSERT_USER = """
insert into users (project_id, user_id, first_at_ms, last_at_ms, interactions, tokens)
values (:project_id, :user_id, :first_at_ms, :last_at_ms, :interactions, :tokens)
on conflict (project_id, user_id) do update set
    first_at_ms = case when excluded.first_at_ms < users.first_at_ms
        then excluded.first_at_ms else users.first_at_ms end,
    last_at_ms = case when excluded.last_at_ms > users.last_at_ms
        then excluded.last_at_ms else users.last_at_ms end,
    interactions = users.interactions + excluded.interactions,
    tokens = users.tokens + excluded.tokens
"""


def roll_up(
    db: Connection, project_id: str, new: Iterable[tuple[NewInteraction, int | None]]
) -> None:
    """Add interactions, each with its tokens, to their users, and count each user once a day."""
    times: dict[str, list[int]] = {}
    used: Counter[str] = Counter()
    for interaction, tokens in new:
        if interaction.user_id:
            times.setdefault(interaction.user_id, []).append(interaction.created_at_ms)
            used[interaction.user_id] += tokens or 0
    db.execute_many(
        _UPSERT_USER,
        [
            {
                "project_id": project_id,
                "user_id": user_id,
                "first_at_ms": min(at),
                "last_at_ms": max(at),
                "interactions": len(at),
                "tokens": used[user_id],
            }
            for user_id, at in times.items()
        ],
    )
    user_days.add_days(
        db, project_id, {(u, day_of(at)) for u, all_at in times.items() for at in all_at}
    )


@dataclass(frozen=True)
class UserRow:
    """A user of the app.

    Args:
        tokens: That a model read and wrote for them, as far as that was logged.
    """

    user_id: str
    first_at_ms: int
    last_at_ms: int
    interactions: int
    sessions: int
    tokens: int


@dataclass(frozen=True)
class UserPage:
    """One page of users; `next_cursor` continues it."""

    users: Sequence[UserRow]
    next_cursor: str | None


# The column that orders a list, and whether it does so downwards.
SORTS = {
    "newest": ("last_at_ms", True),
    "oldest": ("last_at_ms", False),
    "most": ("interactions", True),
}

_COLUMNS = (
    "u.user_id, u.first_at_ms, u.last_at_ms, u.interactions, u.tokens, "
    "coalesce(f.sessions, 0) as sessions"
)
_SESSIONS = (
    "left join facts f on f.project_id = u.project_id and f.fact = 'user' and f.value = u.user_id"
)


def list_users(
    db: Connection,
    project_id: str,
    *,
    starts_with: str = "",
    since_ms: int | None = None,
    until_ms: int | None = None,
    sort: str = "newest",
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> UserPage:
    """Return users, those that were seen last first.

    Args:
        db: A connection.
        project_id: The project.
        starts_with: Of their ids.
        since_ms: They were last seen then or later.
        until_ms: They were last seen before then.
        sort: One of `SORTS`; where the id is asked for, the ids give the order.
        cursor: `next_cursor` of the page before.
        limit: Users a page.

    Raises:
        InvalidError: The cursor is not one of ours.
    """
    column, is_down = SORTS[sort]
    keys, where = [f"u.{column}", "u.user_id"], ["u.project_id = :project_id"]
    if starts_with:
        keys, is_down = ["u.user_id"], False
        where.append("u.user_id >= :starts_with and u.user_id < :ends_before")
    period = []
    if since_ms is not None:
        period.append("u.last_at_ms >= :since_ms")
    if until_ms is not None:
        period.append("u.last_at_ms < :until_ms")
    is_by_time = column == "last_at_ms" and not starts_with
    params = {
        "project_id": project_id,
        "starts_with": starts_with,
        # The last character there is comes after whatever follows.
        "ends_before": starts_with + "\U0010ffff",
        "since_ms": since_ms,
        "until_ms": until_ms,
    }
    place = cursors.read(cursor) if cursor is not None else None
    rows, next_place = walk(
        db,
        Way("users u", keys, is_down, [*where, *(period if is_by_time else [])], params),
        columns=_COLUMNS,
        join=_SESSIONS,
        conditions=[] if is_by_time else period,
        place=None if place is None else [place.id] if starts_with else [place.key, place.id],
        limit=limit,
    )
    return UserPage(
        [UserRow(**row) for row in rows],
        cursors.write(cursors.of(next_place)) if next_place else None,
    )


def get_user(db: Connection, project_id: str, user_id: str) -> UserRow:
    """Return one user.

    Raises:
        NotFoundError: The project has heard of no such user.
    """
    row = db.row(
        f"select {_COLUMNS} from users u {_SESSIONS} "
        "where u.project_id = :project_id and u.user_id = :user_id",
        {"project_id": project_id, "user_id": user_id},
    )
    if row is None:
        raise NotFoundError("This project has no user with this id. Look in the users list.")
    return UserRow(**dict(row))
