"""How fast judges are asked: calls at once grow until a limit is met, and headers are heeded."""

from __future__ import annotations

import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors.llm.limits import GivenUpError, Pace, read_duration, read_retry_after


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def begins(pace: Pace, tokens: int = 10) -> bool:
    """Tell whether a call may begin now."""
    try:
        with pace.turn(tokens, lambda: True):
            return True
    except GivenUpError:
        return False


def test_calls_at_once_grow_by_one_until_a_limit_and_slowly_after_it() -> None:
    pace = Pace(most=8)
    for _ in range(5):
        pace.went_well({})
    assert pace.at_once == 6
    pace.met_a_limit({})
    assert pace.at_once == 3
    for _ in range(3):
        pace.went_well({})
    assert pace.at_once == 3  # three thirds, less a rounding
    for _ in range(100):
        pace.went_well({})
    assert pace.at_once == 8
    for _ in range(10):
        pace.met_a_limit({})
    assert pace.at_once == 1


def test_no_more_calls_begin_than_may_run_at_once() -> None:
    pace = Pace()
    with pace.turn(10, lambda: False):
        assert not begins(pace)
    assert begins(pace)


def test_retry_after_holds_back_every_call() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.met_a_limit({"retry-after": "7"})
    assert pace.wait_s == 7
    clock.now_s = 6.9
    assert not begins(pace)
    clock.now_s = 7.0
    assert begins(pace)


def test_requests_and_tokens_that_are_left_are_counted_down_and_fill_up_again() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.went_well(
        {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "2",
            "x-ratelimit-reset-requests": "58s",
            "x-ratelimit-limit-tokens": "1000",
            "x-ratelimit-remaining-tokens": "900",
            "x-ratelimit-reset-tokens": "1m40s",
        }
    )
    assert begins(pace)
    assert begins(pace)
    assert not begins(pace)
    clock.now_s = 1.0  # one request a second
    assert begins(pace)
    assert not begins(pace)
    clock.now_s = 30.0
    assert not begins(pace, tokens=950)  # one token a second
    assert begins(pace, tokens=800)
    clock.now_s = 60.0
    assert not begins(pace, tokens=5_000)
    clock.now_s = 10_000.0
    assert begins(pace, tokens=5_000)  # more than there ever is waits until all is there


def test_a_header_that_promises_nothing_for_hours_is_put_to_the_test() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.went_well(
        {
            "x-ratelimit-limit-requests": "10",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "24h0m0s",
        }
    )
    assert not begins(pace)
    clock.now_s = 6.0
    assert begins(pace)
    assert not begins(pace)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1), ("6m0s", 360), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("3", 3), ("0.5", 0.5),
        ("", None), ("soon", None), ("1s later", None), ("-1", None), ("nan", None), ("inf", None),
    ],
)  # fmt: skip
def test_durations_are_read_as_providers_write_them(text: str, seconds: float | None) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("given", ["999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_after_an_hour_a_provider_is_asked_again_whatever_it_said(given: str) -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.met_a_limit({"retry-after": given})
    assert not begins(pace)
    clock.now_s = 3601
    assert begins(pace)


def test_retry_after_is_read_in_each_of_its_forms() -> None:
    assert read_retry_after({"retry-after": "2"}) == 2
    assert read_retry_after({"retry-after-ms": "250", "retry-after": "2"}) == 0.25
    later = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert 50 < (read_retry_after({"retry-after": later}) or 0) <= 60
    assert read_retry_after({"retry-after": "tomorrow"}) is None
    assert read_retry_after({}) is None


headers = st.dictionaries(
    st.sampled_from(
        ["retry-after", "retry-after-ms"]
        + [
            f"x-ratelimit-{a}-{b}"
            for a in ("limit", "remaining", "reset")
            for b in ("requests", "tokens")
        ]
    ),
    st.text(max_size=12) | st.integers().map(str) | st.floats().map(str),
)


@given(headers)
def test_no_header_breaks_anything(given_: dict[str, str]) -> None:
    pace = Pace()
    pace.went_well(given_)
    pace.met_a_limit(given_)
    begins(pace)
