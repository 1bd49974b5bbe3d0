"""Users: who they are, when they came, and how much they said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from phospho_server.clock import day_of
from phospho_server.errors import NotFoundError
from phospho_server.store import Connection, cursors, user_days
from phospho_server.store.filters import Asked, Filter, resolve
from phospho_server.store.walking import Way, walk

PAGE_SIZE = 50

# Users that are looked at for one page: each may have many sessions to look into.
MOST_CANDIDATES = 200

# Sessions of a user that are looked into: some users are a program that never ends.
MOST_SESSIONS = 1_000

# The users of so few sessions are found by these, not by a walk among all users.
FEW_SESSIONS = 500

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


class Said(NamedTuple):
    """Something that a user said, and the tokens it took."""

    user_id: str
    created_at_ms: int
    tokens: int


def roll_up(db: Connection, project_id: str, said: Iterable[Said]) -> None:
    """Add what users said to their rows, and count each user once a day."""
    times: dict[str, list[int]] = {}
    used: Counter[str] = Counter()
    for each in said:
        times.setdefault(each.user_id, []).append(each.created_at_ms)
        used[each.user_id] += each.tokens
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


def take_out(
    db: Connection, project_id: str, said: Sequence[Said], *, keep_numbers: bool = True
) -> None:
    """Let users be those of what is left; who said nothing that is left is forgotten.

    Args:
        db: A connection in a write transaction, in which the interactions are no longer theirs.
        project_id: The project.
        said: What is no longer theirs.
        keep_numbers: Whether they were there on those days, so that these count them still.
    """
    removed = Counter(each.user_id for each in said)
    tokens = Counter[str]()
    for each in said:
        tokens[each.user_id] += each.tokens
    for user_id, n in removed.items():
        mine = {"project_id": project_id, "user_id": user_id}
        of_user = "from interactions where project_id = :project_id and user_id = :user_id"
        # Apart, each is one step to an end of the index.
        seen = db.row(
            f"select (select min(created_at_ms) {of_user}) as first, "
            f"(select max(created_at_ms) {of_user}) as last",
            mine,
        )
        if seen is None or seen["first"] is None:
            db.execute(
                "delete from users where project_id = :project_id and user_id = :user_id", mine
            )
            continue
        db.execute(
            "update users set first_at_ms = :first, last_at_ms = :last, "
            "interactions = interactions - :n, tokens = tokens - :tokens "
            "where project_id = :project_id and user_id = :user_id",
            {
                **mine,
                "first": seen["first"],
                "last": seen["last"],
                "n": n,
                "tokens": tokens[user_id],
            },
        )
    days = {(each.user_id, day_of(each.created_at_ms)) for each in said}
    user_days.forget_days(db, project_id, days, keep_numbers=keep_numbers)


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

# In the order of the fields of a `UserRow`.
_COLUMNS = (
    "u.user_id, u.first_at_ms, u.last_at_ms, u.interactions, coalesce(f.sessions, 0) as sessions, "
    "u.tokens"
)
# The fact that a user is, of which their sessions are.
_SESSIONS = (
    "left join facts f on f.project_id = u.project_id and f.fact = 'user' and f.value = u.user_id"
)


# The users of the sessions with a fact.
_WITH = (
    "select v.value from session_facts l join session_facts g on g.session_row = l.session_row "
    "join facts v on v.id = g.fact_id and v.fact = 'user' where l.fact_id = :{name}"
)

# Whether one of a user's newest sessions has a fact.
_HAS = (
    "(select 1 from (select last_at_ms, session_row from session_facts where fact_id = f.id "
    " order by last_at_ms desc, session_row desc limit :most_sessions) mine "
    # Both are in the same order, so that neither is read all over.
    "join session_facts g indexed by session_facts_by_fact on g.fact_id = :{name} "
    "and g.last_at_ms = mine.last_at_ms and g.session_row = mine.session_row)"
)


def list_users(
    db: Connection,
    project_id: str,
    wanted: Filter | None = None,
    *,
    starts_with: str = "",
    sort: str = "newest",
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> UserPage:
    """Return the users that match, by default those that were seen last first.

    Args:
        db: A connection.
        project_id: The project.
        wanted: What must hold of a user: its facts, each of one of their sessions; its period, of
            when they were last seen. A list of users asks for no words or lengths.
        starts_with: Of their ids.
        sort: One of `SORTS`; where the id is asked for, the ids give the order.
        cursor: `next_cursor` of the page before.
        limit: Users a page. There may be fewer, and none, with more to come: a page looks at some
            hundreds only.

    Raises:
        InvalidError: The cursor is not one of ours.
    """
    wanted = wanted or Filter()
    place = cursors.read(cursor) if cursor is not None else None
    asked = resolve(db, project_id, wanted, by="sessions")
    if asked is None:
        return UserPage([], None)
    keys, is_down, where, params = _order(project_id, starts_with, sort)
    if asked.lead and asked.lead.sessions <= FEW_SESSIONS:
        where.append(f"u.user_id in ({_WITH.format(name='lead')})")
        params["lead"] = asked.lead.id
        asked = Asked(None, asked.has, asked.lacks)
    period = _period(wanted, params)
    conditions = _conditions(asked.without_lead(), params)
    if keys[0] == "u.last_at_ms":
        where += period
    else:
        conditions += period
    rows, next_place = walk(
        db,
        Way("users u", keys, is_down, where, params),
        columns=_COLUMNS,
        join=_SESSIONS,
        conditions=conditions,
        place=None if place is None else [place.id] if starts_with else [place.key, place.id],
        limit=limit,
        most_candidates=MOST_CANDIDATES,
    )
    return UserPage(
        [UserRow(*row) for row in rows],
        cursors.write(cursors.of(next_place)) if next_place else None,
    )


def _order(
    project_id: str, starts_with: str, sort: str
) -> tuple[list[str], bool, list[str], dict[str, object]]:
    """Return the columns that order a list, whether downwards, and what bounds it there."""
    params: dict[str, object] = {"project_id": project_id}
    if not starts_with:
        column, is_down = SORTS[sort]
        return [f"u.{column}", "u.user_id"], is_down, ["u.project_id = :project_id"], params
    # The last character there is comes after whatever follows.
    params |= {"starts_with": starts_with, "ends_before": starts_with + "\U0010ffff"}
    begins = "u.user_id >= :starts_with and u.user_id < :ends_before"
    return ["u.user_id"], False, ["u.project_id = :project_id", begins], params


def _period(wanted: Filter, params: dict[str, object]) -> list[str]:
    params |= {"since_ms": wanted.since_ms, "until_ms": wanted.until_ms}
    since = ["u.last_at_ms >= :since_ms"] if wanted.since_ms is not None else []
    return since + (["u.last_at_ms < :until_ms"] if wanted.until_ms is not None else [])


def _conditions(asked: Asked, params: dict[str, object]) -> list[str]:
    """Return what a user's sessions have to have, or must not, for each fact that is asked for."""
    params["most_sessions"] = MOST_SESSIONS
    conditions = []
    for word, facts in (("", asked.has), ("not ", asked.lacks)):
        for known in facts:
            name = f"fact_{known.id}"
            params[name] = known.id
            conditions.append(
                f"u.user_id {word}in ({_WITH.format(name=name)})"
                if known.sessions <= FEW_SESSIONS
                else f"{word}exists {_HAS.format(name=name)}"
            )
    return conditions


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
