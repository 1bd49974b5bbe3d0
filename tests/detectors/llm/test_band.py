"""The band is narrowed from its edges, by answers alone, and what is left out is still sampled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors.llm.band import (
    ENOUGH,
    ONE_IN,
    WITH_EXAMPLES,
    WITHOUT,
    Answered,
    Band,
    make_band,
)

SETTLED = Answered(ENOUGH, 0)


def band(threshold: float = 0.5, **answered: Answered) -> Band:
    """Return a band, given answers by part: `low1` is the lowest, `high1` the highest."""
    places = {"low": lambda n: n - 7, "high": lambda n: 6 - n}
    parts = {
        places[name.rstrip("0123456789")](int(name.lstrip("lowhig"))): each
        for name, each in answered.items()
    }
    return make_band(threshold, is_shown=False, answered=parts)


@pytest.mark.parametrize(
    ("answered", "is_settled"),
    [
        pytest.param(Answered(49, 0), False, id="too-few"),
        pytest.param(Answered(50, 0), True, id="none-differed"),
        pytest.param(Answered(60, 1), False, id="one-of-sixty-differed"),
        pytest.param(Answered(100, 1), True, id="one-of-a-hundred-differed"),
        pytest.param(Answered(150, 3), False, id="three-differed"),
    ],
)
def test_a_part_is_settled_when_practically_no_answer_differed(
    answered: Answered, *, is_settled: bool
) -> None:
    assert answered.is_settled is is_settled


def test_without_answers_the_band_is_at_its_widest() -> None:
    assert (band().low, band().high) == WITHOUT
    assert not band().is_narrowed
    shown = make_band(0.5, is_shown=True)
    assert (shown.low, shown.high) == WITH_EXAMPLES


def test_a_settled_part_at_an_edge_is_left_out_and_one_inside_is_not() -> None:
    narrowed = band(low1=SETTLED, low2=SETTLED, low4=SETTLED, high1=SETTLED)
    assert (narrowed.low, narrowed.high) == (-2.0, 2.5)
    assert narrowed.scores == pytest.approx((0.119, 0.924), abs=0.001)
    assert narrowed.is_narrowed


def test_a_band_of_which_all_is_settled_ends_at_the_threshold() -> None:
    names = [f"{side}{n}" for side in ("low", "high") for n in range(1, 7)]
    narrowed = band(0.3, **dict.fromkeys(names, SETTLED))
    assert narrowed.scores == pytest.approx((0.3, 0.3))


def test_one_verdict_in_twenty_is_asked_about_where_a_part_is_left_out() -> None:
    narrowed = band(low1=SETTLED)
    asked = sum(narrowed.asks(0.06, key) for key in range(10_000))
    assert asked == pytest.approx(10_000 / ONE_IN, rel=0.1)
    assert all(narrowed.asks(0.3, key) for key in range(100))
    assert not any(narrowed.asks(0.04, key) for key in range(1_000))


@given(
    threshold=st.floats(0.02, 0.98),
    is_shown=st.booleans(),
    score=st.floats(0, 1),
    answered=st.dictionaries(
        st.integers(-7, 7), st.builds(Answered, st.floats(0, 200), st.floats(0, 20))
    ),
)
def test_a_narrowed_band_lies_within_the_widest_and_around_the_threshold(
    threshold: float, is_shown: bool, score: float, answered: dict[int, Answered]
) -> None:
    made = make_band(threshold, is_shown=is_shown, answered=answered)
    assert made.widest[0] <= made.low <= 0 <= made.high <= made.widest[1]
    low, high = made.scores
    assert 0 < low <= high < 1
    if made.asks(score, 7):
        assert made.contains(score)
