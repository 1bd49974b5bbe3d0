from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from phospho.models import EventDefinition, Turn
from phospho_server.evaluating.clicks import choose, click
from phospho_server.evaluating.judged import Pair, judge_suite
from phospho_server.evaluating.running import run_settings
from tests.server.evaluating.builders import Scores, pair, suite

TEXTS = [f"text {i}" for i in range(20)]


def by_length(turn: Turn, event: EventDefinition) -> float:
    return (int(turn.interaction.input.split()[1]) % 20) / 20


def remembers(turn: Turn, event: EventDefinition) -> float:
    """Judge what was reviewed by its review, and all else by that of the parity."""
    said = {review.input: review.occurred for review in event.reviews}
    if turn.interaction.input in said:
        return float(said[turn.interaction.input])
    return 0.6 if said else 0.4


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


def test_labels_become_reviews_and_reviewed_interactions_do_not_count() -> None:
    given = suite(TEXTS, even={t for t in TEXTS if int(t.split()[1]) % 2 == 0})
    judged = judge_suite(given, {"semantic": Scores(by_length)})
    clicks = click(judged, 6)
    reviews = clicks.suite.definitions[0].reviews
    assert len(reviews) == 6
    assert all(r.occurred == (int(r.input.split()[1]) % 2 == 0) for r in reviews)
    left = clicks.without_reviewed(judged).pairs["even"]
    assert {p.task_id for p in left} == set(TEXTS) - {r.input for r in reviews}
    assert click(judged, 6) == clicks


def test_the_very_same_texts_do_not_count_either() -> None:
    texts = ["text 1", "text 9", "text 9 "]
    given = suite(texts, e=set())
    same = [
        t.model_copy(update={"interaction": t.interaction.model_copy(update={"input": "text 9"})})
        if t.interaction.task_id != "text 1"
        else t
        for t in given.turns
    ]
    given = type(given)(given.name, given.definitions, same, given.labels)
    judged = judge_suite(given, {"semantic": Scores(by_length)})
    left = click(judged, 1).without_reviewed(judged).pairs["e"]
    assert [p.task_id for p in left] == ["text 1"]


def test_what_reviews_teach_is_measured_on_the_interactions_that_were_not_reviewed() -> None:
    given = suite(TEXTS, e=set(TEXTS))
    detector = Scores(remembers)
    runs = run_settings([given], lambda _: {"semantic": detector}, clicks=4)
    assert [run.label for run in runs] == [
        "as defined, 0 examples",
        "as defined, 0 examples, not reviewed",
        "as defined, 0 examples, 4 clicks",
    ]
    assert [run.versus for run in runs] == [None, None, 1]

    def f1(pairs: list[Pair]) -> tuple[int, int]:
        return sum(p.detected for p in pairs), len(pairs)

    counted = [f1(list(run.judged[0].pairs["e"])) for run in runs]
    assert counted == [(0, 20), (0, 16), (16, 16)]


def test_two_events_are_reviewed_each_by_itself() -> None:
    given = suite(TEXTS, a=set(), b=set(TEXTS))
    judged = judge_suite(given, {"semantic": Scores(by_length)})
    clicks = click(judged, 2)
    left = clicks.without_reviewed(judged).pairs
    assert len(left["a"]) == len(left["b"]) == 18
    assert {r.occurred for r in clicks.suite.definitions[0].reviews} == {False}
    assert {r.occurred for r in clicks.suite.definitions[1].reviews} == {True}
