"""Verdicts of detectors, and the roll-ups of those that are events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho.models import EventDefinition
from phospho_server.clock import now_ms
from phospho_server.store import Connection, app_versions, counters, facts, in_list
from phospho_server.store.facts import EVENT, Fact, FactChange
from phospho_server.store.firsts import keep_firsts
from phospho_server.store.rows import PERSON, StoredDetection
from phospho_server.store.versions import count_verdicts

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
    verdicts = _on_what_is_left(db, verdicts)
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
    roll_up(db, mine, [EventChange.to(v) for v in changed])
    return [v.interaction_id for v in changed if v.detected and v.session_id not in known]


def _on_what_is_left(
    db: Connection, verdicts: Sequence[StoredDetection]
) -> Sequence[StoredDetection]:
    """Return the verdicts on interactions that were not removed while they were judged."""
    text, params = in_list("i", [verdict.interaction_id for verdict in verdicts])
    rows = db.rows(f"select id from interactions where id {text}", params)
    if len(rows) == len(verdicts):
        return verdicts
    left = {row["id"] for row in rows}
    return [verdict for verdict in verdicts if verdict.interaction_id in left]


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


@dataclass(frozen=True)
class EventChange:
    """An interaction that has an event now and had not, or has it no more."""

    interaction_id: int
    session_id: str
    created_at_ms: int
    detected: bool

    @classmethod
    def to(cls, verdict: StoredDetection) -> EventChange:
        """Return the change that a verdict makes, which was another before."""
        return cls(
            verdict.interaction_id, verdict.session_id, verdict.created_at_ms, verdict.detected
        )

    @property
    def difference(self) -> int:
        """What it adds to counts."""
        return 1 if self.detected else -1


def roll_up(db: Connection, mine: Mapping[str, str], changes: Sequence[EventChange]) -> None:
    """Add what changed to its sessions, to the hours of its interactions and to their versions.

    Args:
        db: A connection in a write transaction.
        mine: `project_id` and `definition_id`.
        changes: At most one for each interaction.
    """
    event = Fact(EVENT, mine["definition_id"])
    counts: Counter[tuple[str, str, int]] = Counter()
    for change in changes:
        counts["events", mine["definition_id"], change.created_at_ms] += change.difference
    counters.add(db, mine["project_id"], counts)
    app_versions.add_events(db, mine, [(each.interaction_id, each.difference) for each in changes])
    facts.move(
        db,
        mine["project_id"],
        [FactChange(each.session_id, [event], each.difference) for each in changes],
    )
