"""Precision, recall and corrected counts: exact where that can be known, honest elsewhere."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho_server.auditing import SIZE, Drawn, choose
from phospho_server.correcting import Step, correct
from phospho_server.estimating import (
    Click,
    Estimate,
    Range,
    Verdicts,
    estimate,
    wilson,
)


def clicks(
    *, judged: bool, yes: int, no: int, score: float = 0.5, is_drawn: bool = True
) -> tuple[Click, ...]:
    return tuple(
        Click(judged=judged, score=score, occurred=i < yes, is_drawn=is_drawn)
        for i in range(yes + no)
    )


def verdicts(positives: int = 100, negatives: int = 900) -> Verdicts:
    return Verdicts(positives, negatives, (0.9,) * 20, (0.1,) * 20)


def test_precision_is_the_confirmed_share_with_wilsons_interval() -> None:
    known = estimate(verdicts(), clicks(judged=True, yes=12, no=3, score=0.9))
    assert (known.confirmed, known.looked_at) == (12, 15)
    assert known.precision is not None
    assert known.precision.value == pytest.approx(0.8)
    # As `statsmodels.stats.proportion.proportion_confint(12, 15, method="wilson")`.
    assert known.precision.low == pytest.approx(0.5481, abs=1e-4)
    assert known.precision.high == pytest.approx(0.9295, abs=1e-4)
    assert known.recall is None


@pytest.mark.parametrize(("yes", "n"), [(0, 10), (10, 10)])
def test_an_interval_holds_what_was_seen_of_all_alike(yes: int, n: int) -> None:
    share = wilson(yes, n)
    assert (share.low == 0) == (yes == 0)
    assert (share.high == 1) == (yes == n)
    assert share.low <= share.value <= share.high


def test_a_band_weighs_as_much_as_it_holds_however_often_it_was_clicked() -> None:
    """Of the surest nine in ten all are right; clicks went to the others."""
    scores = (0.6,) * 50 + (0.9,) * 50
    known = estimate(
        Verdicts(1000, 0, scores),
        clicks(judged=True, yes=4, no=12, score=0.6) + clicks(judged=True, yes=6, no=0, score=0.9),
    )
    assert known.precision is not None
    assert known.precision.value == pytest.approx(0.5 * 0.25 + 0.5 * 1.0)
    plain = wilson(10, 22)
    assert known.precision.high - known.precision.low > plain.high - plain.low


def test_few_clicks_tell_nothing_yet() -> None:
    few = clicks(judged=True, yes=4, no=0) + clicks(judged=False, yes=0, no=4)
    known = estimate(verdicts(), few)
    assert (known.precision, known.recall, known.can_correct) == (None, None, False)
    assert (known.confirmed, known.passed_over) == (4, 4)


def test_an_event_added_by_hand_is_a_miss_but_does_not_stand_for_others() -> None:
    drawn = clicks(judged=True, yes=10, no=0) + clicks(judged=False, yes=0, no=30)
    without = estimate(verdicts(), drawn)
    added = clicks(judged=False, yes=25, no=0, is_drawn=False)
    known = estimate(verdicts(), drawn + added)
    assert (known.added, known.passed_over) == (25, 30)
    assert without.recall is not None
    assert known.recall is not None
    assert without.recall.value == 1.0
    assert known.recall.value == pytest.approx(100 / 125)


def test_recall_weighs_what_was_missed_by_how_much_was_passed_over() -> None:
    known = estimate(
        verdicts(100, 900), clicks(judged=True, yes=20, no=0) + clicks(judged=False, yes=2, no=18)
    )
    assert known.recall is not None
    assert known.recall.value == pytest.approx(100 / (100 + 90))
    assert known.recall.low < 0.4
    assert known.recall.high > 0.7


def test_a_wide_interval_is_called_vague() -> None:
    assert Range(0.1, 0.9, 0.95).is_vague
    assert not Range(0.55, 0.8, 0.93).is_vague


def test_a_corrected_count_keeps_what_people_said_for_certain() -> None:
    known = estimate(
        verdicts(), clicks(judged=True, yes=20, no=0) + clicks(judged=False, yes=0, no=20)
    )
    (all_known,) = correct(known, [Step(events=7, interactions=10, known=7, refuted=3)])
    assert (all_known.low, all_known.value, all_known.high) == (7, 7, 7)
    (empty,) = correct(known, [Step(events=0, interactions=0)])
    assert (empty.low, empty.value, empty.high) == (0, 0, 0)


def test_a_corrected_count_takes_mistakes_away_and_adds_misses() -> None:
    half_wrong = clicks(judged=True, yes=20, no=20)
    few_missed = clicks(judged=False, yes=4, no=36)
    known = estimate(verdicts(), half_wrong + few_missed)
    assert known.can_correct
    (count,) = correct(known, [Step(events=100, interactions=1100)])
    assert count.value == pytest.approx(100 * 0.5 + 1000 * 0.1)
    assert count.low < 110
    assert count.high > 200


_SHARES = st.floats(0, 1)
_ANY_CLICKS = st.lists(
    st.builds(
        Click, judged=st.booleans(), score=_SHARES, occurred=st.booleans(), is_drawn=st.booleans()
    ),
    max_size=40,
).map(tuple)


@given(
    st.builds(
        Verdicts,
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        st.lists(_SHARES, max_size=30).map(tuple),
        st.lists(_SHARES, max_size=30).map(tuple),
    ),
    _ANY_CLICKS,
)
def test_any_clicks_give_sound_intervals(all_verdicts: Verdicts, some: tuple[Click, ...]) -> None:
    known = estimate(all_verdicts, some)
    assert estimate.__wrapped__(all_verdicts, some) == known
    for share in (known.precision, known.recall):
        if share is not None:
            assert 0 <= share.low <= share.value <= share.high <= 1
    if known.can_correct:
        step = Step(events=5, interactions=9, known=2, refuted=1)
        (count,) = correct(known, [step])
        assert 2 <= count.low <= count.value <= count.high <= 8


@dataclass(frozen=True)
class World:
    """A simulated detector over interactions whose truth is known.

    Args:
        prevalence: Share of interactions with the event.
        distance: How far its scores hold yes and no apart, in standard deviations.
        found: Share of interactions it says yes to.
    """

    prevalence: float
    distance: float
    found: float
    interactions: int = 3_000

    def make(self, chance: random.Random) -> list[tuple[float, bool]]:
        """Return score and truth of each interaction, the highest scores first."""
        rows = []
        for _ in range(self.interactions):
            occurred = chance.random() < self.prevalence
            logit = 2 * chance.gauss(self.distance if occurred else 0, 1) - 2
            rows.append((1 / (1 + math.exp(-logit)), occurred))
        return sorted(rows, reverse=True)


def look(
    rows: Sequence[tuple[float, bool]], cut: int, audits: int, chance: random.Random
) -> tuple[Estimate, int, int]:
    """Label some audits of ten; return the estimate, and how many yes and no were so labelled."""
    answered: dict[int, bool] = {}
    for _ in range(audits):
        seen = sum(i < cut for i in answered)
        so_far = Estimate(looked_at=seen, passed_over=len(answered) - seen)
        asked = choose(draw(rows, cut, answered, chance), so_far, str(chance.random()))
        answered |= {i: rows[i][1] for i in asked}
    last = draw(rows, cut, answered, chance)
    scores = {word: tuple(d.score for d in last if d.said == word) for word in (True, False)}
    done = tuple(
        Click(judged=i < cut, score=rows[i][0], occurred=yes, is_drawn=True)
        for i, yes in answered.items()
    )
    known = estimate(Verdicts(cut, len(rows) - cut, scores[True], scores[False]), done)
    yes = sum(answered.values())
    return known, yes, len(answered) - yes


def draw(
    rows: Sequence[tuple[float, bool]], cut: int, answered: dict[int, bool], chance: random.Random
) -> list[Drawn]:
    """Return verdicts of both words, drawn as the store does."""
    ids = [*chance.sample(range(cut), min(200, cut)), *chance.sample(range(cut, len(rows)), 500)]
    return [Drawn(i, said=i < cut, score=rows[i][0], is_reviewed=i in answered) for i in ids]


# Of them one is rare and well found, one hard, one careful, one frequent, one poor.
WORLDS = [
    World(0.02, 3, 0.02),
    World(0.05, 2, 0.06),
    World(0.1, 2.5, 0.08),
    World(0.3, 2, 0.25),
    World(0.1, 1, 0.1),
]
_REPEATS = 40


def test_intervals_of_95_percent_hold_the_truth_in_90_to_99_of_100() -> None:
    """Two and six audits of ten, each by another reader of another week of traffic."""
    chance = random.Random(7)
    held: dict[str, list[bool]] = {"precision": [], "recall": [], "count": []}
    for world in WORLDS:
        for repeat in range(_REPEATS):
            rows = world.make(chance)
            cut = int(world.found * len(rows))
            known, yes, no = look(rows, cut, 6 if repeat % 2 else 2, chance)
            right = sum(occurred for _, occurred in rows[:cut])
            truth = sum(occurred for _, occurred in rows)
            assert known.precision is not None
            assert known.recall is not None
            held["precision"].append(holds(known.precision, right / cut))
            held["recall"].append(holds(known.recall, right / truth))
            step = standing(rows, cut, known, yes=yes, no=no)
            held["count"].append(holds(correct(known, [step])[0], truth))
    shares = {name: sum(times) / len(times) for name, times in held.items()}
    assert all(0.90 <= share <= 0.99 for share in shares.values()), shares


def standing(
    rows: Sequence[tuple[float, bool]], cut: int, known: Estimate, *, yes: int, no: int
) -> Step:
    """Return what a chart counts once people's words stand."""
    rejected = known.looked_at - known.confirmed
    return Step(cut - rejected + known.missed, len(rows), known=yes, refuted=no)


def holds(interval: Range, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def drawn(yes: int, no: int, *, reviewed: int = 0) -> list[Drawn]:
    return [
        Drawn(i, said=i < yes, score=i / (yes + no), is_reviewed=i < reviewed)
        for i in range(yes + no)
    ]


def test_an_audit_asks_about_yes_and_no_alike_and_each_once() -> None:
    chosen = choose(drawn(100, 100), Estimate(), "a seed")
    assert len(set(chosen)) == SIZE
    assert sum(i < 100 for i in chosen) == 5
    assert chosen == choose(drawn(100, 100), Estimate(), "a seed")
    assert chosen != choose(drawn(100, 100), Estimate(), "another seed")


def test_an_audit_asks_more_of_the_side_that_was_clicked_less() -> None:
    chosen = choose(drawn(100, 100), Estimate(looked_at=40), "a seed")
    assert sum(i < 100 for i in chosen) == 2


def test_an_audit_begins_with_the_unsure() -> None:
    """Of the no, which are 100 to 199 here, the unsure ones score in the top tenth."""
    unsure = [
        sum(i >= 190 for i in choose(drawn(100, 100), Estimate(), str(seed))) for seed in range(30)
    ]
    assert min(unsure) >= 2


@pytest.mark.parametrize(
    ("yes", "no", "reviewed", "length"),
    [(0, 0, 0, 0), (0, 30, 0, 10), (30, 0, 0, 10), (2, 30, 0, 10), (2, 3, 0, 5), (9, 9, 18, 0)],
)
def test_an_audit_asks_as_many_as_there_are(yes: int, no: int, reviewed: int, length: int) -> None:
    chosen = choose(drawn(yes, no, reviewed=reviewed), Estimate(), "a seed")
    assert len(chosen) == len(set(chosen)) == length
