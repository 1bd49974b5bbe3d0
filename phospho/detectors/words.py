"""Which words of a description say what it is about."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cache

from phospho.detectors.library import library

_WORD = re.compile(r"\w+")
_STOP = frozenset(
    _WORD.findall(
        "the a an of to in on for and or that is was are were be been it its this with at by from "
        "as not do does did has have had the their them he she his her you your i my me we our "
        "us user assistant agent bot wants want wanted asks ask asked asking about whether if "
        "trying looking how what when where which who why says said say any some something "
        "someone one other another more than so can could will would should no they"
    )
)
_SUFFIXES = (
    "ations", "ation", "ings", "ing", "ies", "ied", "edly", "ed", "es", "ers", "er", "ly", "s", "e",
)  # fmt: skip
_SHORTEST_STEM = 3


def telling_words(text: str) -> list[str]:
    """Return the distinct words of a text that say what it is about, in lower case."""
    words = dict.fromkeys(_WORD.findall(text.lower()))
    return [word for word in words if word not in _STOP and len(word) > 1]


def rarity(word: str) -> float:
    """Return how much a word tells: high where everyday messages hardly have it."""
    counts, total = _everyday_stems()
    return math.log(1 + total / (1 + counts[_stem(word)]))


@cache
def _everyday_stems() -> tuple[Counter[str], int]:
    messages = [
        text
        for side in (library("input"), library("output"))
        for text in (*side.plain, *(p for entry in side.entries for p in entry.some_phrases))
    ]
    counts = Counter(s for text in messages for s in {_stem(w) for w in telling_words(text)})
    return counts, len(messages)


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
            return word[: -len(suffix)]
    return word
