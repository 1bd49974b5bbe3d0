"""The parts of the dashboard: feedback, steps, shapes of events, versions, and where each leads."""

from __future__ import annotations

import html
import itertools
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho_server.clock import DAY_MS, HOUR_MS, now_ms
from phospho_server.store import detections
from phospho_server.store.event_shapes import ANY, EventShapes, Shape
from phospho_server.store.rows import EventCount, Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.views import chart_steps, periods, shape_tables
from phospho_server.views.formats import to_datetime
from tests.server.builders import NOON_MS, add, define, interaction, verdict
from tests.server.views.conftest import Visitor, text_of


@pytest.fixture
def liked(store: SqliteStore, project: Project) -> None:
    """Feedback now and in the period before, of two versions of the app."""
    now = now_ms()
    add(
        store,
        project,
        *(
            interaction(
                f"t{n}", session_id=f"s{n}", flag=flag, version_id=version, created_at_ms=at
            )
            for n, (flag, version, at) in enumerate(
                [
                    ("success", "1.1", now),
                    ("success", "1.1", now - DAY_MS),
                    ("success", "1.1", now - DAY_MS),
                    ("failure", "1.0", now - 2 * DAY_MS),
                    (None, "1.0", now - 2 * DAY_MS),
                    ("success", None, now - 9 * DAY_MS),
                    ("failure", None, now - 9 * DAY_MS),
                ]
            )
        ),
    )


@pytest.mark.usefixtures("liked")
def test_feedback_is_the_share_of_positive_beside_that_of_the_period_before(
    visitor: Visitor, home: str
) -> None:
    page = visitor.get(f"{home}/dashboard?period=7d")
    assert "Positive feedback 75 % of 4 ↑ 25 points" in text_of(page)
    assert f'href="{home}/interactions?flag=success&amp;period=7d"' in page.get_data(as_text=True)
    chart = text_of(visitor.get(f"{home}/dashboard?period=7d&show=feedback"))
    assert "Feedback by day" in chart
    assert "0 negative, 2 positive" in chart


def test_without_feedback_there_is_no_share(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction(created_at_ms=now_ms()))
    page = text_of(visitor.get(f"{home}/dashboard?show=feedback"))
    assert "Positive feedback \u2013 no feedback yet" in page
    assert "Interactions by day" in page


@pytest.mark.usefixtures("liked")
def test_each_version_has_a_row_that_leads_to_its_sessions(visitor: Visitor, home: str) -> None:
    page = visitor.get(f"{home}/dashboard?period=7d")
    assert "1.1 3 60 % 100 % of 3 0.0" in text_of(page)
    assert f'href="{home}/sessions?version=1.1&amp;period=7d"' in page.get_data(as_text=True)


def test_without_versions_the_page_says_how_to_have_some(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction(created_at_ms=now_ms()))
    assert 'version_id="1.4"' in text_of(visitor.get(f"{home}/dashboard"))


@pytest.mark.usefixtures("liked")
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("period=7d&step=hour", "Interactions by hour"),
        ("period=30d&step=week", "Interactions by week"),
        ("period=30d&step=week&show=users", "Users by week"),
        ("period=7d&step=week", "“week” is not a choice of “step”"),
        ("period=24h&step=day", "“day” is not a choice of “step”"),
        ("period=all&step=hour", "“hour” is not a choice of “step”"),
    ],
)
def test_a_step_is_chosen_in_the_address(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, query: str, words: str
) -> None:
    users = [interaction(f"u{n}", user_id="u", created_at_ms=now_ms()) for n in range(2)]
    add(store, project, *users)
    assert words in text_of(visitor.get(f"{home}/dashboard?{query}"))


@pytest.mark.usefixtures("liked")
def test_the_bars_of_a_chart_sum_up_to_its_figure(visitor: Visitor, home: str) -> None:
    for query in ("period=30d&step=week", "period=30d", "period=all", "period=7d&step=hour"):
        page = visitor.get(f"{home}/dashboard?show=sessions&{query}").get_data(as_text=True)
        chart = page[page.index('class="chart wide"') : page.index('class="chart narrow"')]
        bars = [int(n) for n in re.findall(r"<title>[^<]*: (\d+)</title>", chart)]
        figure = re.search(r'class="figure-value"[^>]*>(\d+)<', page)
        assert figure
        assert sum(bars) == int(figure.group(1))


@pytest.mark.usefixtures("liked")
def test_a_bar_leads_to_the_days_it_stands_for(visitor: Visitor, home: str) -> None:
    page = visitor.get(f"{home}/dashboard?period=30d&step=week").get_data(as_text=True)
    found = re.findall(
        r'class="bar" href="[^"]*period=custom&amp;since=([^&]+)&amp;until=([^"]+)"', page
    )
    days = found[: len(found) // 2]
    assert len(days) == 5
    # Each ends on the day before the next one begins; the last one today.
    for (_, until), (since, _) in itertools.pairwise(days):
        assert until < since
    assert days[-1][1] == to_datetime(now_ms()).strftime("%Y-%m-%d")


def test_events_by_length_and_position_say_what_they_are_computed_from(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    said = [interaction(f"t{n}", created_at_ms=now_ms() - n) for n in range(6)]
    add(store, project, *said)
    event = define(store, project, name="<b>thanks")
    yes = verdict(store, project, said[0], detected=True)
    store.write(lambda db: detections.record(db, project.id, event, [yes]))
    page = visitor.get(f"{home}/dashboard")
    assert "Events by session length of all 1 session" in text_of(page)
    assert "Events by message position of 6 interactions in all 1 session" in text_of(page)
    assert 'title="1 of 1"' in page.get_data(as_text=True)
    assert "<b>thanks" not in page.get_data(as_text=True)


def test_a_share_by_position_leads_to_its_interactions(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    said = [
        interaction(f"t{n}", input=f"name t{n}", created_at_ms=now_ms() - 20 + n) for n in range(12)
    ]
    add(store, project, *said)
    event = define(store, project, name="thanks")
    found = [verdict(store, project, said[n], detected=True) for n in (1, 10, 11)]
    store.write(lambda db: detections.record(db, project.id, event, found))
    page = visitor.get(f"{home}/dashboard").get_data(as_text=True)
    table = page.partition("Events by message position")[2].partition("</table>")[0]
    led = {}
    for address, share in re.findall(r'href="([^"]+position=[^"]+)">([^<]+)</a>', table):
        listed = visitor.get(html.unescape(address)).get_data(as_text=True)
        names = re.findall(r"<bdi>name (t\d+)", listed)
        led[html.unescape(address).partition("?")[2]] = (share, names)
    assert led["event=thanks&period=30d&position=2"] == ("100\u202f%", ["t1"])
    assert led["event=thanks&period=30d&position=10-"] == ("67\u202f%", ["t11", "t10"])
    assert led["event=thanks&period=30d&position=1"] == ("0\u202f%", [])
    assert led["period=30d&position=10-"] == ("3", ["t11", "t10", "t9"])


def test_a_share_of_few_is_not_tinted() -> None:
    event = EventCount("e", "e", "", 0, 5)
    shape = Shape(("1", "2", "3"), [1, 100, 0], {ANY: [1, 50, 0], "e": [0, 10, 0]})
    table, _ = shape_tables.lay_out_shapes(
        EventShapes(shape, shape, 1, is_whole=True, placed=1), [event]
    )
    tints = [[cell.tint for cell in cells] for _, cells in table.rows]
    assert tints == [[0, 5, 0], [0, 1, 0]]
    assert [cell.text for cell in table.rows[0][1]] == ["100\u202f%", "50\u202f%", "\u2013"]


@given(
    name=st.sampled_from(list(periods.NAMES)),
    now=st.integers(NOON_MS, NOON_MS + 10 * DAY_MS),
    age=st.integers(0, 20_000 * 24),
)
def test_every_step_that_is_offered_gives_a_chart_of_sensible_size(
    name: str, now: int, age: int
) -> None:
    period = periods.get_period(name, now, now - age * HOUR_MS)
    offered = chart_steps.list_steps(period)
    assert chart_steps.name_of(period) in offered
    for step in offered:
        chosen = chart_steps.with_step(period, step)
        count = chart_steps.count_bars(chosen, chosen.step_ms)
        assert 2 <= count <= chart_steps.MOST_BARS
        assert chosen.label(chosen.since_ms)


@pytest.mark.parametrize(
    ("days", "step", "bars"), [(8, "day", 8), (60, "day", 60), (61, "week", 9), (92, "week", 14)]
)
def test_a_chart_in_half_of_the_page_has_few_bars(days: int, step: str, bars: int) -> None:
    now = NOON_MS + HOUR_MS
    period = periods.get_period("all", now, now - (days - 1) * DAY_MS)
    smaller = chart_steps.for_half_a_page(period)
    assert chart_steps.name_of(smaller) == step
    assert chart_steps.count_bars(smaller, smaller.step_ms) == bars
    assert (smaller.since_ms, smaller.until_ms) == (period.since_ms, period.until_ms)


ANYTHING = st.text(max_size=40) | st.sampled_from(["hour", "week", "all", "1e9", "-1", "9" * 400])


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    query=st.dictionaries(
        st.sampled_from(["period", "step", "show", "event", "q", "page"]), ANYTHING
    )
)
def test_any_address_of_a_dashboard_or_of_the_projects_is_answered(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, query: dict[str, str]
) -> None:
    add(store, project, interaction(created_at_ms=now_ms(), version_id="<i>\u202e"))
    for path in (f"{home}/dashboard", "/projects"):
        page = visitor.get(path, query_string=query)
        assert page.status_code == 200
        assert "<i>" not in page.get_data(as_text=True)
