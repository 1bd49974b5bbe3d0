"""How often one event occurred over a period, put right where people's clicks say how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho_server.charts import BarChart, bar_chart
from phospho_server.correcting import Step, correct
from phospho_server.estimating import Estimate, Range
from phospho_server.mixing import Mix, find_marks
from phospho_server.store import Connection, counters, quality
from phospho_server.store.time_steps import TimeSteps
from phospho_server.views.periods import Period

# Natural widths: beside the navigation of a desktop, and on a phone.
_SIZES = {"wide": 1040, "narrow": 340}
_HEIGHT = 240


@dataclass(frozen=True)
class Trend:
    """How often an event occurred over a period.

    Args:
        labels: The name of each step.
        counts: What was found in each.
        corrected: How often it occurred, misses and mistakes put right; empty where clicks are few.
        total: The same of the whole period; None where clicks are few.
        marks: What to say before which steps: where another version begins.
        mixed: What has to be said of all, where it comes from several versions or models.
    """

    labels: Sequence[str]
    counts: Sequence[int]
    corrected: Sequence[Range]
    total: Range | None
    marks: Mapping[int, str]
    mixed: Sequence[str]

    @property
    def charts(self) -> dict[str, BarChart]:
        """Return the chart at both of its widths; the stylesheet shows the one that fits."""
        ranges = [(each.low, each.value, each.high) for each in self.corrected]
        return {
            size: bar_chart(
                self.labels,
                self.counts,
                width=width,
                height=_HEIGHT,
                marks=self.marks,
                ranges=ranges,
            )
            for size, width in _SIZES.items()
        }


def get_trend(
    db: Connection,
    project_id: str,
    event_id: str,
    period: Period,
    *,
    known: Estimate,
    mix: Mix | None,
) -> Trend:
    """Return the course of an event, put right where enough clicks say how.

    Args:
        db: A connection.
        project_id: The project.
        event_id: The event.
        period: The period.
        known: What people's clicks tell.
        mix: Where the verdicts come from; None before there are any.
    """
    series = counters.get_event_series(
        db,
        project_id,
        event_id,
        since_ms=period.since_ms,
        until_ms=period.until_ms,
        step_ms=period.step_ms,
    )
    counts = series.values["events"]
    labels = [period.label(start) for start in series.starts_ms]
    marks = find_marks({"": mix}, series) if mix else {}
    mixed = mix.sentences if mix else ()
    if not known.can_correct:
        return Trend(labels, counts, (), None, marks, mixed)
    counted = [
        Step(events, interactions)
        for events, interactions in zip(counts, series.values["interactions"], strict=True)
    ]
    of = TimeSteps(period.since_ms, period.until_ms, period.step_ms)
    steps = quality.add_words(db, project_id, event_id, counted, of)
    whole = Step(
        events=sum(step.events for step in steps),
        interactions=sum(step.interactions for step in steps),
        known=sum(step.known for step in steps),
        refuted=sum(step.refuted for step in steps),
    )
    return Trend(labels, counts, correct(known, steps), correct(known, [whole])[0], marks, mixed)
