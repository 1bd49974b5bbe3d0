"""Reads what stands before a verb: "does not", "never explicitly", "only"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phospho.detectors.reading.amounts import NONE, read_range
from phospho.detectors.reading.cursor import Phrases

if TYPE_CHECKING:
    from phospho.detectors.reading.cursor import Cursor

_AUXILIARY = Phrases(
    "'s|has|is|do|that|will|would|can|could|should|shall|must|may|might|(where|that) (it|they)"
    "|happens to|keep [on]|go on|(has|need|ought|supposed|required|expected|meant) to"
)
_NOT = Phrases("not [once]|never|no longer|at no point|(fail|forget|neglect|omit) to|nowhere")
_NEITHER = Phrases("neither")
_HOW = Phrases(
    "[then] also|ever|literally|explicitly|always|actually|verbatim|even|itself|themselves|either"
    "|simply|at (some|any) point|anywhere|somewhere|clearly|obviously|specifically|directly|both"
)
ONLY = Phrases(
    "[nothing] (but|except)|(nothing|no more) [else|other|more] (than|but)|only [of|the]"
    "|just|exactly"
    "|precisely|solely [of]|merely|entirely [of]|completely|wholly|fully"
    "|purely|exactly (this|the following)|strictly|as a whole|exclusively"
)
# What begins like an auxiliary or a "not" but is more.
_FIXED = Phrases(
    "have (none of|got)|be (made [up]|composed|limited to)|be (missing|lacking|free|devoid|without)"
    "|(not|no) (only|more|less|longer|fewer|shorter) than|nothing (but|else)|just (under|over)"
)
EXACTLY = frozenset(("exactly", "precisely", "verbatim", "literally"))


@dataclass(frozen=True)
class Verb:
    """What stands before a verb.

    Args:
        is_negated: Whether it says "not".
        is_only: Whether it says "only" or "exactly".
        auxiliary: The last auxiliary verb, as a base form.
    """

    is_negated: bool = False
    is_only: bool = False
    auxiliary: str = ""

    def is_passive(self, cursor: Cursor) -> bool:
        """Tell whether the verb that follows says what is done to its subject: "is called"."""
        word = cursor.now.text.lower()
        return self.auxiliary == "be" and word != cursor.now.base and not word.endswith("ing")


def read_verb(cursor: Cursor) -> Verb:
    """Read auxiliaries, negations and adverbs, in any order."""
    is_negated = is_only = False
    auxiliary = ""
    while not cursor.sees(_FIXED):
        if cursor.take(_NOT):
            is_negated = not is_negated
        elif cursor.take(_NEITHER):
            is_negated = True
        elif taken := cursor.take(_AUXILIARY):
            auxiliary = taken.split()[0]
        elif not cursor.sees(ONLY) and cursor.take(_HOW):
            continue
        elif starts_range(cursor) or not cursor.take(ONLY):
            break
        else:
            is_only = True
    return Verb(is_negated, is_only, auxiliary)


def skip_only(cursor: Cursor) -> bool:
    """Read "exactly" or "nothing but"; in "exactly two" it belongs to the number."""
    return not starts_range(cursor) and bool(cursor.skip(ONLY))


def starts_range(cursor: Cursor) -> bool:
    """Tell whether a number comes next, with what is said of it."""
    many = cursor.foresees(read_range)
    return many is not None and many != NONE
