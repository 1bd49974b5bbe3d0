"""What each version of the app did, day by day: interactions, feedback and events.

`version_days` and `version_events` are kept in the transaction of what they sum up. An interaction
without a `version_id` is in neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from phospho_server.clock import day_of
from phospho_server.store import Connection, in_list
from phospho_server.store.rows import NewInteraction

_ADD_DAYS = """
insert into version_days (project_id, day_ms, version_id, interactions, successes, failures)
values (:project_id, :day_ms, :version_id, :interactions, :success, :failure)
on conflict (project_id, day_ms, version_id) do update set
    interactions = version_days.interactions + excluded.interactions,
    successes = version_days.successes + excluded.successes,
    failures = version_days.failures + excluded.failures
"""

_ADD_ALL_EVENTS = """
insert into version_days (project_id, day_ms, version_id, interactions, successes, failures, events)
values (:project_id, :day_ms, :version_id, 0, 0, 0, :events)
on conflict (project_id, day_ms, version_id)
    do update set events = version_days.events + excluded.events
"""

_ADD_EVENTS = """
insert into version_events (project_id, day_ms, version_id, definition_id, events)
values (:project_id, :day_ms, :version_id, :definition_id, :events)
on conflict (project_id, day_ms, version_id, definition_id)
    do update set events = version_events.events + excluded.events
"""


@dataclass(frozen=True)
class VersionRow:
    """What one version did in a period.

    Args:
        by_day: Interactions by the start of a UTC day.
        first_day_ms: The first day of the version, also before the period.
        last_day_ms: The last one, also after it.
    """

    version_id: str
    interactions: int
    successes: int
    failures: int
    events: int
    by_day: Mapping[int, int]
    first_day_ms: int
    last_day_ms: int


def add_interactions(db: Connection, project_id: str, new: Iterable[NewInteraction]) -> None:
    """Count interactions that were not there before."""
    counted: Counter[tuple[int, str, str]] = Counter()
    for each in new:
        if each.version_id:
            day_ms = day_of(each.created_at_ms)
            counted[day_ms, each.version_id, "interactions"] += 1
            if each.flag:
                counted[day_ms, each.version_id, each.flag] += 1
    db.execute_many(
        _ADD_DAYS,
        [
            {
                "project_id": project_id,
                "day_ms": day_ms,
                "version_id": version_id,
                "interactions": counted[day_ms, version_id, "interactions"],
                "success": counted[day_ms, version_id, "success"],
                "failure": counted[day_ms, version_id, "failure"],
            }
            for day_ms, version_id, what in list(counted)
            if what == "interactions"
        ],
    )


def move_feedback(
    db: Connection,
    project_id: str,
    version_id: str | None,
    *,
    created_at_ms: int,
    moved: Mapping[str, int],
) -> None:
    """Count feedback on an interaction of a version; `moved` is the difference by flag."""
    if version_id:
        here = {"project_id": project_id, "version_id": version_id, "day_ms": day_of(created_at_ms)}
        nothing = {"interactions": 0, "success": 0, "failure": 0}
        db.execute_many(_ADD_DAYS, [{**nothing, **moved, **here}])


def move_interaction(
    db: Connection,
    project_id: str,
    version_ids: tuple[str | None, str | None],
    *,
    created_at_ms: int,
    flag: str | None,
) -> None:
    """Count an interaction with its feedback in another version than before.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        version_ids: The version before, and the version now.
        created_at_ms: The time of the interaction.
        flag: Its feedback.
    """
    for version_id, difference in zip(version_ids, (-1, 1), strict=True):
        moved = {"interactions": difference} | ({flag: difference} if flag else {})
        move_feedback(db, project_id, version_id, created_at_ms=created_at_ms, moved=moved)


def add_events(db: Connection, mine: Mapping[str, str], changes: Sequence[tuple[int, int]]) -> None:
    """Count events that came, and those that went.

    Args:
        db: A connection in a write transaction.
        mine: `project_id` and `definition_id`.
        changes: Rows of `interactions`, each with the difference.
    """
    text, params = in_list("i", [interaction_id for interaction_id, _ in changes])
    rows = db.rows(
        "select id, version_id, created_at_ms from interactions "
        f"where project_id = :project_id and id {text} and version_id <> ''",
        {"project_id": mine["project_id"], **params},
    )
    places = {row["id"]: (day_of(row["created_at_ms"]), row["version_id"]) for row in rows}
    counted: Counter[tuple[int, str]] = Counter()
    for interaction_id, difference in changes:
        if interaction_id in places:
            counted[places[interaction_id]] += difference
    added = [
        {**mine, "day_ms": day_ms, "version_id": version_id, "events": difference}
        for (day_ms, version_id), difference in counted.items()
        if difference
    ]
    db.execute_many(_ADD_EVENTS, added)
    db.execute_many(_ADD_ALL_EVENTS, added)


def forget_definition(db: Connection, project_id: str, definition_id: str) -> None:
    """Take the events of a definition out, which no page shows any more."""
    mine = {"project_id": project_id, "definition_id": definition_id}
    its = "from version_events where project_id = :project_id and definition_id = :definition_id"
    rows = db.rows(f"select project_id, day_ms, version_id, -events as events {its}", mine)
    db.execute_many(_ADD_ALL_EVENTS, [dict(row) for row in rows])
    db.execute(f"delete {its}", mine)


def list_app_versions(
    db: Connection, project_id: str, *, since_ms: int, until_ms: int, most: int
) -> tuple[Sequence[VersionRow], int, int]:
    """Return the versions of a period with the most interactions.

    With them how many versions there are, and how many interactions these have together.

    Args:
        db: A connection.
        project_id: The project.
        since_ms: Begin of the period; the whole UTC day is counted.
        until_ms: Its end.
        most: Versions to return.
    """
    period = {"project_id": project_id, "since": day_of(since_ms), "until": until_ms}
    within = "where project_id = :project_id and day_ms >= :since and day_ms < :until "
    top = db.rows(
        "select version_id, sum(interactions) as interactions, sum(successes) as successes, "
        "sum(failures) as failures, sum(events) as events, count(*) over () as versions, "
        f"sum(sum(interactions)) over () as total from version_days {within}"
        "group by version_id having sum(interactions) > 0 "
        "order by interactions desc, version_id limit :most",
        {**period, "most": most},
    )
    text, params = in_list("v", [row["version_id"] for row in top])
    days = db.rows(
        f"select version_id, day_ms, interactions from version_days {within}and version_id {text}",
        {**period, **params},
    )
    seen = db.rows(
        "select version_id, min(day_ms) as first_day_ms, max(day_ms) as last_day_ms "
        f"from version_days where project_id = :project_id and version_id {text} "
        "and interactions > 0 group by version_id",
        {"project_id": project_id, **params},
    )
    ends = {row["version_id"]: row for row in seen}
    rows = [
        VersionRow(
            version_id=row["version_id"],
            interactions=row["interactions"],
            successes=row["successes"],
            failures=row["failures"],
            events=int(row["events"]),
            by_day={
                day["day_ms"]: day["interactions"]
                for day in days
                if day["version_id"] == row["version_id"]
            },
            first_day_ms=ends[row["version_id"]]["first_day_ms"],
            last_day_ms=ends[row["version_id"]]["last_day_ms"],
        )
        for row in top
    ]
    return rows, int(top[0]["versions"]) if top else 0, int(top[0]["total"]) if top else 0
