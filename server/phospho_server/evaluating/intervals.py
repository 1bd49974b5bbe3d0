"""How far figures could be off by chance: 95 % bootstrap intervals, the same in every run.

Two kinds of chance. *Other conversations*: whole sessions are drawn again, as the interactions of a
session resemble each other. *Other events*: the events of each suite are drawn again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from phospho_server.evaluating.judged import Pair
from phospho_server.evaluating.measures import f1_of

RESAMPLES = 1_000
SEED = 6
LEVEL = 0.95

Item = TypeVar("Item")

_TP, _FP, _FN = range(3)


@dataclass(frozen=True)
class Interval:
    """Between these values lies the figure, by `LEVEL`."""

    low: float
    high: float


def interval_of(values: Sequence[float]) -> Interval:
    """Return the middle part of resampled values."""
    ordered = sorted(values)
    cut = (1 - LEVEL) / 2 * (len(ordered) - 1)
    return Interval(_at(ordered, cut), _at(ordered, len(ordered) - 1 - cut))


def _at(ordered: Sequence[float], place: float) -> float:
    """Return the value at a place between two of a sorted list."""
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def over_events(
    suites: Sequence[Sequence[Item]],
    figure: Callable[[Sequence[Sequence[Item]]], float | None],
) -> Interval | None:
    """Return the interval of a figure of suites if they had other events; None without a figure.

    Args:
        suites: What the figure needs to know of each event of each suite.
        figure: Computes it; None where it is not defined.
    """
    draws = random.Random(SEED)
    values = [
        figure([draws.choices(events, k=len(events)) for events in suites])
        for _ in range(RESAMPLES)
    ]
    known = [value for value in values if value is not None]
    return interval_of(known) if known else None


def resampled_f1(pairs: Mapping[str, Sequence[Pair]]) -> dict[str, list[float]]:
    """Return F1 of each event, `RESAMPLES` times, with other sessions each time.

    Runs over the same interactions are given the same sessions, so that the values of two runs
    can be compared one by one.
    """
    sessions = sorted({pair.session_id for each in pairs.values() for pair in each})
    notable = _notable(pairs, {session: place for place, session in enumerate(sessions)})
    draws = random.Random(SEED)
    values: dict[str, list[float]] = {event: [] for event in pairs}
    for _ in range(RESAMPLES):
        counts = [[0, 0, 0] for _ in pairs]
        for place in draws.choices(range(len(sessions)), k=len(sessions)):
            for event, kind in notable[place]:
                counts[event][kind] += 1
        for of_event, count in zip(values.values(), counts, strict=True):
            of_event.append(f1_of(count[_TP], count[_FP], count[_FN]))
    return values


def _notable(
    pairs: Mapping[str, Sequence[Pair]], places: Mapping[str, int]
) -> list[list[tuple[int, int]]]:
    """Return, for each session, what F1 counts: most pairs are a no that is right."""
    notable: list[list[tuple[int, int]]] = [[] for _ in places]
    for event, each in enumerate(pairs.values()):
        for pair in each:
            if pair.occurred or pair.detected:
                kind = _TP if pair.occurred and pair.detected else _FP if pair.detected else _FN
                notable[places[pair.session_id]].append((event, kind))
    return notable
