from __future__ import annotations

import pytest

from phospho_server.evaluating.comparing import compare
from phospho_server.evaluating.intervals import (
    RESAMPLES,
    Interval,
    interval_of,
    over_events,
    resampled_f1,
)
from phospho_server.evaluating.judged import Judged, Pair
from phospho_server.evaluating.measures import mean
from tests.server.evaluating.builders import pair, suite


def share(right: int, wrong: int) -> list[Pair]:
    """Real events, some found and some not."""
    return [pair(True, True, id=f"r{i}") for i in range(right)] + [
        pair(True, False, id=f"w{i}") for i in range(wrong)
    ]


def test_an_interval_is_the_middle_95_of_100() -> None:
    found = interval_of([i / 1000 for i in range(1001)])
    assert (found.low, found.high) == pytest.approx((0.025, 0.975))
    assert interval_of([0.5]) == Interval(0.5, 0.5)


def test_the_interval_of_a_share_is_as_wide_as_statistics_says() -> None:
    """Recall of 100 real events, 80 found: 0.72 to 0.88; F1 then lies between 0.84 and 0.93."""
    found = interval_of(resampled_f1({"e": share(80, 20)})["e"])
    assert found.low == pytest.approx(2 * 0.72 / 1.72, abs=0.02)
    assert found.high == pytest.approx(2 * 0.88 / 1.88, abs=0.02)


def test_more_interactions_make_the_interval_narrower_and_one_session_wider() -> None:
    def width(pairs: list[Pair]) -> float:
        found = interval_of(resampled_f1({"e": pairs})["e"])
        return found.high - found.low

    alone = share(80, 20)
    in_sessions = [
        Pair(p.occurred, p.detected, p.score, p.task_id, f"s{i // 10}") for i, p in enumerate(alone)
    ]
    assert width(share(800, 200)) < width(alone) < width(in_sessions)


def test_resampling_is_the_same_each_time() -> None:
    pairs = {"e": share(5, 5), "f": share(9, 1)}
    assert resampled_f1(pairs) == resampled_f1(pairs)
    assert len(resampled_f1(pairs)["f"]) == RESAMPLES


def test_an_interval_over_events_holds_the_mean_and_is_narrow_where_events_are_alike() -> None:
    def figure(suites: object) -> float | None:
        return mean(mean(events) for events in suites)  # type: ignore[attr-defined]

    found = over_events([[0.1, 0.5, 0.9], [0.4]], figure)
    assert found is not None
    assert found.low < (0.5 + 0.4) / 2 < found.high
    assert over_events([[0.4, 0.4], [0.6]], figure) == Interval(0.5, 0.5)
    assert over_events([[0.4]], lambda _: None) is None


def judged(**found: set[str]) -> Judged:
    """Return a suite of 40 interactions in which the event occurs in every second one."""
    texts = [f"t{i}" for i in range(40)]
    of = suite(texts, **{name: set(texts[::2]) for name in found})
    pairs = {
        name: [pair(t in set(texts[::2]), t in where, id=t) for t in texts]
        for name, where in found.items()
    }
    return Judged(of, pairs)


def test_a_comparison_is_paired() -> None:
    """Two runs that err alike but for one interaction differ little, however unsure each is."""
    some = {f"t{i}" for i in range(0, 20, 2)}
    before, after = judged(a=some), judged(a=some | {"t20"})
    found = compare([before], [after])
    assert found.mean.f1 == pytest.approx(2 * 11 / 31 - 2 * 10 / 30)
    assert found.mean.interval.low >= 0.0
    assert found.suites["suite"] == found.mean
    alone = interval_of(resampled_f1(after.pairs)["a"])
    assert found.mean.interval.high - found.mean.interval.low < (alone.high - alone.low) / 2


def test_equal_runs_differ_by_nothing_for_certain() -> None:
    run = judged(a={"t0"}, b={"t1", "t2"})
    found = compare([run], [run]).mean
    assert (found.f1, found.interval) == (0.0, Interval(0.0, 0.0))
    assert not found.is_certain


def test_a_great_difference_is_certain() -> None:
    every = {f"t{i}" for i in range(0, 40, 2)}
    assert compare([judged(a={"t1"})], [judged(a=every)]).mean.is_certain
