"""What is needed to tell how good a detector is: drawn verdicts, and the clicks to compare."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from phospho.models import EventDefinition
from phospho_server.auditing import Drawn
from phospho_server.clock import day_of, hour_of
from phospho_server.correcting import Step
from phospho_server.estimating import (
    ENOUGH_TO_CORRECT,
    ENOUGH_TO_KNOW,
    Click,
    Estimate,
    Verdicts,
    estimate,
)
from phospho_server.store import Connection
from phospho_server.store.drawing import MOST_YES, draw_no, draw_yes
from phospho_server.store.time_steps import TimeSteps

# The newest clicks of a definition that count.
_MOST_CLICKS = 2_000


@dataclass(frozen=True)
class Quality:
    """How good a detector is at one event, and what that was told from."""

    drawn: Sequence[Drawn]
    known: Estimate


class _Reviewed(NamedTuple):
    """An interaction that a person spoke about; there are thousands of a page.

    What is true is 1, and what is not 0, as databases have it.

    Args:
        is_drawn: Whether chance chose it to be asked about.
        seen_said: What the detector had said in the verdict that they saw; None where it had not
            looked.
        seen_score: Its score.
        seen_version: Of the definition.
        now_said: The same of the verdict there is now.
    """

    interaction_id: int
    occurred: int
    is_drawn: int
    seen_said: int | None
    seen_score: float
    seen_version: int | None
    seen_detector: str
    seen_embedder: str
    now_said: int | None
    now_score: float
    now_version: int | None

    @property
    def is_rejected(self) -> bool:
        """Whether the detector says yes and the person no."""
        return self.now_said == 1 and self.occurred == 0


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
        *draw_yes(db, project_id, definition, positives, chance),
        *_draw_rejected(reviewed, positives, definition.version, chance),
    ]
    no = draw_no(db, project_id, definition, chance)
    negatives = _count_judged(db, project_id, definition) - positives
    verdicts = Verdicts(
        positives,
        max(negatives, len(no)),
        tuple(each.score for each in yes),
        tuple(each.score for each in no),
    )
    drawn = [*yes, *no]
    return Quality(drawn, estimate(verdicts, _comparable(db, project_id, definition, reviewed)))


def measure_rates(
    db: Connection, project_id: str, definition: EventDefinition, *, at_ms: int
) -> Estimate:
    """Return what counts are put right by; where clicks are too few for it, nothing is drawn."""
    reviewed = _list_reviewed(db, project_id, definition.id)
    passed_over = sum(
        each.seen_said == 0 and each.is_drawn == 1 and each.seen_version == definition.version
        for each in reviewed
    )
    if len(reviewed) < ENOUGH_TO_CORRECT or passed_over < ENOUGH_TO_KNOW:
        return Estimate()
    return measure(db, project_id, definition, at_ms=at_ms).known


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
        *draw_yes(db, project_id, definition, positives, chance),
        *_draw_rejected(reviewed, positives, definition.version, chance),
    ]
    clicks = tuple(
        click for click in _comparable(db, project_id, definition, reviewed) if click.judged
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
    of: TimeSteps,
) -> list[Step]:
    """Return the steps of a chart with what people said of their interactions."""
    counted = list(steps)
    rows = db.rows(
        "select r.occurred, i.created_at_ms from reviews r "
        "join interactions i on i.id = r.interaction_id "
        "where r.project_id = :project_id and r.definition_id = :definition_id "
        "and r.undone_at_ms is null order by r.created_at_ms desc, r.id desc limit :limit",
        {"project_id": project_id, "definition_id": definition_id, "limit": _MOST_CLICKS},
    )
    for row in rows:
        at_ms = hour_of(row["created_at_ms"])
        if of.since_ms <= at_ms < of.until_ms:
            at = (at_ms - of.origin_ms) // of.step_ms
            step = counted[at]
            counted[at] = replace(
                step,
                known=step.known + row["occurred"],
                refuted=step.refuted + (not row["occurred"]),
            )
    return counted


def _list_reviewed(db: Connection, project_id: str, definition_id: str) -> list[_Reviewed]:
    rows = db.tuples(
        "select r.interaction_id, r.occurred, case r.source when 'audit' then 1 else 0 end, "
        "r.judged, coalesce(r.score, 0.0), r.definition_version, "
        "coalesce(r.detector, ''), coalesce(r.embedder, ''), "
        "d.judged, coalesce(d.score, 0.0), d.definition_version "
        "from reviews r left join detections d indexed by reviewed_verdicts "
        "on d.project_id = r.project_id and d.definition_id = r.definition_id "
        "and d.interaction_id = r.interaction_id and d.reviewed is not null "
        "where r.project_id = :project_id and r.definition_id = :definition_id "
        "and r.undone_at_ms is null order by r.created_at_ms desc, r.id desc limit :limit",
        {"project_id": project_id, "definition_id": definition_id, "limit": _MOST_CLICKS},
    )
    return list(map(_Reviewed._make, rows))


def _comparable(
    db: Connection, project_id: str, definition: EventDefinition, reviewed: Sequence[_Reviewed]
) -> tuple[Click, ...]:
    """Return the clicks on verdicts of this version, and of a method that is in use now.

    They are in an order of their own: when somebody clicked changes no number.
    """
    version = definition.version
    methods = set(
        db.tuples(
            "select detector, embedder from verdict_counts where project_id = :project_id "
            "and definition_id = :definition_id and definition_version = :version "
            "and verdicts > 0",
            {"project_id": project_id, "definition_id": definition.id, "version": version},
        )
    )
    clicks = [
        Click(each.seen_said == 1, each.seen_score, each.occurred == 1, each.is_drawn == 1)
        for each in reviewed
        if each.seen_version == version
        and each.seen_said is not None
        and (each.seen_detector, each.seen_embedder) in methods
    ]
    return tuple(sorted(clicks))


def _count_positives(
    db: Connection, project_id: str, definition: EventDefinition, reviewed: Sequence[_Reviewed]
) -> int:
    """Return how often the detector says yes, whatever people said of it."""
    row = db.row(
        "select coalesce(sum(case metric when 'events' then value else -value end), 0) as n "
        "from day_counters where project_id = :project_id "
        "and metric in ('events', 'removed_events') and key = :definition_id",
        {"project_id": project_id, "definition_id": definition.id},
    )
    standing = row["n"] if row else 0
    added = sum(each.occurred == 1 and each.now_said != 1 for each in reviewed)
    rejected = sum(each.is_rejected for each in reviewed)
    return max(0, standing - added + rejected)


def _count_judged(db: Connection, project_id: str, definition: EventDefinition) -> int:
    """Return how many interactions a detector has looked at."""
    row = db.row(
        "select coalesce(sum(verdicts), 0) as n from verdict_counts "
        "where project_id = :project_id and definition_id = :definition_id",
        {"project_id": project_id, "definition_id": definition.id},
    )
    return int(row["n"]) if row else 0


def _draw_rejected(
    reviewed: Sequence[_Reviewed], positives: int, version: int, chance: random.Random
) -> list[Drawn]:
    """Return rejected yes, which no index holds, with the chance that the others have."""
    return [
        Drawn(
            each.interaction_id,
            said=True,
            score=each.now_score,
            is_reviewed=True,
        )
        for each in reviewed
        if each.is_rejected
        and each.now_version == version
        and chance.random() * positives < MOST_YES
    ]
