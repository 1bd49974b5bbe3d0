"""The part of the dashboard about what is known of every message: its language and sentiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho_server.charts import shares
from phospho_server.clock import HOUR_MS
from phospho_server.stacked_charts import StackedChart, stacked_charts
from phospho_server.store import Connection
from phospho_server.store.message_facts import count_values, get_sentiment_series
from phospho_server.store.rows import FactCount
from phospho_server.views.formats import iso
from phospho_server.views.periods import Period

# Languages beyond these are added up.
_MOST_LANGUAGES = 7

# Natural widths: beside the languages on a desktop, and on a phone.
_WIDTHS, _HEIGHT = {"wide": 600, "narrow": 340}, 220


@dataclass(frozen=True)
class FactFigures:
    """What is known of the messages of a period; empty where nothing tells it.

    Args:
        languages: The most frequent, each with its share of the largest in percent.
        others: Messages in further languages, and how many languages those are.
        sentiment: By feeling, the number of messages in each step of time.
        labels: What each step is called.
        times: Their moments, where a reader in another zone reads another hour.
        charts: The sentiment over time by "wide" and "narrow".
    """

    languages: Sequence[tuple[FactCount, float]]
    others: tuple[int, int]
    sentiment: Mapping[str, Sequence[int]]
    labels: Sequence[str]
    times: Sequence[str]
    charts: Mapping[str, StackedChart]


def figure_facts(db: Connection, project_id: str, period: Period) -> FactFigures:
    """Return the numbers of a period."""
    since_ms, until_ms = period.since_ms, period.until_ms
    languages = count_values(db, project_id, "language", since_ms=since_ms, until_ms=until_ms)
    shown, rest = languages[:_MOST_LANGUAGES], languages[_MOST_LANGUAGES:]
    series = get_sentiment_series(
        db, project_id, since_ms=since_ms, until_ms=until_ms, step_ms=period.step_ms
    )
    labels = [period.label(start) for start in series.starts_ms]
    times = [iso(start) for start in series.starts_ms] if period.step_ms == HOUR_MS else []
    is_known = any(map(any, series.values.values()))
    return FactFigures(
        languages=list(zip(shown, shares([each.interactions for each in shown]), strict=True)),
        others=(sum(each.interactions for each in rest), len(rest)),
        sentiment=series.values if is_known else {},
        labels=labels,
        times=times,
        charts=stacked_charts(labels, series.values, widths=_WIDTHS, height=_HEIGHT, times=times)
        if is_known
        else {},
    )
