"""What is needed to tell how good a detector is: drawn verdicts, and the clicks to compare.

Nothing here looks at all verdicts, however many there are. A draw of the yes takes all that lie in
some stretches of interactions, a draw of the no asks for interactions at random; so each verdict
of a word has the same chance.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from phospho.models import EventDefinition
from phospho_server.auditing import Drawn
from phospho_server.clock import day_of, hour_of
from phospho_server.estimating import Click, Estimate, Step, Verdicts, estimate
from phospho_server.store import Connection, Row, in_list, jobs

# Drawn of each word: enough to know how scores are spread, few enough for every page.
_YES, _NO = 200, 600

# Stretches that the drawn yes come from, with ten in each; where they come in bursts some more.
_STRETCHES = 20
_MOST_OF_STRETCH = 60

# Asked for where the project's interactions are few among those of others.
_MORE_NO = 6_000
_FEW_NO = 150

# The newest clicks of a definition that count.
_MOST_CLICKS = 2_000

# Ids alone come out of the index of events, which SQLite takes where an id is bounded on one side;
# what else there is to know is looked up by id.
_EVENTS = (
    "select interaction_id from detections "
    "where project_id = :project_id and definition_id = :definition_id and detected = 1"
)

_SAID = "case when reviewed is null then detected else judged end"
_FIELDS = f"interaction_id, {_SAID} as said, score, reviewed, detector, embedder"


@dataclass(frozen=True)
class Quality:
    """How good a detector is at one event, and what that was told from."""

    drawn: Sequence[Drawn]
    known: Estimate


@dataclass(frozen=True)
class _Reviewed:
    """An interaction that a person spoke about.

    Args:
        said: What the detector says now; None where it has not looked.
        score: Its score now.
        click: What was said of which verdict; None where there was none yet.
        version: The definition's, whose verdict that was.
        method: Detector and embedder it was of.
    """

    interaction_id: int
    occurred: bool
    said: bool | None
    score: float
    click: Click | None
    version: int | None
    method: tuple[str, str]
    created_at_ms: int

    @property
    def is_rejected(self) -> bool:
        return self.said is True and not self.occurred


def measure(db: Connection, project_id: str, definition: EventDefinition, *, at_ms: int) -> Quality:
    """Return what the clicks tell of a definition's detector, and the verdicts drawn for it.

    Args:
        db: A connection.
        project_id: The project.
        definition: As it is now; only clicks on verdicts of this version count.
        at_ms: The time; the draw is the same all day, while no interactions come.
    """
    chance = random.Random(seed_of(definition, at_ms))  # noqa: S311 - a sample, no secret
    reviewed = _list_reviewed(db, project_id, definition.id)
    positives = _count_positives(db, project_id, definition, reviewed)
    yes = [
        *_draw_yes(db, project_id, definition, positives, chance),
        *_draw_rejected(reviewed, positives, chance),
    ]
    no = _draw_no(db, project_id, definition, chance)
    negatives = _count_judged(db, project_id, definition) - positives
    verdicts = Verdicts(
        positives,
        max(negatives, len(no)),
        tuple(each.score for each in yes),
        tuple(each.score for each in no),
    )
    drawn = [*yes, *no]
    return Quality(drawn, estimate(verdicts, _comparable(reviewed, drawn, definition.version)))


def list_clicked(db: Connection, project_id: str) -> set[str]:
    """Return the ids of definitions that people spoke about."""
    rows = db.rows(
        "select distinct definition_id from reviews "
        "where project_id = :project_id and undone_at_ms is null",
        {"project_id": project_id},
    )
    return {row["definition_id"] for row in rows}


def measure_precision(
    db: Connection, project_id: str, definition: EventDefinition, *, at_ms: int
) -> Estimate:
    """Return what the clicks tell of the events found, without what was missed: for a list."""
    chance = random.Random(seed_of(definition, at_ms))  # noqa: S311 - a sample, no secret
    reviewed = _list_reviewed(db, project_id, definition.id)
    positives = _count_positives(db, project_id, definition, reviewed)
    yes = [
        *_draw_yes(db, project_id, definition, positives, chance),
        *_draw_rejected(reviewed, positives, chance),
    ]
    clicks = tuple(
        click for click in _comparable(reviewed, yes, definition.version) if click.judged
    )
    return estimate(Verdicts(positives, 0, tuple(each.score for each in yes)), clicks)


def seed_of(definition: EventDefinition, at_ms: int) -> str:
    """Return what a draw depends on: the definition and the day."""
    return f"{definition.id} {definition.version} {day_of(at_ms)}"


def add_words(
    db: Connection,
    project_id: str,
    definition_id: str,
    steps: Sequence[Step],
    *,
    since_ms: int,
    step_ms: int,
) -> list[Step]:
    """Return the steps of a chart with what people said of their interactions."""
    counted = list(steps)
    for each in _list_reviewed(db, project_id, definition_id):
        at = (hour_of(each.created_at_ms) - since_ms) // step_ms
        if 0 <= at < len(counted):
            step = counted[at]
            counted[at] = replace(
                step,
                known=step.known + each.occurred,
                refuted=step.refuted + (not each.occurred),
            )
    return counted


def _list_reviewed(db: Connection, project_id: str, definition_id: str) -> list[_Reviewed]:
    rows = db.rows(
        "select r.interaction_id, r.occurred, r.judged, r.score, r.source, r.definition_version, "
        "r.detector, r.embedder, i.created_at_ms, d.judged as said, d.score as score_now "
        "from reviews r join interactions i on i.id = r.interaction_id "
        "left join detections d on d.project_id = r.project_id "
        "and d.interaction_id = r.interaction_id and d.definition_id = r.definition_id "
        "where r.project_id = :project_id and r.definition_id = :definition_id "
        "and r.undone_at_ms is null order by r.created_at_ms desc, r.id desc limit :limit",
        {"project_id": project_id, "definition_id": definition_id, "limit": _MOST_CLICKS},
    )
    return [_read_reviewed(row) for row in rows]


def _read_reviewed(row: Row) -> _Reviewed:
    click = None
    if row["judged"] is not None:
        click = Click(
            judged=bool(row["judged"]),
            score=row["score"],
            occurred=bool(row["occurred"]),
            is_drawn=row["source"] == "audit",
        )
    return _Reviewed(
        interaction_id=row["interaction_id"],
        score=row["score_now"] or 0.0,
        occurred=bool(row["occurred"]),
        said=None if row["said"] is None else bool(row["said"]),
        click=click,
        version=row["definition_version"],
        method=(row["detector"] or "", row["embedder"] or ""),
        created_at_ms=row["created_at_ms"],
    )


def _comparable(
    reviewed: Sequence[_Reviewed], drawn: Sequence[Drawn], version: int
) -> tuple[Click, ...]:
    """Return the clicks on verdicts of this version, and of a method that is in use now.

    They are in an order of their own: when somebody clicked changes no number.
    """
    methods = {each.method for each in drawn}
    clicks = [
        each.click
        for each in reviewed
        if each.click and each.version == version and each.method in methods
    ]
    return tuple(sorted(clicks, key=lambda c: (c.judged, c.score, c.occurred, c.is_drawn)))


def _count_positives(
    db: Connection, project_id: str, definition: EventDefinition, reviewed: Sequence[_Reviewed]
) -> int:
    """Return how often the detector says yes, whatever people said of it."""
    row = db.row(
        "select coalesce(sum(value), 0) as n from counters where project_id = :project_id "
        "and metric = 'events' and key = :definition_id",
        {"project_id": project_id, "definition_id": definition.id},
    )
    standing = row["n"] if row else 0
    added = sum(each.occurred and each.said is not True for each in reviewed)
    rejected = sum(each.is_rejected for each in reviewed)
    return max(0, standing - added + rejected)


def _count_judged(db: Connection, project_id: str, definition: EventDefinition) -> int:
    row = db.row(
        "select (select coalesce(sum(value), 0) from counters where project_id = :project_id "
        "and metric = 'interactions' and key = '') - (select coalesce(sum(size), 0) from jobs "
        "where project_id = :project_id and kind in ('detect', 'backfill') "
        "and definition_id = :definition_id) as n",
        {"project_id": project_id, "definition_id": definition.id},
    )
    return max(0, (row["n"] if row else 0) - jobs.count_pending(db, project_id))


def _draw_yes(
    db: Connection,
    project_id: str,
    definition: EventDefinition,
    positives: int,
    chance: random.Random,
) -> list[Drawn]:
    mine = {"project_id": project_id, "definition_id": definition.id}
    oldest = db.row(f"{_EVENTS} and interaction_id > 0 order by interaction_id limit 1", mine)
    newest = db.row(
        f"{_EVENTS} and interaction_id < :end order by interaction_id desc limit 1",
        {**mine, "end": 2**62},
    )
    if oldest is None or newest is None:
        return []
    first, last = oldest["interaction_id"], newest["interaction_id"]
    ids: set[int] = set()
    limit = _YES if positives <= _YES else _MOST_OF_STRETCH
    for start, end in _stretches(first, last, positives, chance):
        rows = db.rows(
            f"{_EVENTS} and interaction_id >= :start order by interaction_id limit :limit",
            {**mine, "start": start, "limit": limit},
        )
        ids |= {row["interaction_id"] for row in rows if row["interaction_id"] < end}
    return _look_up(db, project_id, definition, sorted(ids), said=True)


def _draw_rejected(
    reviewed: Sequence[_Reviewed], positives: int, chance: random.Random
) -> list[Drawn]:
    """Return rejected yes, which no index holds, with the chance that the others have."""
    return [
        Drawn(
            each.interaction_id, said=True, score=each.score, is_reviewed=True, method=each.method
        )
        for each in reviewed
        if each.is_rejected and chance.random() * positives < _YES
    ]


def _stretches(
    first: int, last: int, positives: int, chance: random.Random
) -> list[tuple[int, int]]:
    """Return stretches of interactions that hold about as many yes as are wanted."""
    length = last - first + 1
    if positives <= _YES:
        return [(first, last + 1)]
    width = max(1, length * _YES // (positives * _STRETCHES))
    starts = (first - width + 1 + chance.randrange(length + width) for _ in range(_STRETCHES))
    return [(start, start + width) for start in sorted(starts)]


def _draw_no(
    db: Connection, project_id: str, definition: EventDefinition, chance: random.Random
) -> list[Drawn]:
    ends = db.row(
        "select (select min(interaction_id) from detections where project_id = :project_id) "
        "as first, (select max(interaction_id) from detections where project_id = :project_id) "
        "as last",
        {"project_id": project_id},
    )
    if ends is None or ends["first"] is None:
        return []
    span = range(ends["first"], ends["last"] + 1)
    ids = chance.sample(span, min(_NO, len(span)))
    found = _look_up(db, project_id, definition, ids, said=False)
    if len(found) < _FEW_NO and len(span) > _NO:
        ids = chance.sample(span, min(_MORE_NO, len(span)))
        found = _look_up(db, project_id, definition, ids, said=False)
    return found


def _look_up(
    db: Connection,
    project_id: str,
    definition: EventDefinition,
    ids: Sequence[int],
    *,
    said: bool,
) -> list[Drawn]:
    """Return the verdicts of one word on those interactions that have one."""
    text, params = in_list("i", ids)
    rows = db.rows(
        f"select {_FIELDS} from detections where project_id = :project_id "
        f"and interaction_id {text} and definition_id = :definition_id "
        f"and definition_version = :version and {_SAID} = :said order by interaction_id",
        {
            "said": int(said),
            "project_id": project_id,
            "definition_id": definition.id,
            "version": definition.version,
            **params,
        },
    )
    return [_read_drawn(row) for row in rows]


def _read_drawn(row: Row) -> Drawn:
    return Drawn(
        interaction_id=row["interaction_id"],
        said=bool(row["said"]),
        score=row["score"],
        is_reviewed=row["reviewed"] is not None,
        method=(row["detector"], row["embedder"] or ""),
    )
