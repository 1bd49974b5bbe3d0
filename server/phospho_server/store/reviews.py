"""What people say of verdicts: the event occurred, or it did not; and as what.

A review is kept as a row of `reviews`, which is a log, and as `detections.reviewed`, which is what
stands; both, and the roll-ups, change in one transaction. It is about the interaction, so it
outlives versions of the definition, and one that is switched off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from phospho_server.clock import new_id, now_ms
from phospho_server.errors import InvalidError, NotFoundError
from phospho_server.store import Connection, versions
from phospho_server.store.definitions import get_definition
from phospho_server.store.detections import EventChange, roll_up
from phospho_server.store.firsts import settle_session
from phospho_server.store.review_values import Value, dump_value, read_value, settle_review
from phospho_server.store.rows import PERSON

Source = Literal["transcript", "events", "audit", "api"]
"""Where somebody clicked: in a transcript, on an event's own page, or in a drawn sample."""

SOURCES: tuple[Source, ...] = ("transcript", "events", "audit", "api")

_INSERT = """
insert into reviews (id, project_id, definition_id, interaction_id, occurred, value, judged, score,
    claimed, source, definition_version, detector, embedder, created_at_ms)
values (:id, :project_id, :definition_id, :interaction_id, :occurred, :value, :judged, :score,
    :claimed, :source, :version, :detector, :embedder, :now)
"""

_INSERT_VERDICT = """
insert into detections (project_id, definition_id, interaction_id, definition_version, detected,
    reviewed, reviewed_value, score, detector, created_at_ms)
values (:project_id, :definition_id, :interaction_id, :version, :occurred, :occurred, :value,
    :occurred, :detector, :now)
"""

_OF_VERDICT = (
    "where project_id = :project_id and interaction_id = :interaction_id "
    "and definition_id = :definition_id"
)


@dataclass(frozen=True)
class _Verdict:
    """A row of `detections` as it stands.

    Args:
        said: The detector's word; None where it has not looked yet. In a session that has the event
            already it may be a yes that is no event.
        reviewed: The person's; None where nobody spoke.
        value: The detector's score or category.
        reviewed_value: The person's.
        claimed: Log-odds that an LLM claimed.
    """

    detected: bool
    said: bool | None
    reviewed: bool | None
    version: int
    score: float
    detector: str
    embedder: str | None
    value: Value
    reviewed_value: Value
    claimed: float | None


def review(
    db: Connection,
    project_id: str,
    definition_id: str,
    interaction_id: int,
    *,
    occurred: bool,
    source: Source,
    value: Value = None,
) -> bool:
    """Let a person's word about an event stand; tell whether anything changed.

    It takes the place of an earlier review. The same word twice is one.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        definition_id: The event.
        interaction_id: Row of `interactions`.
        occurred: Whether it occurred; a value says so by itself.
        source: Where it was clicked.
        value: The score or the category, where the definition asks for one; None: with a yes the
            detector's.

    Raises:
        NotFoundError: The project has no such definition or interaction.
        InvalidError: The source is none of `SOURCES`, or the value none that is asked for.
    """
    if source not in SOURCES:
        raise InvalidError(f"There is no source {source!r}. Use one of: {', '.join(SOURCES)}.")
    definition = get_definition(db, project_id, definition_id)
    place = _find_place(db, project_id, interaction_id)
    mine = {"project_id": project_id, "definition_id": definition_id}
    verdict = _find_verdict(db, mine, interaction_id)
    if verdict and value is None and verdict.reviewed is occurred:
        return False
    found = verdict.value if verdict and verdict.said else None
    occurred, value = settle_review(definition, found, occurred=occurred, value=value)
    if verdict and (verdict.reviewed, verdict.reviewed_value) == (occurred, value):
        return False
    _take_back_reviews(db, mine, interaction_id)
    judged = verdict if verdict and verdict.said is not None else None
    version = verdict.version if verdict else definition.version
    this = {
        **mine,
        "interaction_id": interaction_id,
        "occurred": int(occurred),
        "value": dump_value(value),
        "version": version,
        "now": now_ms(),
    }
    db.execute(
        _INSERT,
        {
            **this,
            "id": new_id("review_"),
            "judged": judged and judged.said,
            "score": judged and judged.score,
            "claimed": judged and judged.claimed,
            "detector": judged and judged.detector,
            "embedder": judged and judged.embedder,
            "source": source,
        },
    )
    if verdict is None:
        db.execute(_INSERT_VERDICT, {**this, "detector": PERSON})
    else:
        db.execute(
            "update detections set detected = :occurred, reviewed = :occurred, judged = :said, "
            f"reviewed_value = :value, repeated = null {_OF_VERDICT}",
            {**this, "said": verdict.said},
        )
    _follow(db, mine, place, before=verdict is not None and verdict.detected, after=occurred)
    _follow_in_session(db, mine, place, {version, definition.version})
    return True


def undo(db: Connection, project_id: str, definition_id: str, interaction_id: int) -> bool:
    """Take a review back, so that the detector's word stands; tell whether there was one.

    Raises:
        NotFoundError: The project has no such definition or interaction.
    """
    definition = get_definition(db, project_id, definition_id)
    place = _find_place(db, project_id, interaction_id)
    mine = {"project_id": project_id, "definition_id": definition_id}
    verdict = _find_verdict(db, mine, interaction_id)
    if verdict is None or verdict.reviewed is None:
        return False
    _take_back_reviews(db, mine, interaction_id)
    this = {**mine, "interaction_id": interaction_id}
    # In a session it is an event again only if it is the first there.
    stands = verdict.said is True and not _is_of_session(db, definition_id, verdict.version)
    if verdict.said is None:
        db.execute(f"delete from detections {_OF_VERDICT}", this)
    else:
        db.execute(
            "update detections set detected = :stands, repeated = :repeated, judged = null, "
            f"reviewed = null, reviewed_value = null {_OF_VERDICT}",
            {
                **this,
                "stands": int(stands),
                "repeated": 1 if verdict.said and not stands else None,
            },
        )
    _follow(db, mine, place, before=verdict.detected, after=stands)
    _follow_in_session(db, mine, place, {verdict.version, definition.version})
    return True


def _find_place(db: Connection, project_id: str, interaction_id: int) -> EventChange:
    """Return session and time of an interaction, where an event may come or go."""
    row = db.row(
        "select session_id, created_at_ms from interactions "
        "where id = :interaction_id and project_id = :project_id",
        {"interaction_id": interaction_id, "project_id": project_id},
    )
    if row is None:
        raise NotFoundError(
            "This project has no such interaction. Look for it in the sessions list."
        )
    return EventChange(interaction_id, row["session_id"], row["created_at_ms"], detected=False)


def _find_verdict(db: Connection, mine: dict[str, str], interaction_id: int) -> _Verdict | None:
    row = db.row(
        "select detected, judged, reviewed, repeated, definition_version, score, detector, "
        "embedder, value, reviewed_value, claimed "
        f"from detections {_OF_VERDICT}",
        {**mine, "interaction_id": interaction_id},
    )
    if row is None:
        return None
    reviewed = _flag(row["reviewed"])
    says_yes = bool(row["detected"] or row["repeated"])
    return _Verdict(
        detected=bool(row["detected"]),
        said=says_yes if reviewed is None else _flag(row["judged"]),
        reviewed=reviewed,
        version=row["definition_version"],
        score=row["score"],
        detector=row["detector"],
        embedder=row["embedder"],
        value=read_value(row["value"]),
        reviewed_value=read_value(row["reviewed_value"]),
        claimed=row["claimed"],
    )


def _take_back_reviews(db: Connection, mine: dict[str, str], interaction_id: int) -> None:
    db.execute(
        "update reviews set undone_at_ms = :now where project_id = :project_id "
        "and definition_id = :definition_id and interaction_id = :interaction_id "
        "and undone_at_ms is null",
        {**mine, "interaction_id": interaction_id, "now": now_ms()},
    )


def _follow(
    db: Connection, mine: dict[str, str], place: EventChange, *, before: bool, after: bool
) -> None:
    """Let the roll-ups follow one interaction whose event came or went."""
    if before != after:
        roll_up(db, mine, [replace(place, detected=after)])


def _follow_in_session(
    db: Connection, mine: dict[str, str], place: EventChange, of_versions: set[int]
) -> None:
    """Let another interaction of the session have an event that occurs once, or have it no more."""
    for version in sorted(of_versions):
        if _is_of_session(db, mine["definition_id"], version):
            changed = settle_session(db, mine, version, place.session_id)
            roll_up(db, mine, [EventChange.to(verdict) for verdict in changed])


def _is_of_session(db: Connection, definition_id: str, version: int) -> bool:
    return versions.get_scope(db, definition_id, version) == "session"


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)
