"""On which days users were there, rolled up so that users of any stretch of days are a small sum.

`user_gaps` has for each day how many of its users had been there last so many days before; 0 days
stands for a first day. Who was there last before a stretch begins has not been counted in it yet:
so the users of a stretch are those of its days whose day before lies outside of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from phospho_server.clock import DAY_MS
from phospho_server.store import Connection, in_list
from phospho_server.store.time_steps import TimeSteps

_ADD = """
insert into user_gaps (project_id, day_ms, gap_days, users)
values (:project_id, :day_ms, :gap_days, :users)
on conflict (project_id, day_ms, gap_days)
    do update set users = user_gaps.users + excluded.users
"""


def add_days(db: Connection, project_id: str, days: Collection[tuple[str, int]]) -> None:
    """Note that users were there.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        days: User ids, each with the start of a UTC day.
    """
    gaps: Counter[tuple[int, int]] = Counter()
    for user_id, day_ms in sorted(set(days) - _known(db, project_id, days)):
        here = {"project_id": project_id, "day_ms": day_ms, "user_id": user_id}
        # Two texts may be one to PostgreSQL, which keeps no NUL.
        if not db.execute(
            "insert into user_days values (:project_id, :day_ms, :user_id) on conflict do nothing",
            here,
        ):
            continue
        before, after = _neighbours(db, here)
        gaps[day_ms, _gap(before, day_ms)] += 1
        if after is not None:
            gaps[after, _gap(before, after)] -= 1
            gaps[after, _gap(day_ms, after)] += 1
    _add(db, project_id, gaps)


def _known(
    db: Connection, project_id: str, days: Collection[tuple[str, int]]
) -> set[tuple[str, int]]:
    """Return those days that are noted: nearly all, as users come more than once a day."""
    users: dict[int, list[str]] = {}
    for user_id, day_ms in days:
        users.setdefault(day_ms, []).append(user_id)
    known: set[tuple[str, int]] = set()
    for day_ms, user_ids in users.items():
        text, params = in_list("u", user_ids)
        rows = db.rows(
            "select user_id from user_days where project_id = :project_id and day_ms = :day_ms "
            f"and user_id {text}",
            {"project_id": project_id, "day_ms": day_ms, **params},
        )
        known.update((row["user_id"], day_ms) for row in rows)
    return known


def _add(db: Connection, project_id: str, gaps: Counter[tuple[int, int]]) -> None:
    db.execute_many(
        _ADD,
        [
            {"project_id": project_id, "day_ms": day_ms, "gap_days": gap, "users": difference}
            for (day_ms, gap), difference in gaps.items()
            if difference
        ],
    )


def forget_days(
    db: Connection,
    project_id: str,
    days: Collection[tuple[str, int]],
    *,
    keep_numbers: bool = True,
) -> None:
    """Forget on which days users were there whose interactions of the day are no longer theirs.

    The numbers of those days stay where the interactions were removed. What is forgotten cannot be
    known again: the next day of such a user counts as their first.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        days: User ids, each with the start of a UTC day; those with interactions left stay.
        keep_numbers: Whether the user was there on such a day; if not, it was somebody else.
    """
    gaps: Counter[tuple[int, int]] = Counter()
    for user_id, day_ms in sorted(days):
        here = {"project_id": project_id, "day_ms": day_ms, "user_id": user_id}
        is_gone = db.execute(
            "delete from user_days where project_id = :project_id and day_ms = :day_ms "
            "and user_id = :user_id and not exists (select 1 from interactions i "
            "where i.project_id = :project_id and i.user_id = :user_id "
            "and i.created_at_ms >= :day_ms and i.created_at_ms < :day_ms + :day)",
            {**here, "day": DAY_MS},
        )
        if not is_gone:
            continue
        before, after = _neighbours(db, here)
        if not keep_numbers:
            gaps[day_ms, _gap(before, day_ms)] -= 1
        if after is not None:
            gaps[after, _gap(day_ms, after)] -= 1
            gaps[after, _gap(before, after)] += 1
    _add(db, project_id, gaps)


def _neighbours(db: Connection, here: dict[str, object]) -> tuple[int | None, int | None]:
    """Return the days on which a user was there last before one, and first after it."""
    theirs = "from user_days where project_id = :project_id and user_id = :user_id and day_ms"
    row = db.row(
        f"select (select max(day_ms) {theirs} < :day_ms) as before, "
        f"(select min(day_ms) {theirs} > :day_ms) as after",
        here,
    )
    return (row["before"], row["after"]) if row else (None, None)


def _gap(before_ms: int | None, day_ms: int) -> int:
    return 0 if before_ms is None else (day_ms - before_ms) // DAY_MS


def count_users(db: Connection, project_id: str, *, since_ms: int, until_ms: int) -> int:
    """Return how many users were there in a period that begins with a UTC day."""
    row = db.row(
        "select coalesce(sum(users), 0) as users from user_gaps where project_id = :project_id "
        "and day_ms >= :since and day_ms < :until "
        "and (gap_days = 0 or day_ms - gap_days * :day < :since)",
        {"project_id": project_id, "since": since_ms, "until": until_ms, "day": DAY_MS},
    )
    return int(row["users"]) if row else 0


def get_user_series(db: Connection, project_id: str, steps: TimeSteps) -> list[int]:
    """Return how many users were there in each step; a step is whole UTC days."""
    # Grouped by day, as the rows lie, and only then by step: half the time of a sort.
    rows = db.rows(
        "select day_ms, sum(users) as users from user_gaps "
        "where project_id = :project_id and day_ms >= :since and day_ms < :until "
        "and (gap_days = 0 or gap_days * :day > (day_ms - :origin) % :step "
        "or day_ms - gap_days * :day < :since) group by day_ms",
        {"project_id": project_id, "day": DAY_MS, **steps.params},
    )
    values, origin_ms = [0] * steps.count, steps.origin_ms
    for row in rows:
        values[(row["day_ms"] - origin_ms) // steps.step_ms] += row["users"]
    return values
