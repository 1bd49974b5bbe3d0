"""Verdicts of detectors, and the roll-ups of those that are events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho.models import Detection, EventDefinition, Evidence, Interaction, Turn
from phospho_server.clock import hour_of, now_ms
from phospho_server.errors import NotFoundError
from phospho_server.store import Connection, Row, counters, in_list
from phospho_server.store.definitions import get_definition
from phospho_server.store.firsts import keep_firsts
from phospho_server.store.review_values import read_value
from phospho_server.store.rows import PERSON, Event, StoredDetection
from phospho_server.store.versions import count_verdicts

# Earlier interactions of its session that a detector sees with each: what was said last matters.
MAX_HISTORY = 20

_UPSERT = """
insert into detections (project_id, definition_id, interaction_id, definition_version, detected,
    score, claimed, detector, evidence, embedder, value, repeated, created_at_ms)
values (:project_id, :definition_id, :interaction_id, :version, :detected, :score, :claimed,
    :detector, :evidence, :embedder, :value, :repeated, :now)
on conflict (project_id, interaction_id, definition_id) do update set
    definition_version = excluded.definition_version,
    detected = coalesce(detections.reviewed, excluded.detected),
    judged = case when detections.reviewed is null then null else excluded.detected end,
    score = excluded.score, claimed = excluded.claimed, detector = excluded.detector,
    evidence = excluded.evidence, embedder = excluded.embedder, value = excluded.value,
    repeated = excluded.repeated, created_at_ms = excluded.created_at_ms
"""


def record(
    db: Connection,
    project_id: str,
    definition: EventDefinition,
    verdicts: Sequence[StoredDetection],
) -> list[int]:
    """Keep verdicts, one for each interaction, and return the interactions with a new event.

    A verdict takes the place of an earlier one, and the roll-ups follow the difference, so that
    doing it twice is the same as doing it once. Where a person has spoken their word stands; the
    verdict is kept beside it, as `judged`. An event of a session moves to an earlier interaction of
    it that has it too; then it is not new.
    """
    if not verdicts:
        return []
    mine = {"project_id": project_id, "definition_id": definition.id}
    known: set[str] = set()
    if definition.scope == "session":
        verdicts, known = keep_firsts(db, mine, definition.version, verdicts)
    count_verdicts(db, mine, definition.version, verdicts)
    positive, reviewed = _before(db, mine, [v.interaction_id for v in verdicts])
    db.execute_many(
        _UPSERT,
        (
            {
                **mine,
                "interaction_id": v.interaction_id,
                "version": definition.version,
                "detected": int(v.detected),
                "score": v.score,
                "claimed": v.claimed,
                "detector": v.detector,
                "evidence": v.evidence,
                "embedder": v.embedder,
                "value": v.value,
                "repeated": int(v.is_repeated) or None,
                "now": now_ms(),
            }
            for v in verdicts
        ),
    )
    changed = [
        v
        for v in verdicts
        if v.interaction_id not in reviewed and v.detected != (v.interaction_id in positive)
    ]
    roll_up(db, mine, [(v.session_id, v.created_at_ms, 1 if v.detected else -1) for v in changed])
    return [v.interaction_id for v in changed if v.detected and v.session_id not in known]


def _before(
    db: Connection, mine: Mapping[str, str], ids: Sequence[int]
) -> tuple[set[int], set[int]]:
    """Return those of the interactions with an event, and those a person has spoken about."""
    text, params = in_list("i", ids)
    rows = db.rows(
        "select interaction_id, detected, reviewed from detections where project_id = :project_id "
        f"and definition_id = :definition_id and interaction_id {text} "
        "and (detected = 1 or reviewed is not null)",
        {**mine, **params},
    )
    return (
        {row["interaction_id"] for row in rows if row["detected"]},
        {row["interaction_id"] for row in rows if row["reviewed"] is not None},
    )


@dataclass(frozen=True)
class LocalVerdict:
    """What a detector on this machine says of an interaction, whatever people say.

    Args:
        value: JSON text of the score or the category.
    """

    detected: bool
    score: float
    value: str | None


def list_local(
    db: Connection,
    project_id: str,
    definition_id: str,
    version: int,
    interaction_ids: Sequence[int],
) -> dict[int, LocalVerdict]:
    """Return the verdicts that no LLM has taken the place of, by interaction."""
    text, params = in_list("i", interaction_ids)
    rows = db.rows(
        "select interaction_id, score, value, "
        "case when reviewed is not null then judged when repeated = 1 then 1 else detected end "
        "as said "
        "from detections where project_id = :project_id and definition_id = :definition_id "
        f"and interaction_id {text} and definition_version = :version "
        "and detector not in ('llm', :person)",
        {
            "project_id": project_id,
            "definition_id": definition_id,
            "version": version,
            "person": PERSON,
            **params,
        },
    )
    return {
        row["interaction_id"]: LocalVerdict(bool(row["said"]), row["score"], row["value"])
        for row in rows
    }


def roll_up(
    db: Connection, mine: Mapping[str, str], changes: Sequence[tuple[str, int, int]]
) -> None:
    """Add what changed to its sessions and to the hours of its interactions.

    Args:
        db: A connection in a write transaction.
        mine: `project_id` and `definition_id`.
        changes: For each interaction its session, its time, and 1 for a new event or -1 for one
            that is no more.
    """
    sessions: Counter[str] = Counter()
    hours: Counter[tuple[str, str, int]] = Counter()
    for session_id, at_ms, difference in changes:
        sessions[session_id] += difference
        hours["events", mine["definition_id"], hour_of(at_ms)] += difference
    counters.add(db, mine["project_id"], hours)
    db.execute_many(
        "insert into session_events values (:project_id, :session_id, :definition_id, :events) "
        "on conflict (project_id, session_id, definition_id) "
        "do update set events = session_events.events + excluded.events",
        [
            {**mine, "session_id": session_id, "events": difference}
            for session_id, difference in sessions.items()
            if difference
        ],
    )


# Of what was said before, detectors see the beginning of each text: enough for its gist.
HISTORY_LENGTH = 4_000

FACTS = "id, task_id, session_id, user_id, version_id, created_at_ms, flag, metadata"


def load_turns(
    db: Connection, project_id: str, interaction_ids: Sequence[int]
) -> list[tuple[int, Turn]]:
    """Return those interactions that still exist, each with its row id and what was said before.

    The history is read back from each interaction, so that a session that never ends costs no
    more than a short one.
    """
    text, params = in_list("i", interaction_ids)
    # With the project as a condition, SQLite would walk through all of it to find some ids.
    rows = [
        row
        for row in db.rows(
            f"select project_id, {FACTS}, input, output from interactions "
            f"where id {text} order by id",
            params,
        )
        if row["project_id"] == project_id
    ]
    return [
        (
            row["id"],
            Turn(interaction=read_interaction(row), history=_load_history(db, project_id, row)),
        )
        for row in rows
    ]


def _load_history(db: Connection, project_id: str, row: Row) -> tuple[Interaction, ...]:
    earlier = db.rows(
        f"select {FACTS}, substr(input, 1, :length) as input, "
        "substr(output, 1, :length) as output from interactions "
        "where project_id = :project_id and session_id = :session_id "
        "and (created_at_ms, id) < (:created_at_ms, :id) "
        "order by created_at_ms desc, id desc limit :limit",
        {
            "project_id": project_id,
            "session_id": row["session_id"],
            "created_at_ms": row["created_at_ms"],
            "id": row["id"],
            "limit": MAX_HISTORY,
            "length": HISTORY_LENGTH,
        },
    )
    return tuple(read_interaction(each) for each in reversed(earlier))


def read_interaction(row: Row) -> Interaction:
    """Return an interaction as detectors see it, given the columns `FACTS`, input and output."""
    columns = dict(row)
    del columns["id"]
    columns.pop("project_id", None)
    columns["metadata"] = json.loads(columns["metadata"]) if columns["metadata"] else {}
    return Interaction(**columns)


def list_events(
    db: Connection, project_id: str, interaction_ids: Sequence[int]
) -> dict[int, list[Event]]:
    """Return the events of interactions, the surest first."""
    return _list_where(db, project_id, interaction_ids, "e.detected = 1")


def list_rejected(
    db: Connection, project_id: str, interaction_ids: Sequence[int]
) -> dict[int, list[Event]]:
    """Return what a detector found in interactions and a person said no to."""
    return _list_where(db, project_id, interaction_ids, "e.reviewed = 0 and e.judged = 1")


def _list_where(
    db: Connection, project_id: str, interaction_ids: Sequence[int], condition: str
) -> dict[int, list[Event]]:
    text, params = in_list("i", interaction_ids)
    rows = db.rows(
        "select e.interaction_id, e.definition_id, d.name, d.description, d.color, e.score, "
        "e.detector, e.evidence, e.value, e.reviewed_value, e.definition_version, d.version, "
        "e.reviewed, e.judged from detections e "
        "join event_definitions d on d.id = e.definition_id "
        f"where e.project_id = :project_id and e.interaction_id {text} and {condition} "
        "and d.deleted_at_ms is null order by e.score desc, d.name",
        {"project_id": project_id, **params},
    )
    events: dict[int, list[Event]] = {}
    for row in rows:
        said, given = read_value(row["value"]), read_value(row["reviewed_value"])
        events.setdefault(row["interaction_id"], []).append(
            Event(
                definition_id=row["definition_id"],
                name=row["name"],
                description=row["description"],
                color=row["color"],
                score=row["score"],
                detector=row["detector"],
                evidence=_read_evidence(row["evidence"]),
                value=said if given is None else given,
                said_value=None if given in (None, said) else said,
                version=row["definition_version"],
                is_of_old_version=row["definition_version"] < row["version"],
                reviewed=None if row["reviewed"] is None else bool(row["reviewed"]),
                judged=None if row["judged"] is None else bool(row["judged"]),
            )
        )
    return events


def load_events(
    db: Connection, project_id: str, definition_id: str, interaction_ids: Sequence[int]
) -> list[tuple[int, Detection, Interaction, EventDefinition]]:
    """Return those events of a definition that still stand, with all there is to know of them."""
    try:
        definition = get_definition(db, project_id, definition_id)
    except NotFoundError:
        return []
    text, params = in_list("i", interaction_ids)
    rows = db.rows(
        "select interaction_id, score, detector, evidence, embedder, "
        "coalesce(reviewed_value, value) as value from detections "
        "where project_id = :project_id and definition_id = :definition_id "
        f"and interaction_id {text} and detected = 1 order by interaction_id",
        {"project_id": project_id, "definition_id": definition_id, **params},
    )
    turns = dict(load_turns(db, project_id, [row["interaction_id"] for row in rows]))
    found = []
    for row in rows:
        interaction = turns[row["interaction_id"]].interaction
        event = Detection(
            event_id=definition_id,
            task_id=interaction.task_id,
            detected=True,
            score=row["score"],
            detector=row["detector"],
            evidence=_read_evidence(row["evidence"]),
            embedder=row["embedder"] or "",
            value=read_value(row["value"]),
        )
        found.append((row["interaction_id"], event, interaction, definition))
    return found


def _read_evidence(text: str | None) -> Evidence | None:
    return Evidence(**json.loads(text)) if text else None
