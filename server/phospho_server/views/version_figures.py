"""The part of the dashboard about the versions of the app: what each did, and its course."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.clock import DAY_MS, day_of
from phospho_server.store import Connection
from phospho_server.store.app_versions import VersionRow, list_app_versions
from phospho_server.store.time_steps import TimeSteps
from phospho_server.views.list_links import list_url
from phospho_server.views.periods import Period

_MOST_VERSIONS = 8

# The course is drawn in at most so many bars, in a box of this size.
_MOST_BARS = 30
_WIDTH, _HEIGHT = 120, 24


@dataclass(frozen=True)
class VersionFigure:
    """One version in a period.

    Args:
        row: What it did.
        share: Of all interactions with a version, from 0 to 1.
        per_hundred: Events in a hundred interactions.
        url: Its sessions.
        course: Outline of small bars, one for each step of time; empty for a short period.
    """

    row: VersionRow
    share: float
    per_hundred: float
    url: str
    course: str

    @property
    def positive_share(self) -> float | None:
        """The share of positive among its feedback; None where there is none."""
        flags = self.row.successes + self.row.failures
        return self.row.successes / flags if flags else None


@dataclass(frozen=True)
class VersionFigures:
    """The versions with the most interactions, and how many others there are."""

    versions: Sequence[VersionFigure]
    others: int
    width: int = _WIDTH
    height: int = _HEIGHT


def figure_versions(db: Connection, project_id: str, period: Period) -> VersionFigures:
    """Return the versions of a period; of one by the hour those of its whole days."""
    rows, count, total = list_app_versions(
        db,
        project_id,
        since_ms=period.since_ms,
        until_ms=period.until_ms,
        most=_MOST_VERSIONS,
    )
    figures = [
        VersionFigure(
            row=row,
            share=row.interactions / total,
            per_hundred=100 * row.events / row.interactions,
            url=list_url(project_id, "sessions", period, version=row.version_id),
            course=_draw(row, period),
        )
        for row in rows
    ]
    return VersionFigures(figures, count - len(rows))


def _draw(row: VersionRow, period: Period) -> str:
    """Return the path of a bar for each step."""
    since_ms = day_of(period.since_ms)
    days = -(-(period.until_ms - since_ms) // DAY_MS)
    if days <= 2:  # noqa: PLR2004 - yesterday and today are no course
        return ""
    steps = TimeSteps(since_ms, period.until_ms, DAY_MS * -(-days // _MOST_BARS))
    counts, origin_ms = [0] * steps.count, steps.origin_ms
    for day_ms, interactions in row.by_day.items():
        counts[(day_ms - origin_ms) // steps.step_ms] += interactions
    most, width = max(counts), _WIDTH / steps.count
    return "".join(
        f"M{place * width:.1f} {_HEIGHT}v{-max(1.0, _HEIGHT * value / most):.1f}"
        f"h{width * 0.75:.1f}V{_HEIGHT}z"
        for place, value in enumerate(counts)
        if value > 0
    )
