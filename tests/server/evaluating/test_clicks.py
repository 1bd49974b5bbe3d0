from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from phospho.models import EventDefinition, Turn
from phospho_server.evaluating.clicks import choose, click, half_of
from phospho_server.evaluating.judged import judge_suite
from phospho_server.evaluating.running import run_settings
from tests.server.evaluating.builders import Scores, pair, suite

TEXTS = [f"text {i}" for i in range(40)]


def by_number(turn: Turn, event: EventDefinition) -> float:
    return (int(turn.interaction.input.split()[1]) % 20) / 20


def remembers(turn: Turn, event: EventDefinition) -> float:
    """Find everything as soon as anything was reviewed."""
    return 0.6 if event.reviews else 0.4


def by_heart(turn: Turn, event: EventDefinition) -> float:
    return float(turn.interaction.input in {review.input for review in event.reviews})


def test_half_is_where_yes_turns_to_no_and_half_is_spread() -> None:
    pairs = [pair(False, i >= 10, i / 20, id=f"t{i:02}") for i in range(20)]
    chosen = choose(pairs, 8, random.Random(1))
    assert {p.task_id for p in chosen[:4]} == {"t08", "t09", "t10", "t11"}
    assert [p.detected for p in chosen[4:]] == [True, False, True, False]
    assert len({p.task_id for p in chosen}) == 8


def test_where_nothing_is_found_the_nearest_to_it_are_asked_about() -> None:
    pairs = [pair(False, False, i / 20, id=f"t{i:02}") for i in range(20)]
    assert [p.task_id for p in choose(pairs, 4, random.Random(1))[:2]] == ["t19", "t18"]


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from([None, 0.0, 0.3, 1.0]))),
    st.integers(0, 12),
)
def test_as_many_are_reviewed_as_asked_each_once(
    said: list[tuple[bool, bool, float | None]], number: int
) -> None:
    pairs = [pair(y, d, s, id=f"t{i}") for i, (y, d, s) in enumerate(said)]
    chosen = choose(pairs, number, random.Random(0))
    assert len(chosen) == min(number, len(pairs))
    assert len({p.task_id for p in chosen}) == len(chosen)


def test_sessions_are_dealt_into_two_halves_the_same_way_each_time() -> None:
    halves = [half_of(f"s{i}") for i in range(400)]
    assert 160 < sum(halves) < 240
    assert halves == [half_of(f"s{i}") for i in range(400)]


def test_labels_of_one_half_become_reviews_and_the_other_half_counts() -> None:
    given = suite(TEXTS, even={t for t in TEXTS if int(t.split()[1]) % 2 == 0})
    judged = judge_suite(given, {"semantic": Scores(by_number)})
    clicks = click(judged, 6, half=1)
    reviews = clicks.suite.definitions[0].reviews
    assert len(reviews) == 6
    assert {half_of(r.input) for r in reviews} == {1}
    assert all(r.occurred == (int(r.input.split()[1]) % 2 == 0) for r in reviews)
    left = clicks.others(judged).pairs["even"]
    assert {p.task_id for p in left} == {t for t in TEXTS if half_of(t) == 0}
    assert click(judged, 6, half=1) == clicks


def test_the_very_same_texts_do_not_count() -> None:
    """Not even in the other half: a review of "yes please" says what "yes please" is."""
    given = suite(TEXTS, e=set())
    same = [
        t.model_copy(update={"interaction": t.interaction.model_copy(update={"input": "text 9"})})
        for t in given.turns
    ]
    judged = judge_suite(replace(given, turns=same), {"semantic": Scores(by_number)})
    assert click(judged, 1, half=0).others(judged).pairs["e"] == []
    assert len(click(judged, 0, half=0).others(judged).pairs["e"]) > 0


def test_what_reviews_teach_is_measured_on_what_they_do_not_give_away() -> None:
    given = suite(TEXTS, e=set(TEXTS))
    runs = run_settings([given], lambda _: {"semantic": Scores(remembers)}, clicks=4)
    assert [run.label for run in runs] == [
        "as defined, 0 examples",
        "as defined, 0 examples, without clicks",
        "as defined, 0 examples, 4 clicks",
    ]
    assert [run.versus for run in runs] == [None, None, 1]
    pairs = [run.judged[0].pairs["e"] for run in runs]
    assert [(sum(p.detected for p in each), len(each)) for each in pairs] == [
        (0, 40),
        (0, 40),
        (40, 40),
    ]
    assert {p.task_id for p in pairs[1]} == {p.task_id for p in pairs[2]} == set(TEXTS)


def test_nothing_is_judged_by_its_own_review() -> None:
    """A detector that only knows what it was told by heart gains nothing."""
    given = suite(TEXTS, e=set(TEXTS))
    runs = run_settings([given], lambda _: {"semantic": Scores(by_heart)}, clicks=10)
    assert [p.detected for p in runs[2].judged[0].pairs["e"]] == [False] * 40


def test_two_events_are_reviewed_each_by_itself() -> None:
    given = suite(TEXTS, a=set(), b=set(TEXTS))
    judged = judge_suite(given, {"semantic": Scores(by_number)})
    a, b = click(judged, 2, half=0).suite.definitions
    assert [r.occurred for r in a.reviews] == [False, False]
    assert [r.occurred for r in b.reviews] == [True, True]
