"""When a rule fires and when it is over: the arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho_server.alerts.judging import (
    FEWEST_DAYS,
    Reading,
    Step,
    calm_ms,
    decide,
    find_needed,
    find_usual,
    is_over,
)
from phospho_server.store.alert_rules import FACTORS, WINDOWS, AlertRule, Terms
from phospho_server.store.windows import Window
from tests.server.builders import NOON_MS

MINUTE_MS = 60_000


def read(events: int, *past: int, traffic: int = 100, now: int = 100) -> Reading:
    """Return a reading of days with as many interactions each."""
    return Reading(Window(events, now), [Window(n, traffic) for n in past], len(past))


@pytest.mark.parametrize(
    ("terms", "reading", "fires"),
    [
        pytest.param(Terms(60, 10), read(10), True, id="as-many"),
        pytest.param(Terms(60, 10), read(9), False, id="one-less"),
        pytest.param(Terms(60, 5, 3), read(42, *[6] * 7), True, id="seven-times-the-usual"),
        pytest.param(Terms(60, 5, 3), read(17, *[6] * 7), False, id="less-than-three-times"),
        pytest.param(Terms(60, 5, 3), read(18, *[6] * 7), True, id="three-times"),
        pytest.param(Terms(60, 5, 2), read(12, *[6] * 7), False, id="may-be-chance"),
        pytest.param(Terms(60, 5, 2), read(17, *[6] * 7), True, id="twice-and-no-chance"),
        pytest.param(Terms(60, 50, 3), read(42, *[6] * 7), False, id="too-few-to-matter"),
        pytest.param(Terms(60, 1, 3), read(3, *[0] * 14), False, id="out-of-nothing-but-few"),
        pytest.param(Terms(60, 1, 3), read(4, *[0] * 14), True, id="out-of-nothing"),
        pytest.param(Terms(60, 5, 3), read(90, *[6] * 6), False, id="still-learning"),
        pytest.param(Terms(60, 5, 3), Reading(Window(90, 90), [], None), False, id="looking-back"),
        # One wild day, or a few quiet ones, are not what is usual.
        pytest.param(Terms(60, 5, 3), read(42, 6, 6, 900, 6, 6, 6, 6), True, id="one-wild-day"),
        pytest.param(Terms(60, 5, 3), read(17, 0, 0, 6, 6, 6, 6, 6), False, id="two-days-off"),
        # Three times the users are no news, nor are three times the events of as many users.
        pytest.param(Terms(60, 5, 3), read(42, *[6] * 7, now=800), False, id="more-traffic"),
        pytest.param(Terms(60, 5, 3), read(6, *[6] * 7, now=10), False, id="fewer-users-as-many"),
        pytest.param(Terms(60, 5, 3), read(42, *[6] * 7, now=10), True, id="fewer-users-and-more"),
        pytest.param(Terms(60, 5, 3), read(42, *[0] * 7, traffic=0), True, id="no-traffic-before"),
    ],
)  # fmt: skip
def test_a_rule_fires_at_its_number_and_above_what_is_usual(
    terms: Terms, reading: Reading, fires: bool
) -> None:
    assert is_over(terms, reading) is fires


def test_what_is_usual_follows_the_traffic() -> None:
    past = [Window(6, 100)] * 7
    assert find_usual(Window(1, 100), past) == 6
    assert find_usual(Window(1, 200), past) == 12
    assert find_usual(Window(1, 10), past) == 6


_counts = st.integers(0, 100_000)
_windows = st.builds(Window, _counts, _counts)
_known = st.builds(
    lambda now, past: Reading(now, past, len(past)), _windows, st.lists(_windows, max_size=14)
)
_terms = st.builds(
    Terms,
    window_minutes=st.sampled_from(sorted(WINDOWS)),
    at_least=st.integers(1, 1_000_000),
    factor=st.none() | st.sampled_from(FACTORS),
)


@given(_counts, st.integers(1, 100_000), st.integers(FEWEST_DAYS, 14), _terms)
def test_what_goes_on_as_ever_never_fires(
    events: int, traffic: int, days: int, terms: Terms
) -> None:
    flat = Reading(Window(events, traffic), [Window(events, traffic)] * days, days)
    assert not is_over(replace(terms, factor=terms.factor or 2), flat)


@given(_counts, st.integers(1, 1_000), st.integers(1, 50), st.sampled_from(FACTORS))
def test_growth_of_the_traffic_alone_never_fires(
    events: int, traffic: int, growth: int, factor: int
) -> None:
    grown = Window(events * growth, traffic * growth)
    assert not is_over(Terms(60, 1, factor), Reading(grown, [Window(events, traffic)] * 14, 14))


@given(_known, st.integers(1, 100_000))
def test_a_plain_threshold_fires_exactly_at_its_number(reading: Reading, at_least: int) -> None:
    assert is_over(Terms(60, at_least), reading) is (reading.now.events >= at_least)


@given(_terms, _known, _counts)
def test_more_events_never_end_what_fires(terms: Terms, reading: Reading, more: int) -> None:
    if is_over(terms, reading):
        now = replace(reading.now, events=reading.now.events + more)
        assert is_over(terms, replace(reading, now=now))


@given(_terms, _known)
def test_a_comparison_never_fires_below_the_number_of_its_rule(
    terms: Terms, reading: Reading
) -> None:
    needed = find_needed(terms, reading.usual)
    assert needed is None or needed >= terms.at_least
    assert (needed is None) == (terms.factor is not None and reading.missing_days > 0)


def rule(**changes: object) -> AlertRule:
    fields = {"id": "r", "project_id": "p", "definition_id": "e", "terms": Terms(60, 10),
              "event": "refund", "color": 0, "created_at_ms": 0, "edited_at_ms": 0}  # fmt: skip
    return AlertRule(**{**fields, **changes})  # type: ignore[arg-type]


CALM_MS = NOON_MS - 30 * MINUTE_MS


@pytest.mark.parametrize(
    ("events", "firing", "calm_since_ms", "step"),
    [
        pytest.param(9, False, None, None, id="quiet"),
        pytest.param(10, False, None, "fire", id="begins"),
        pytest.param(12, True, None, None, id="goes-on"),
        pytest.param(9, True, None, "calm", id="may-be-over"),
        pytest.param(9, True, CALM_MS + 1, None, id="waits-before-it-is-over"),
        pytest.param(9, True, CALM_MS, "end", id="is-over"),
        pytest.param(10, True, CALM_MS, "stir", id="was-not-over"),
    ],
)
def test_a_rule_fires_at_once_and_ends_after_a_while(
    events: int, firing: bool, calm_since_ms: int | None, step: Step | None
) -> None:
    alert_id = "a" if firing else None
    seen = rule(alert_id=alert_id, calm_since_ms=calm_since_ms)
    assert decide(seen, read(events), NOON_MS) == step


@pytest.mark.parametrize(
    ("window", "minutes"),
    [(15, 15), (60, 30), (360, 180), (1_440, 720), (10_080, 720)],
)
def test_it_is_over_after_half_a_window_within_limits(window: int, minutes: int) -> None:
    assert calm_ms(Terms(window, 1)) == minutes * MINUTE_MS
