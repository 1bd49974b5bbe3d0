"""Facts: what is true of interactions and can be asked for in a filter.

A fact is a name and a value: the user, the version, a value of a metadata key, an event. Each is
kept once in `facts`; narrow rows of `interaction_facts` and `session_facts` say of which
interactions and sessions it is true, the latter in the order in which sessions are listed. So any
filter is a walk along one index that asks the others by key, and no list has to scan.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from phospho.detectors.sentiment import feeling_of
from phospho_server.store import Connection, in_list
from phospho_server.store.rows import NewInteraction

EVENT = "event"
NOTES = "notes"
METADATA = "metadata."

# Of a stranger's metadata what people filter by is kept: few keys, short values.
MOST_KEYS = 32
MAX_CHARS = 64

# What a filter offers comes from the newest sessions.
_RECENT_SESSIONS = 100
_MOST_OFFERED = 100
# The most frequent of all facts, users and events included, which a filter offers otherwise.
_MOST_COUNTED = 500


class Fact(NamedTuple):
    """What may be true: `Fact("version", "1.2")`, `Fact("event", definition_id)`."""

    name: str
    value: str


class FactChange(NamedTuple):
    """Facts of interactions of a session that are new, or no longer true.

    Args:
        facts: True of each of the interactions.
        difference: 1 for facts that are new, -1 for those that were.
        interaction_ids: None for an event of one of them: `detections` has it.
    """

    session_id: str
    facts: Sequence[Fact]
    difference: int
    interaction_ids: Sequence[int] | None = None


@dataclass(frozen=True)
class KnownFact:
    """A fact that is or was true of something.

    Args:
        interactions: Of which it is true.
        sessions: With such an interaction.
    """

    id: int
    fact: Fact
    interactions: int
    sessions: int


def facts_of(interaction: NewInteraction, of_metadata: list[Fact]) -> list[Fact]:
    """Return the facts that an interaction arrives with; `of_metadata` are those of its own."""
    found = _facts(
        user=interaction.user_id,
        version=interaction.version_id,
        flag=interaction.flag,
        notes="yes" if interaction.notes is not None else None,
    )
    return found + of_metadata


def _facts(**values: str | None) -> list[Fact]:
    return [Fact(name, value) for name, value in values.items() if value]


def facts_of_metadata(metadata: Mapping[str, Any]) -> list[Fact]:
    """Return the short values of a metadata object, the model among them, as facts."""
    found: list[Fact] = []
    for key, value in metadata.items():
        if isinstance(value, str):
            text = value
        elif isinstance(value, bool):
            text = "true" if value else "false"
        else:
            text = str(value) if isinstance(value, int) else ""
        # No address carries a NUL, and not every database keeps one in a text.
        if 0 < len(text) <= MAX_CHARS >= len(key) and "\0" not in text and "\0" not in key:
            found.append(Fact(key if key == "model" else METADATA + key, text))
    return found[:MOST_KEYS]


def move(db: Connection, project_id: str, changes: Sequence[FactChange]) -> None:
    """Let the facts follow what changed; each change must be one.

    Args:
        db: A connection in a write transaction.
        project_id: The project, whose `sessions` are up to date.
        changes: At most those of some hundred interactions.
    """
    if not changes:
        return
    sessions = _find_sessions(db, project_id, sorted({change.session_id for change in changes}))
    # What was judged may have been removed meanwhile.
    changes = [change for change in changes if change.session_id in sessions]
    moved: defaultdict[tuple[str, Fact], int] = defaultdict(int)
    for session_id, facts, difference, interaction_ids in changes:
        n = difference * (1 if interaction_ids is None else len(interaction_ids))
        for fact in facts:
            moved[session_id, fact] += n
    if not moved:
        return
    ids = _count(db, project_id, moved)
    _move_interactions(db, ids, changes)
    rows = {(sessions[name][0], ids[fact]): n for (name, fact), n in moved.items() if n}
    _move_sessions(db, dict(sessions.values()), rows)


def _count(
    db: Connection, project_id: str, moved: Mapping[tuple[str, Fact], int]
) -> dict[Fact, int]:
    """Count the interactions of each fact, and return the ids of the facts."""
    totals: defaultdict[Fact, int] = defaultdict(int)
    for (_, fact), n in moved.items():
        totals[fact] += n
    db.execute_many(
        "insert into facts (project_id, fact, value, interactions, sessions) "
        "values (:project_id, :fact, :value, :n, 0) on conflict (project_id, fact, value) "
        "do update set interactions = facts.interactions + excluded.interactions",
        [
            {"project_id": project_id, "fact": fact.name, "value": fact.value, "n": n}
            for fact, n in sorted(totals.items())
        ],
    )
    return {fact: known.id for fact, known in find_facts(db, project_id, totals).items()}


def _move_interactions(
    db: Connection, ids: Mapping[Fact, int], changes: Sequence[FactChange]
) -> None:
    for difference, statement in (
        (1, "insert into interaction_facts values (:fact, :interaction) on conflict do nothing"),
        (
            -1,
            "delete from interaction_facts where fact_id = :fact and interaction_id = :interaction",
        ),
    ):
        rows = [
            {"fact": ids[fact], "interaction": interaction_id}
            for change in changes
            if change.interaction_ids is not None and change.difference == difference
            for fact in change.facts
            for interaction_id in change.interaction_ids
        ]
        db.execute_many(statement, rows)


def _move_sessions(
    db: Connection,
    last_at_ms: Mapping[int, int],
    moved: Mapping[tuple[int, int], int],
) -> None:
    """Count on the facts of sessions.

    Args:
        db: A connection in a write transaction.
        last_at_ms: When each session was last heard of, by its row.
        moved: Rows of sessions, each with the id of a fact, and the difference.
    """
    before = _list_counts(db, sorted({row for row, _ in moved}))
    kept: list[Mapping[str, int]] = []
    gone: list[Mapping[str, int]] = []
    counted: defaultdict[int, int] = defaultdict(int)
    for (row, fact_id), difference in sorted(moved.items()):
        had = before.get((row, fact_id))
        n = (had or 0) + difference
        here = {"session_row": row, "fact": fact_id, "n": n, "last_at_ms": last_at_ms[row]}
        (kept if n > 0 else gone).append(here)
        counted[fact_id] += (n > 0) - (had is not None)
    db.execute_many(
        "insert into session_facts (session_row, fact_id, interactions, last_at_ms) "
        "values (:session_row, :fact, :n, :last_at_ms) "
        "on conflict (session_row, fact_id) do update set interactions = excluded.interactions",
        kept,
    )
    db.execute_many(
        "delete from session_facts where session_row = :session_row and fact_id = :fact", gone
    )
    db.execute_many(
        "update facts set sessions = sessions + :n where id = :id",
        [{"id": fact_id, "n": n} for fact_id, n in counted.items() if n],
    )
    # What is true of nothing any more may be somebody's name.
    db.execute_many(
        "delete from facts where id = :id and interactions <= 0",
        [{"id": fact_id} for fact_id, n in sorted(counted.items()) if n < 0],
    )


def _find_sessions(
    db: Connection, project_id: str, session_ids: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Return those sessions that there are, each with its row and the time it was last heard of."""
    text, params = in_list("s", session_ids)
    rows = db.rows(
        "select id, session_id, last_at_ms from sessions "
        f"where project_id = :project_id and session_id {text}",
        {"project_id": project_id, **params},
    )
    return {row["session_id"]: (row["id"], row["last_at_ms"]) for row in rows}


def _list_counts(db: Connection, session_rows: Sequence[int]) -> dict[tuple[int, int], int]:
    text, params = in_list("s", session_rows)
    rows = db.rows(
        f"select session_row, fact_id, interactions from session_facts where session_row {text}",
        params,
    )
    return {(row["session_row"], row["fact_id"]): row["interactions"] for row in rows}


def follow_sessions(db: Connection, project_id: str, session_ids: Sequence[str]) -> None:
    """Give the facts of sessions that went on their new place in the order of lists."""
    if not session_ids:
        return
    db.execute_many(
        "update session_facts set last_at_ms = :last_at_ms "
        "where session_row = :row and last_at_ms <> :last_at_ms",
        [
            {"row": row, "last_at_ms": last_at_ms}
            for row, last_at_ms in _find_sessions(db, project_id, session_ids).values()
        ],
    )


def find_facts(db: Connection, project_id: str, facts: Iterable[Fact]) -> dict[Fact, KnownFact]:
    """Return those of the facts that are known to a project."""
    by_name: dict[str, list[str]] = {}
    for fact in facts:
        by_name.setdefault(fact.name, []).append(fact.value)
    found: dict[Fact, KnownFact] = {}
    for name, values in by_name.items():
        text, params = in_list("v", values)
        rows = db.rows(
            "select id, value, interactions, sessions from facts "
            f"where project_id = :project_id and fact = :name and value {text}",
            {"project_id": project_id, "name": name, **params},
        )
        for row in rows:
            fact = Fact(name, row["value"])
            found[fact] = KnownFact(row["id"], fact, row["interactions"], row["sessions"])
    return found


def list_of_interactions(
    db: Connection, project_id: str, interaction_ids: Sequence[int]
) -> dict[int, list[Fact]]:
    """Return what is true of interactions, besides their events."""
    text, params = in_list("i", interaction_ids)
    rows = db.rows(
        "select id, user_id, version_id, flag, notes, language, sentiment, metadata "
        # A plus keeps SQLite from walking through the project to find some ids.
        f"from interactions where +project_id = :project_id and id {text}",
        {"project_id": project_id, **params},
    )
    found: dict[int, list[Fact]] = {}
    for row in rows:
        sentiment = None if row["sentiment"] is None else feeling_of(row["sentiment"])
        given = {"user": row["user_id"], "version": row["version_id"], "flag": row["flag"]}
        told = {"language": row["language"], "sentiment": sentiment}
        metadata = json.loads(row["metadata"] or "{}")
        notes = "yes" if row["notes"] is not None else None
        found[row["id"]] = _facts(**given, **told, notes=notes) + facts_of_metadata(metadata)
    return found


def list_sessions_with(
    db: Connection, project_id: str, fact: Fact, session_ids: Sequence[str]
) -> set[str]:
    """Return those of the sessions of which a fact is true."""
    known = find_facts(db, project_id, [fact]).get(fact)
    if known is None:
        return set()
    text, params = in_list("s", session_ids)
    rows = db.rows(
        "select s.session_id from sessions s join session_facts f on f.session_row = s.id "
        f"where s.project_id = :project_id and s.session_id {text} and f.fact_id = :fact_id",
        {"project_id": project_id, "fact_id": known.id, **params},
    )
    return {row["session_id"] for row in rows}


def list_of_session(db: Connection, project_id: str, session_id: str) -> list[tuple[Fact, int]]:
    """Return the facts of a session, each with its interactions, the most frequent first."""
    rows = db.rows(
        "select f.fact, f.value, g.interactions from sessions s "
        "join session_facts g on g.session_row = s.id join facts f on f.id = g.fact_id "
        "where s.project_id = :project_id and s.session_id = :session_id "
        "order by g.interactions desc, f.value",
        {"project_id": project_id, "session_id": session_id},
    )
    return [(Fact(row["fact"], row["value"]), row["interactions"]) for row in rows]


def list_recent(db: Connection, project_id: str) -> list[Fact]:
    """Return what is true of most of the newest 100 sessions, in order, for a filter to offer."""
    # Counted by their ids, and only then asked for their names, which takes half the time.
    rows = db.rows(
        "select f.fact, f.value from (select g.fact_id, count(*) as n from ("
        "  select id from sessions where project_id = :project_id "
        "  order by last_at_ms desc, id desc limit :most"
        " ) s join session_facts g on g.session_row = s.id "
        " group by g.fact_id order by n desc, g.fact_id limit :counted) c "
        "join facts f on f.id = c.fact_id where f.fact not in ('event', 'user') "
        "order by c.n desc, f.value limit :offered",
        {
            "project_id": project_id,
            "most": _RECENT_SESSIONS,
            "counted": _MOST_COUNTED,
            "offered": _MOST_OFFERED,
        },
    )
    return sorted(Fact(row["fact"], row["value"]) for row in rows)


def forget(db: Connection, project_id: str, fact: Fact) -> None:
    """Remove a fact, of an event that is deleted, from every session."""
    known = find_facts(db, project_id, [fact]).get(fact)
    if known:
        db.execute("delete from session_facts where fact_id = :id", {"id": known.id})
        db.execute("delete from facts where id = :id", {"id": known.id})
