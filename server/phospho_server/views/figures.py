"""The numbers at the top of the dashboard, each beside that of the period before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.store import Connection, counters
from phospho_server.store.rows import Series, Totals
from phospho_server.views.formats import counted, number, percent
from phospho_server.views.list_links import list_url
from phospho_server.views.periods import Period

METRICS = {
    "sessions": "Sessions",
    "interactions": "Interactions",
    "users": "Users",
    "events": "Events",
    "feedback": "Positive feedback",
}

_LISTS = {
    "sessions": "sessions",
    "interactions": "sessions",
    "users": "sessions",
    "events": "events",
    "feedback": "sessions with positive feedback",
}


@dataclass(frozen=True)
class Figure:
    """One number of a period.

    Args:
        value: As people read it.
        now: The number; a share from 0 to 1 for feedback, None where there is none.
        before: The number of the period before; None where there is none.
        note: What stands below where there is nothing to compare with.
        of: How many a share is of; 0 for other numbers.
        has_chart: Whether it can be shown over time.
        list_url: The list of what it counts.
        list_name: What that list shows.
    """

    metric: str
    name: str
    value: str
    now: float | None
    before: float | None
    note: str
    of: int
    has_chart: bool
    list_url: str
    list_name: str

    @property
    def is_share(self) -> bool:
        """Whether the number is a share."""
        return self.metric == "feedback"

    @property
    def change(self) -> float | None:
        """The growth against the period before; None where it has no meaning.

        A share of the number before; of a share the difference, in hundredths.
        """
        if self.now is None or self.before is None:
            return None
        if self.is_share:
            return round(100 * self.now) - round(100 * self.before)
        return (self.now - self.before) / self.before if self.before else None

    @property
    def change_text(self) -> str:
        """How much more or less it is, without a sign."""
        change = abs(self.change or 0)
        return counted(round(change), "point") if self.is_share else percent(change)

    @property
    def before_text(self) -> str:
        """The number before as people read it."""
        if self.before is None:
            return ""
        return percent(self.before) if self.is_share else number(round(self.before))


def get_figures(
    db: Connection, project_id: str, period: Period, series: Series
) -> Sequence[Figure]:
    """Return the numbers of a period.

    Args:
        db: A connection.
        project_id: The project.
        period: The period.
        series: Its course, which the numbers are summed from: what is not in it has no chart.
    """
    now = counters.sum_up(
        db, project_id, series, since_ms=period.since_ms, until_ms=period.until_ms
    )
    before: Totals | None = None
    if period.before_ms is not None:
        before = counters.get_totals(
            db, project_id, since_ms=period.before_ms, until_ms=period.since_ms
        )
    return [
        Figure(
            metric=metric,
            name=name,
            value=_read(now, metric),
            now=_value(now, metric),
            before=_value(before, metric) if before else None,
            note=_note(now, metric, period),
            of=_flags(now) if metric == "feedback" else 0,
            has_chart=metric in series.values or (metric == "feedback" and bool(_flags(now))),
            list_url=list_url(project_id, "success" if metric == "feedback" else metric, period),
            list_name=_LISTS[metric],
        )
        for metric, name in METRICS.items()
    ]


def _value(totals: Totals, metric: str) -> float | None:
    if metric == "feedback":
        return totals.positive_share
    value: int = getattr(totals, metric)
    return value


def _read(totals: Totals, metric: str) -> str:
    value = _value(totals, metric)
    if value is None:
        return "\u2013"
    return percent(value) if metric == "feedback" else number(round(value))


def _flags(totals: Totals) -> int:
    return totals.successes + totals.failures


def _note(totals: Totals, metric: str, period: Period) -> str:
    if metric == "feedback" and not _flags(totals):
        return "no feedback yet"
    if metric == "users" and period.name == "24h":
        return "today and yesterday"
    return "since the first interaction" if period.name == "all" else "in this period"
