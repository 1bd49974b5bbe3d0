"""Numbers of a period and their course, against a count by hand."""

from __future__ import annotations

import pytest

from phospho_server.clock import DAY_MS
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.api.resources.conftest import Program
from tests.server.builders import NOON_MS, add, interaction

DAY = {"since": "2026-11-20", "until": "2026-11-20"}


@pytest.mark.usefixtures("filled")
def test_a_day_has_its_numbers_beside_those_of_the_day_before(
    program: Program, store: SqliteStore, project: Project
) -> None:
    add(store, project, interaction("before", created_at_ms=NOON_MS - DAY_MS))
    found = program.read("/stats", **DAY)
    assert (found["since"], found["until"]) == (
        "2026-11-20T00:00:00.000Z",
        "2026-11-21T00:00:00.000Z",
    )
    assert found["totals"] == {
        "sessions": 4,  # s1 began the day before
        "interactions": 9,
        "users": 3,
        "events": 7,
        "successes": 1,
        "failures": 1,
    }
    assert found["before"]["interactions"] == 1
    assert [(e["name"], e["count"]) for e in found["events"]] == [("booking", 5), ("anger", 2)]


def test_the_period_before_is_as_long(
    program: Program, store: SqliteStore, project: Project
) -> None:
    new = [interaction(f"t{n}", created_at_ms=NOON_MS - n * DAY_MS) for n in range(5)]
    add(store, project, *new)
    found = program.read("/stats", since="2026-11-19", until="2026-11-20")
    assert (found["totals"]["interactions"], found["before"]["interactions"]) == (2, 2)


@pytest.mark.usefixtures("filled")
def test_a_course_adds_up_to_the_numbers_of_its_period(program: Program) -> None:
    hours = program.read("/stats/series", **DAY)
    assert (hours["step"], len(hours["starts"])) == ("hour", 24)
    assert hours["values"]["interactions"] == [0] * 12 + [1] * 9 + [0] * 3
    days = program.read("/stats/series", since="2026-11-14", until="2026-11-20", step="day")
    assert days["values"]["interactions"] == [0, 0, 0, 0, 0, 0, 9]
    assert days["values"]["users"] == [0, 0, 0, 0, 0, 0, 3]
    weeks = program.read("/stats/series", since="2026-11-14", until="2026-11-20", step="week")
    assert weeks["values"]["interactions"] == [9]
    booking = program.read("/stats/series", **DAY, event="booking")
    assert booking["values"]["events"] == [0] * 12 + [1] * 5 + [0] * 7


@pytest.mark.parametrize(
    "asked", [{"period": "all"}, {"since": "2026-11-20"}], ids=["all", "since"]
)
@pytest.mark.parametrize("step", ["day", "week"])
@pytest.mark.usefixtures("filled")
def test_steps_of_days_begin_with_a_day(
    program: Program, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str], step: str
) -> None:
    clock = "phospho_server.api.resources.parameters.now_ms"
    monkeypatch.setattr(clock, lambda: NOON_MS + 20 * DAY_MS)
    starts = program.read("/stats/series", **asked, step=step)["starts"]
    assert {start[11:] for start in starts[1:]} == {"00:00:00.000Z"}


def test_an_empty_project_has_numbers_too(program: Program) -> None:
    found = program.read("/stats")
    assert set(found["totals"].values()) == {0}
    everything = program.read("/stats", period="all")
    assert everything["before"] is None
    assert sum(program.read("/stats/series", period="all")["values"]["interactions"]) == 0


@pytest.mark.usefixtures("filled")
def test_all_time_begins_with_the_first_interaction(program: Program) -> None:
    found = program.read("/stats", period="all")
    assert found["totals"]["interactions"] == 9
    assert found["since"] <= "2026-11-20T12:00:00.000Z"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        pytest.param({"since": "2026-11-20", "until": "2026-11-01"}, "ends before", id="backwards"),
        pytest.param({"step": "minute"}, "one of: hour, day, week", id="step"),
        pytest.param({"since": "1980-01-01", "step": "hour"}, "parts of an hour", id="too-many"),
        pytest.param({"event": "x"}, "no event with this name", id="event"),
        pytest.param({"period": "1y"}, "not a choice", id="period"),
    ],
)
def test_a_period_that_cannot_be_meant_is_refused(
    program: Program, asked: dict[str, str], says: str
) -> None:
    assert says in program.refused("/stats/series", **asked)
