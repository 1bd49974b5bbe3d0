"""Interactions that are removed, with all that is known of them; the roll-ups follow.

Hourly counters stay as they are: how much there was in an hour says nothing of a person. What was
removed is counted beside them, under the metrics `removed` and `removed_events`, so that the
number of what is still there is known as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from phospho_server.clock import hour_of
from phospho_server.store import (
    Connection,
    app_versions,
    changing,
    counters,
    facts,
    in_list,
    message_facts,
    spans,
    users,
    versions,
)
from phospho_server.store.detections import EventChange, roll_up
from phospho_server.store.facts import EVENT, Fact, FactChange
from phospho_server.store.firsts import settle_session
from phospho_server.store.interactions import PREVIEW_LENGTH, note_removed
from phospho_server.store.message_facts import ToldChange
from phospho_server.store.rows import PERSON
from phospho_server.store.search import remove_from_index
from phospho_server.store.users import Said

# Tables in which a row is about one interaction, besides `detections` and `feedback`.
_ABOUT_ONE = ("reviews", "vectors", "llm_unasked")


@dataclass(frozen=True)
class _Gone:
    """An interaction that is removed, without its texts; `facts` are all that is true of it."""

    id: int
    task_id: str
    session_id: str
    user_id: str | None
    version_id: str | None
    created_at_ms: int
    flag: str | None
    tokens: int
    sentiment: float | None
    facts: Sequence[Fact]


def remove_interactions(
    db: Connection, project_id: str, ids: Sequence[int], *, keep_numbers: bool = True
) -> int:
    """Remove interactions with their detections, reviews, feedback, vectors and search entries.

    Sessions and users that have none left go with them, and the spans they were made of; an event
    that occurs once in a session passes to the next interaction that has it.

    Args:
        db: A connection in a write transaction.
        project_id: The project; interactions of others are left.
        ids: Rows of `interactions`, at most some hundred.
        keep_numbers: Whether they count as having been there. If not, it is as if they had never
            come, and whoever kept them may do so again in another form.

    Returns:
        How many there were.
    """
    gone = _load(db, project_id, ids)
    if not gone:
        return 0
    if keep_numbers:
        traces = spans.forget_turns(db, project_id, [each.task_id for each in gone])
        spans.close(db, project_id, traces)
    else:
        _uncount(db, project_id, gone)
    text, params = in_list("i", [each.id for each in gone])
    mine = {"project_id": project_id, **params}
    remove_from_index(db, [each.id for each in gone])
    events = _take_back_verdicts(db, project_id, gone, keep_numbers=keep_numbers)
    for table in _ABOUT_ONE:
        db.execute(
            f"delete from {table} where project_id = :project_id and interaction_id {text}", mine
        )
    tasks, task_params = in_list("t", [each.task_id for each in gone])
    db.execute(
        f"delete from feedback where project_id = :project_id and task_id {tasks}",
        {"project_id": project_id, **task_params},
    )
    db.execute(f"delete from interactions where id {text}", params)
    note_removed(db, [each.id for each in gone])
    left = _follow_in_sessions(db, project_id, gone)
    users.take_out(
        db,
        project_id,
        [Said(each.user_id, each.created_at_ms, each.tokens) for each in gone if each.user_id],
        keep_numbers=keep_numbers,
    )
    moved = [each for each in events if each.session_id in left]
    _pass_on(db, project_id, moved, keep_numbers=keep_numbers)
    if keep_numbers:
        counters.add(db, project_id, Counter(("removed", "", each.created_at_ms) for each in gone))
    return len(gone)


def _uncount(db: Connection, project_id: str, gone: Sequence[_Gone]) -> None:
    """Take interactions out of the numbers over time, while they are still there."""
    counted = Counter(("interactions", "", each.created_at_ms) for each in gone)
    counted.update(("feedback", each.flag, each.created_at_ms) for each in gone if each.flag)
    counted.update(_sessions_of_these_alone(db, project_id, gone))
    counters.add(db, project_id, {place: -n for place, n in counted.items()})
    for each in gone:
        app_versions.move_interaction(
            db,
            project_id,
            (each.version_id, None),
            created_at_ms=each.created_at_ms,
            flag=each.flag,
        )
        for definition_id in changing.list_events(db, project_id, each.id):
            mine = {"project_id": project_id, "definition_id": definition_id}
            app_versions.add_events(db, mine, [(each.id, -1)])


def _sessions_of_these_alone(
    db: Connection, project_id: str, gone: Sequence[_Gone]
) -> list[tuple[str, str, int]]:
    """Return where sessions are counted that have no other interactions."""
    removed = Counter(each.session_id for each in gone)
    text, params = in_list("s", list(removed))
    rows = db.rows(
        "select session_id, interactions, coalesce(counted_hour_ms, first_at_ms) as at_ms "
        f"from sessions where project_id = :project_id and session_id {text}",
        {"project_id": project_id, **params},
    )
    return [
        ("sessions", "", hour_of(row["at_ms"]))
        for row in rows
        if row["interactions"] == removed[row["session_id"]]
    ]


def _load(db: Connection, project_id: str, ids: Sequence[int]) -> list[_Gone]:
    text, params = in_list("i", ids)
    # With the project as a condition, SQLite would walk through all of it to find some ids.
    rows = db.rows(
        "select project_id, id, task_id, session_id, user_id, version_id, created_at_ms, flag, "
        f"coalesce(tokens, 0) as tokens, sentiment from interactions where id {text}",
        params,
    )
    known = facts.list_of_interactions(db, project_id, [row["id"] for row in rows])
    return [
        _Gone(
            **{name: value for name, value in dict(row).items() if name != "project_id"},
            facts=known.get(row["id"], ()),
        )
        for row in rows
        if row["project_id"] == project_id
    ]


@dataclass(frozen=True)
class _Event:
    """An event that is removed with its interaction."""

    definition_id: str
    version: int
    session_id: str
    created_at_ms: int


def _take_back_verdicts(
    db: Connection, project_id: str, gone: Sequence[_Gone], *, keep_numbers: bool
) -> list[_Event]:
    """Remove the verdicts on interactions and what they count for; return the events there were."""
    by_id = {each.id: each for each in gone}
    text, params = in_list("i", list(by_id))
    where = f"where project_id = :project_id and interaction_id {text}"
    verdicts = db.rows(
        "select interaction_id, definition_id, definition_version, detector, "
        f"coalesce(embedder, '') as embedder, detected from detections {where}",
        {"project_id": project_id, **params},
    )
    db.execute(f"delete from detections {where}", {"project_id": project_id, **params})
    of_versions = Counter(
        (row["definition_id"], row["definition_version"], row["detector"], row["embedder"])
        for row in verdicts
        if row["detector"] != PERSON
    )
    versions.uncount_verdicts(db, project_id, of_versions)
    events = [
        _Event(
            row["definition_id"],
            row["definition_version"],
            (interaction := by_id[row["interaction_id"]]).session_id,
            interaction.created_at_ms,
        )
        for row in verdicts
        if row["detected"]
    ]
    facts.move(
        db,
        project_id,
        [FactChange(each.session_id, [Fact(EVENT, each.definition_id)], -1) for each in events],
    )
    defined = _list_defined(db, project_id)
    events = [each for each in events if each.definition_id in defined]
    metric, difference = ("removed_events", 1) if keep_numbers else ("events", -1)
    places = Counter((each.definition_id, each.created_at_ms) for each in events)
    counters.add(db, project_id, {(metric, *place): difference * n for place, n in places.items()})
    return events


def _list_defined(db: Connection, project_id: str) -> dict[str, int]:
    """Return the definitions that are not deleted, each with its version."""
    rows = db.rows(
        "select id, version from event_definitions "
        "where project_id = :project_id and deleted_at_ms is null",
        {"project_id": project_id},
    )
    return {row["id"]: row["version"] for row in rows}


def _pass_on(
    db: Connection, project_id: str, events: Iterable[_Event], *, keep_numbers: bool
) -> None:
    """Let events that occur once in a session stand at the next interaction that has them.

    Such an event is still the same one: it moves to another hour, and is not counted twice.
    """
    current = _list_defined(db, project_id)
    by_place: dict[tuple[str, str], list[_Event]] = {}
    for each in events:
        by_place.setdefault((each.definition_id, each.session_id), []).append(each)
    for (definition_id, session_id), removed in by_place.items():
        mine = {"project_id": project_id, "definition_id": definition_id}
        for version in sorted({*(each.version for each in removed), current[definition_id]}):
            if versions.get_scope(db, definition_id, version) != "session":
                continue
            for heir in settle_session(db, mine, version, session_id):
                roll_up(db, mine, [EventChange.to(heir)])
                if heir.detected and removed and keep_numbers:
                    at_ms = removed.pop().created_at_ms
                    both = {
                        (name, definition_id, at_ms): -1 for name in ("events", "removed_events")
                    }
                    counters.add(db, project_id, both)


def _follow_in_sessions(db: Connection, project_id: str, gone: Sequence[_Gone]) -> set[str]:
    """Let sessions be those of what is left; return the ids of those that still are."""
    facts.move(
        db,
        project_id,
        [FactChange(each.session_id, each.facts, -1, [each.id]) for each in gone],
    )
    of_sessions: dict[str, list[_Gone]] = {}
    for each in gone:
        of_sessions.setdefault(each.session_id, []).append(each)
    left = set()
    for session_id, removed in of_sessions.items():
        mine = {"project_id": project_id, "session_id": session_id}
        if _shrink_session(db, mine, removed):
            left.add(session_id)
        else:
            for table in ("sessions", "session_details"):
                db.execute(
                    f"delete from {table} where project_id = :project_id "
                    "and session_id = :session_id",
                    mine,
                )
    facts.follow_sessions(db, project_id, sorted(left))
    told = [ToldChange(each.session_id, each.sentiment, -1) for each in gone]
    message_facts.follow_in_sessions(
        db, project_id, [each for each in told if each.session_id in left]
    )
    return left


_OF_SESSION = "from interactions where project_id = :project_id and session_id = :session_id"


def _shrink_session(db: Connection, mine: dict[str, str], removed: Sequence[_Gone]) -> bool:
    """Take interactions out of a session; tell whether it has any left."""
    ends = "created_at_ms, id limit 1"
    first = db.row(
        f"select created_at_ms, substr(input, 1, {PREVIEW_LENGTH}) as input {_OF_SESSION} "
        f"order by {ends}",
        mine,
    )
    last = db.row(f"select created_at_ms {_OF_SESSION} order by created_at_ms desc limit 1", mine)
    session = db.row(
        "select first_at_ms, user_id, version_id from sessions "
        "where project_id = :project_id and session_id = :session_id",
        mine,
    )
    if first is None or last is None or session is None:
        return False
    db.execute(
        "update sessions set first_at_ms = :first, last_at_ms = :last, first_input = :input, "
        "interactions = interactions - :n, successes = successes - :successes, "
        "failures = failures - :failures, user_id = :user_id, version_id = :version_id, "
        "counted_hour_ms = coalesce(counted_hour_ms, :hour) "
        "where project_id = :project_id and session_id = :session_id",
        {
            **mine,
            "first": first["created_at_ms"],
            "last": last["created_at_ms"],
            "input": first["input"],
            "n": len(removed),
            "successes": sum(each.flag == "success" for each in removed),
            "failures": sum(each.flag == "failure" for each in removed),
            **{
                name: _find_heard(db, mine, name, session[name], removed)
                for name in ("user_id", "version_id")
            },
            "hour": hour_of(session["first_at_ms"]),
        },
    )
    return True


def _find_heard(
    db: Connection, mine: dict[str, str], name: str, value: str | None, removed: Sequence[_Gone]
) -> str | None:
    """Return the user or version of a session; another where nothing that has it is left."""
    if value is None or all(getattr(each, name) != value for each in removed):
        return value
    # An index of users would lead through all that somebody ever said.
    here = {**mine, "value": value}
    if db.row(f"select 1 {_OF_SESSION} and {name} || '' = :value limit 1", here):
        return value
    other = db.row(
        f"select {name} {_OF_SESSION} and {name} is not null "
        "order by created_at_ms desc, id desc limit 1",
        mine,
    )
    return other[name] if other else None
