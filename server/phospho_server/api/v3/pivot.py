"""Figures of interactions by day, event, place in the session or metadata, as existing clients ask.

Those by time come from the roll-ups where nothing else is asked for; all others are counted from
the interactions that match.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from phospho.detectors.sentiment import feeling_of
from phospho_server.api.v2.filters import Wanted
from phospho_server.errors import InvalidError
from phospho_server.store import Connection, day_totals
from phospho_server.store.day_totals import DayTotals
from phospho_server.store.records import Record

PivotRow = dict[str, Any]

# Interactions that figures are counted from at the most.
MOST = 10_000

# Beyond this no number of an app lies, and not all have a sum.
_MOST = 10**15

_TIMES: Mapping[str, Callable[[datetime], str]] = {
    "day": lambda at: at.date().isoformat(),
    "week": lambda at: (at.date() - timedelta(days=at.weekday())).isoformat(),
    "month": lambda at: f"{at:%Y-%m}",
}

_BY_TIME: Mapping[str, Callable[[DayTotals], float | None]] = {
    "nb_messages": lambda total: total.interactions,
    "nb_sessions": lambda total: total.sessions,
    "tags_count": lambda total: total.events,
    "avg_success_rate": lambda total: (
        total.successes / (total.successes + total.failures)
        if total.successes + total.failures
        else None
    ),
}


def has_roll_up(metric: str, breakdown_by: str | None, wanted: Wanted) -> bool:
    """Tell whether the roll-ups by day have a figure."""
    is_all = not (wanted.has or wanted.lacks or wanted.is_of_one or wanted.nothing)
    return is_all and metric in _BY_TIME and breakdown_by in _TIMES


def pivot_by_time(
    db: Connection, project_id: str, metric: str, breakdown_by: str, wanted: Wanted
) -> list[PivotRow]:
    """Return a figure of whole UTC days, weeks from Monday on, or months."""
    groups: dict[str, DayTotals] = defaultdict(DayTotals)
    for day_ms, total in day_totals.list_days(
        db, project_id, since_ms=wanted.since_ms, until_ms=wanted.until_ms
    ).items():
        name = _TIMES[breakdown_by](_to_time(day_ms))
        groups[name] = groups[name].plus(total)
    return [
        {"breakdown_by": name, "metric": _BY_TIME[metric](groups[name])} for name in sorted(groups)
    ]


def pivot(
    records: Iterable[Record],
    metric: str,
    *,
    of_metadata: str | None,
    breakdown_by: str | None,
) -> list[PivotRow]:
    """Return a figure of interactions, by what they have in common.

    Args:
        records: The interactions, at most `MOST`.
        metric: One of `METRICS`.
        of_metadata: The key that `avg`, `sum` and `nb_unique` are about.
        breakdown_by: `day`, `week`, `month`, `tagger_name`, `task_position`, `session_length`,
            `language`, `sentiment_label`, or a key of metadata; None for one figure of all.

    Raises:
        InvalidError: There are more interactions, or no such metric.
    """
    if metric not in METRICS:
        raise InvalidError(f"The metric must be one of {', '.join(sorted(METRICS))}.")
    groups: dict[Any, list[Record]] = defaultdict(list)
    for number, record in enumerate(records):
        if number >= MOST:
            raise InvalidError(
                f"More than {MOST:,} interactions match. Ask for a shorter time with the filters "
                "created_at_start and created_at_end."
            )
        for name in _names_of(record, breakdown_by):
            groups[name].append(record)
    return [
        {"breakdown_by": name, "metric": METRICS[metric](groups[name], of_metadata)}
        for name in sorted(groups, key=lambda each: (each is None, str(type(each)), each))
    ]


def _names_of(record: Record, breakdown_by: str | None) -> Iterator[Any]:
    """Yield the groups that an interaction is in."""
    if breakdown_by is None:
        yield "all"
    elif breakdown_by in _TIMES:
        yield _TIMES[breakdown_by](_to_time(record.created_at_ms))
    elif breakdown_by == "tagger_name":
        yield from dict.fromkeys(event.name for event in record.events)
    elif breakdown_by == "sentiment_label":
        yield None if record.sentiment is None else feeling_of(record.sentiment)
    elif breakdown_by in _OWN:
        yield _OWN[breakdown_by](record)
    else:
        value = record.metadata.get(breakdown_by)
        yield value if isinstance(value, str | int | float) else None


_OWN: Mapping[str, Callable[[Record], Any]] = {
    "task_position": lambda record: record.position,
    "session_length": lambda record: record.session_length,
    "language": lambda record: record.language,
    "user_id": lambda record: record.user_id,
    "version_id": lambda record: record.version_id,
}


def _to_time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, timezone.utc)


def _success_rate(records: Sequence[Record], _key: str | None) -> float | None:
    flags = [each.flag for each in records if each.flag is not None]
    return flags.count("success") / len(flags) if flags else None


def _session_length(records: Sequence[Record], _key: str | None) -> float | None:
    lengths = {each.session_id: each.session_length for each in records}
    return sum(lengths.values()) / len(lengths) if lengths else None


def _numbers(records: Sequence[Record], key: str | None) -> list[float]:
    values: list[Any] = [
        each.sentiment if key == "sentiment_score" else each.metadata.get(key or "")
        for each in records
    ]
    return [v for v in values if type(v) in {int, float} and abs(v) <= _MOST]


def _mean(records: Sequence[Record], key: str | None) -> float | None:
    numbers = _numbers(records, key)
    return sum(numbers) / len(numbers) if numbers else None


def _unique(records: Sequence[Record], key: str | None) -> int:
    read = _OWN.get(key or "")
    values = [read(each) if read else each.metadata.get(key or "") for each in records]
    return len({str(value) for value in values if value is not None})


METRICS: Mapping[str, Callable[[Sequence[Record], str | None], float | None]] = {
    "nb_messages": lambda records, _: len(records),
    "nb_sessions": lambda records, _: len({each.session_id for each in records}),
    "tags_count": lambda records, _: sum(len(each.events) for each in records),
    "avg_success_rate": _success_rate,
    "avg_session_length": _session_length,
    "avg": _mean,
    "sum": lambda records, key: sum(_numbers(records, key)),
    "nb_unique": _unique,
}
