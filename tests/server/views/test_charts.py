"""From numbers to geometry."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho_server.axes import nice_scale, short_number
from phospho_server.charts import bar_chart, shares
from phospho_server.clock import DAY_MS, HOUR_MS
from phospho_server.stacked_charts import StackedChart, stacked_charts
from phospho_server.views.drawing import bars
from phospho_server.views.periods import NAMES, get_period

NOW_MS = 1_795_176_000_000 + 1234


def stacked(labels: list[str], values: dict[str, list[int]], width: int) -> StackedChart:
    return stacked_charts(labels, values, widths={"only": width}, height=220)["only"]


@pytest.mark.parametrize(
    ("maximum", "scale"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (4, [0, 1, 2, 3, 4]),
        (9, [0, 5, 10]),
        (107, [0, 50, 100, 150]),
        (1000, [0, 500, 1000]),
    ],
)
def test_a_scale_has_round_numbers(maximum: int, scale: list[int]) -> None:
    assert nice_scale(maximum) == scale


@given(st.integers(0, 10**15))
def test_a_scale_reaches_its_maximum_in_few_steps(maximum: int) -> None:
    scale = nice_scale(maximum)
    assert scale[-1] >= maximum
    assert 2 <= len(scale) <= 6


@given(st.lists(st.integers(0, 10**9), max_size=130), st.sampled_from([340, 1040]))
def test_bars_and_labels_stay_inside_the_chart(values: list[int], width: int) -> None:
    labels = [f"{n} Nov" for n in range(len(values))]
    chart = bar_chart(labels, values, width=width, height=240)
    assert [bar.value for bar in chart.bars] == values
    for bar in chart.bars:
        assert chart.left - 1 <= bar.start
        assert bar.start + bar.step <= chart.right + 1
        assert bool(bar.path) == (bar.value > 0)
    for before, after in zip(chart.x_ticks, chart.x_ticks[1:], strict=False):
        assert after.at - before.at > 20
    assert all(chart.top - 1 <= tick.at <= chart.bottom for tick in chart.y_ticks)
    if values:
        assert chart.x_ticks[-1].label == labels[-1]


def test_there_is_room_between_the_newest_label_and_the_one_before() -> None:
    days = [f"{10 + n % 20} Nov" for n in range(91)]
    *_, before, newest = bar_chart(days, [1] * 91, width=1040, height=240).x_ticks
    assert newest.at - before.at > 9 * len(newest.label), "in a wide font they would touch"


@given(st.lists(st.tuples(*[st.integers(0, 10**9)] * 3), max_size=130), st.sampled_from([340, 600]))
def test_the_parts_of_a_stacked_bar_stand_on_each_other(
    rows: list[tuple[int, int, int]], width: int
) -> None:
    names = ("negative", "neutral", "positive")
    values = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    chart = stacked([f"{n} Nov" for n in range(len(rows))], values, width)
    assert [tuple(part.value for part in stack.layers) for stack in chart.stacks] == rows
    for stack in chart.stacks:
        floor = float(chart.bottom)
        for part in stack.layers:
            assert part.top + part.height == pytest.approx(floor, abs=0.2)
            assert part.height >= 0
            floor = part.top
        assert floor >= chart.top - 1
        assert stack.left + stack.width <= chart.right + 1


def test_bars_that_nobody_could_choose_are_one_picture() -> None:
    labels = [str(n) for n in range(100)]
    wide, narrow = (bar_chart(labels, range(100), width=w, height=240) for w in (1040, 340))
    assert bars(wide).count("<title>") == 100
    drawn = bars(narrow)
    assert (drawn.count("<path"), drawn.count("<title>")) == (1, 0)
    assert drawn.count("M") == 99, "0 has no bar"


def test_of_stacked_bars_each_part_is_one_picture() -> None:
    values = {"negative": [1] * 100, "positive": [0, 2] * 50}
    chart = stacked([str(n) for n in range(100)], values, 340)
    drawn = bars(chart)
    assert re.findall(r'class="(\w+)"', drawn) == ["bars", "negative", "positive"]
    negative, positive = re.findall(r' d="([^"]+)"', drawn)
    assert (negative.count("z"), positive.count("z")) == (100, 50)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (950, "950"), (1500, "1.5k"), (20_000_000, "20M"), (3_000_000_000, "3B")],
)
def test_axis_numbers_are_short(value: int, text: str) -> None:
    assert short_number(value) == text


def test_a_share_above_nothing_can_be_seen() -> None:
    assert shares([1000, 500, 1, 0]) == [100.0, 50.0, 1.0, 0.0]
    assert shares([]) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("first_ms", [None, 0, NOW_MS - 200 * DAY_MS, NOW_MS + 999 * DAY_MS])
def test_a_period_is_whole_steps_up_to_now(name: str, first_ms: int | None) -> None:
    period = get_period(name, NOW_MS, first_ms)
    assert period.since_ms % HOUR_MS == 0
    assert (period.until_ms - period.since_ms) % period.step_ms == 0
    assert period.since_ms < NOW_MS <= period.until_ms
    assert 7 <= (period.until_ms - period.since_ms) // period.step_ms <= 121
    assert period.label(period.since_ms)
    assert period.step_name


def test_a_period_is_compared_with_the_one_before() -> None:
    week = get_period("7d", NOW_MS)
    assert week.before_ms == week.since_ms - 7 * DAY_MS
    assert get_period("all", NOW_MS, 0).before_ms is None


def test_an_error_bar_stands_in_the_middle_of_its_bar_at_its_values() -> None:
    chart = bar_chart(["a", "b"], [4, 8], width=400, height=240, ranges=[(2, 3, 5), (6, 8, 10)])
    first, second = chart.errors
    per_unit = (chart.y_ticks[0].at - chart.y_ticks[1].at) / 5
    assert chart.y_ticks[1].label == "5"
    assert first.at == pytest.approx(chart.bars[0].start + chart.bars[0].step / 2, abs=0.1)
    assert first.value == pytest.approx(chart.bottom - 3 * per_unit, abs=0.1)
    assert second.value < first.value
    assert first.path.startswith(f"M{first.at} {chart.bottom - 2 * per_unit:.1f}V")
    assert first.path.count("h8") == 2


def test_a_range_far_beyond_all_values_runs_out_at_the_top() -> None:
    chart = bar_chart(["a"], [4], width=400, height=240, ranges=[(2, 3, 4_000)])
    (error,) = chart.errors
    assert f"V{chart.top}M" in error.path
    assert error.path.count("h8") == 1
    assert float(chart.y_ticks[-1].label) <= 10


def test_a_step_in_which_nothing_happened_has_no_error_bar() -> None:
    chart = bar_chart(["a", "b"], [0, 1], width=400, height=240, ranges=[(0, 0, 0), (0, 1, 2)])
    assert len(chart.errors) == 1


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))))
def test_error_bars_stay_inside_the_chart(rows: list[tuple[int, int, int]]) -> None:
    ranges = [(float(a), float(b), float(c)) for a, b, c in map(sorted, rows)]
    labels = [str(n) for n in range(len(rows))]
    values = [each[1] for each in rows]
    chart = bar_chart(labels, values, width=400, height=240, ranges=ranges)
    for error in chart.errors:
        assert chart.top <= error.value <= chart.bottom
        assert chart.left <= error.at <= chart.right
