"""Events of a session occur once in it: in the first of its interactions that has them.

Detectors judge interactions one by one, in any order: the newest first when the past is looked
at, and some arrive late. So what would be a second event of its session is kept as `repeated`,
and takes over when the first one goes.

A person's word stands where it was said, at whatever version: their yes is an event and counts as
one that the session has, and where they said no nothing occurred. A verdict they spoke about is
never `repeated`; what the detector said of it is `judged`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from phospho_server.store import Connection, Row, in_list
from phospho_server.store.facts import EVENT, Fact, list_sessions_with
from phospho_server.store.rows import StoredDetection

_WALK = """
select d.interaction_id, i.session_id, i.created_at_ms, d.detected, d.score, d.detector,
    d.evidence, d.embedder, d.value, d.repeated, d.claimed
from interactions i
join detections d on d.project_id = i.project_id and d.interaction_id = i.id
    and d.definition_id = :definition_id
where i.project_id = :project_id and i.session_id = :session_id
    and (d.definition_version = :version or d.reviewed = 1)
"""


@dataclass(frozen=True)
class _Held:
    """What a session has of an event outside of a batch: the first yes, and the one that stands."""

    first: StoredDetection | None
    standing: StoredDetection | None


def keep_firsts(
    db: Connection, mine: Mapping[str, str], version: int, verdicts: Sequence[StoredDetection]
) -> tuple[list[StoredDetection], set[str]]:
    """Return verdicts of which each session has one yes, and the sessions that had one before.

    Those returned may be more than those given: what stood may no longer be the first.

    Args:
        db: A connection in a write transaction.
        mine: `project_id` and `definition_id`.
        version: Of the definition; verdicts of other versions are none of its business.
        verdicts: As a detector gave them, at most one for each interaction.
    """
    sessions = _by_session(verdicts)
    words = _list_words(db, mine, [verdict.interaction_id for verdict in verdicts])
    ids = [verdict.interaction_id for verdict in verdicts]
    # Where nothing becomes or was a yes, nothing moves: a session without end is not walked.
    moving = {verdict.session_id for verdict in verdicts if verdict.detected}
    moving |= _list_sessions_of_events(db, {**mine, "version": version}, ids)
    kept: list[StoredDetection] = []
    for session_id, batch in sessions.items():
        if session_id not in moving:
            kept += batch
            continue
        held = _find_held(db, {**mine, "session_id": session_id, "version": version}, batch)
        kept += _settle(batch, held, words)
    return kept, _list_known(db, mine, sorted(moving))


def settle_session(
    db: Connection, mine: Mapping[str, str], version: int, session_id: str
) -> list[StoredDetection]:
    """Let the first yes of a session stand after a person spoke, and return what that changed.

    Args:
        db: A connection in a write transaction.
        mine: `project_id` and `definition_id`.
        version: Of the definition; verdicts of other versions are none of its business.
        session_id: The session.
    """
    held = _find_held(db, {**mine, "session_id": session_id, "version": version}, [])
    changed = _settle([], held, {})
    db.execute_many(
        "update detections set detected = :detected, repeated = :repeated "
        "where project_id = :project_id and definition_id = :definition_id "
        "and interaction_id = :interaction_id",
        [
            {
                **mine,
                "interaction_id": verdict.interaction_id,
                "detected": int(verdict.detected),
                "repeated": int(verdict.is_repeated) or None,
            }
            for verdict in changed
        ],
    )
    return changed


def _by_session(verdicts: Iterable[StoredDetection]) -> dict[str, list[StoredDetection]]:
    sessions: dict[str, list[StoredDetection]] = {}
    for verdict in verdicts:
        sessions.setdefault(verdict.session_id, []).append(verdict)
    return sessions


def _settle(
    batch: Sequence[StoredDetection], held: _Held, words: Mapping[int, bool]
) -> list[StoredDetection]:
    """Let the first yes of a session stand, and of detectors none besides.

    Args:
        batch: Verdicts as a detector gave them.
        held: What the session has besides.
        words: What people said of interactions of the batch.
    """
    yes = [verdict for verdict in batch if words.get(verdict.interaction_id, verdict.detected)]
    candidates = [*yes, *filter(None, [held.first])]
    first = min(candidates, key=_place, default=None)
    settled = [
        replace(verdict, detected=False, is_repeated=True)
        if verdict.detected and verdict is not first and verdict.interaction_id not in words
        else verdict
        for verdict in batch
    ]
    standing = held.standing
    if standing and (first is None or standing.interaction_id != first.interaction_id):
        settled.append(replace(standing, detected=False, is_repeated=True))
    if first and first is held.first and not first.detected:
        settled.append(replace(first, detected=True, is_repeated=False))
    return settled


def _place(verdict: StoredDetection) -> tuple[int, int]:
    return verdict.created_at_ms, verdict.interaction_id


def _find_held(
    db: Connection, here: Mapping[str, object], batch: Sequence[StoredDetection]
) -> _Held:
    others = _WALK
    if batch:
        text, params = in_list("i", [verdict.interaction_id for verdict in batch])
        here = {**here, **params}
        others += f"and d.interaction_id not {text} "
    ends = "order by i.created_at_ms, i.id limit 1"
    first = db.row(f"{others}and (d.detected = 1 or d.repeated = 1) {ends}", here)
    if first is None:
        return _Held(None, None)
    standing = db.row(f"{others}and d.detected = 1 and d.reviewed is null {ends}", here)
    return _Held(_to_verdict(first), _to_verdict(standing) if standing else None)


def _list_words(db: Connection, mine: Mapping[str, str], ids: Sequence[int]) -> dict[int, bool]:
    """Return what people said of those of the interactions that they spoke about."""
    text, params = in_list("i", ids)
    rows = db.rows(
        "select interaction_id, reviewed from detections where project_id = :project_id "
        f"and definition_id = :definition_id and interaction_id {text} and reviewed is not null",
        {**mine, **params},
    )
    return {row["interaction_id"]: bool(row["reviewed"]) for row in rows}


def _list_sessions_of_events(
    db: Connection, here: Mapping[str, object], ids: Sequence[int]
) -> set[str]:
    """Return the sessions whose event stands in one of these interactions."""
    text, params = in_list("i", ids)
    rows = db.rows(
        "select i.session_id from detections d join interactions i on i.id = d.interaction_id "
        "where d.project_id = :project_id and d.definition_id = :definition_id "
        f"and d.interaction_id {text} and d.detected = 1 and d.definition_version = :version",
        {**here, **params},
    )
    return {row["session_id"] for row in rows}


def _list_known(db: Connection, mine: Mapping[str, str], session_ids: Sequence[str]) -> set[str]:
    """Return those sessions that have the event before anything is changed."""
    event = Fact(EVENT, mine["definition_id"])
    return list_sessions_with(db, mine["project_id"], event, session_ids)


def _to_verdict(row: Row) -> StoredDetection:
    return StoredDetection(
        interaction_id=row["interaction_id"],
        session_id=row["session_id"],
        created_at_ms=row["created_at_ms"],
        detected=bool(row["detected"]),
        score=row["score"],
        detector=row["detector"],
        evidence=row["evidence"],
        embedder=row["embedder"],
        value=row["value"],
        is_repeated=bool(row["repeated"]),
        claimed=row["claimed"],
    )
