"""Numbers of a period: whole days from the roll-up by day, its ends from that by the hour."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho_server.clock import DAY_MS, HOUR_MS, day_of
from phospho_server.store import Connection, Store, counters
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from tests.server.builders import NOON_MS
from tests.server.databases import on_each_database

pytestmark = on_each_database

_FIRST_MS = day_of(NOON_MS) - 3 * DAY_MS
_HOURS = st.integers(0, 5 * 24)


def count_by_hand(db: Connection, project: Project, since_ms: int, until_ms: int) -> int:
    row = db.row(
        "select coalesce(sum(value), 0) as n from counters where project_id = :project_id "
        "and metric = 'interactions' and hour_ms >= :since and hour_ms < :until",
        {"project_id": project.id, "since": since_ms, "until": until_ms},
    )
    return int(row["n"]) if row else 0


@given(
    said=st.lists(st.integers(0, 5 * DAY_MS - 1), max_size=12),
    bounds=st.tuples(_HOURS, _HOURS).map(sorted),
    step=st.sampled_from([HOUR_MS, DAY_MS, 2 * DAY_MS]),
)
@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_a_period_has_what_its_hours_have_wherever_it_begins_and_ends(
    store: Store, said: list[int], bounds: list[int], step: int
) -> None:
    since_ms, until_ms = (_FIRST_MS + hour * HOUR_MS for hour in bounds)
    project = store.write(lambda db: create_project(db, "one"))
    changes = Counter(("interactions", "", _FIRST_MS + at) for at in said)
    store.write(lambda db: counters.add(db, project.id, changes))
    period = {"since_ms": since_ms, "until_ms": until_ms}
    with store.read() as db:
        expected = count_by_hand(db, project, since_ms, until_ms)
        totals = counters.get_totals(db, project.id, **period)
        series = counters.get_series(db, project.id, **period, step_ms=step)
        of_event = counters.get_event_series(db, project.id, "event_none", **period, step_ms=step)
        assert totals.interactions == expected
        assert counters.sum_up(db, project.id, series, **period) == totals
        assert sum(series.values["interactions"]) == expected
        assert sum(of_event.values["interactions"]) == expected
        ends = [*series.starts_ms[1:], until_ms]
        for start_ms, end_ms, n in zip(
            series.starts_ms, ends, series.values["interactions"], strict=bool(series.starts_ms)
        ):
            assert n == count_by_hand(db, project, start_ms, end_ms)
