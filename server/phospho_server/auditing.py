"""Which verdicts to ask a person about: a sample that tells most for ten clicks.

Half are drawn from what the detector said yes to and half from its no, or more of the word that
fewer clicks are about. Of each a part comes from its unsure ones, which teach most, and the rest
from all of it. Everything here is pure: the same seed asks the same.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from phospho_server.estimating import UNSURE_NO, UNSURE_YES, Estimate, cut_of

SIZE = 10

# At least so many of each word, so that an audit never looks at one side of the cut only.
_LEAST = 2

_UNSURE_SHARE = 0.4


class Drawn(NamedTuple):
    """A verdict that chance chose out of all.

    Args:
        said: The detector's word.
        is_reviewed: Whether a person has spoken about it.
    """

    interaction_id: int
    said: bool
    score: float
    is_reviewed: bool


def choose(drawn: Sequence[Drawn], known: Estimate, seed: str) -> list[int]:
    """Return the interactions to ask about, at most ten, in the order to ask in.

    The order says nothing: who looks should not guess what the detector said.
    """
    chance = random.Random(seed)  # noqa: S311 - a sample, no secret
    yes = [each for each in drawn if each.said]
    no = [each for each in drawn if not each.said]
    balanced = (known.clicks + SIZE) // 2 - known.looked_at
    want_yes = min(max(balanced, _LEAST), SIZE - _LEAST)
    cut_yes = cut_of([each.score for each in yes], UNSURE_YES)
    cut_no = cut_of([each.score for each in no], UNSURE_NO)
    from_yes = _pick(yes, [e for e in yes if e.score < cut_yes], chance)
    from_no = _pick(no, [e for e in no if e.score >= cut_no], chance)
    want_yes = max(min(want_yes, len(from_yes)), SIZE - len(from_no))
    chosen = from_yes[:want_yes] + from_no[: SIZE - min(want_yes, len(from_yes))]
    chance.shuffle(chosen)
    return chosen


def _pick(
    all_of_word: Sequence[Drawn], unsure: Sequence[Drawn], chance: random.Random
) -> list[int]:
    """Return at most ten not reviewed yet: two of five from the unsure, evenly spread."""
    pools = [
        [each.interaction_id for each in pool if not each.is_reviewed]
        for pool in (unsure, all_of_word)
    ]
    for pool in pools:
        chance.shuffle(pool)
    picked: dict[int, None] = {}
    unsure_taken = 0
    while len(picked) < SIZE and any(pools):
        wants_unsure = unsure_taken < _UNSURE_SHARE * (len(picked) + 1)
        pool = pools[0] if pools[0] and (wants_unsure or not pools[1]) else pools[1] or pools[0]
        unsure_taken += pool is pools[0]
        picked.setdefault(pool.pop())
    return list(picked)
