"""What is asked of a detector: yes or no, a score on a range, or one category of a list.

One rule says when such an answer is an event: a score at or above the middle of its range, and
any category. No category means that none of them fits, so nothing occurred.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from phospho.errors import DefinitionError

if TYPE_CHECKING:
    from phospho.models import Detection, EventDefinition

# What a form can show, and a model can tell apart.
MAX_CATEGORIES = 50
MAX_CATEGORY_CHARS = 100
_FEWEST_CATEGORIES = 2


class AnswerError(ValueError):
    """A detector's answer is not one of those that were asked for."""


def check_answer(definition: EventDefinition) -> None:
    """Refuse a definition whose question cannot be answered.

    Raises:
        DefinitionError: With a message that says what is wrong and what to do.
    """
    if definition.answer == "yes_no":
        return
    if definition.answer == "category":
        _check_categories(definition.categories)
    else:
        _check_range(*definition.score_range)
    if definition.detector == "rules":
        raise DefinitionError(
            "The detector rules answers yes or no only. Choose another detector, for example auto, "
            "or let the answer be yes or no."
        )
    if definition.keywords or definition.pattern:
        raise DefinitionError(
            "Keywords and patterns answer yes or no only. Remove them, or let the answer be yes "
            "or no."
        )


def occurred(definition: EventDefinition, value: float | str | None) -> bool:
    """Tell whether a value is an event: a category, or a score at or above the middle."""
    if value is None or isinstance(value, str):
        return value is not None
    return value >= on_range(definition, 0.5)


def on_range(definition: EventDefinition, probability: float) -> float:
    """Return the place of a probability on the definition's range of scores."""
    lowest, highest = definition.score_range
    return min(lowest + probability * (highest - lowest), highest)


def settled(detection: Detection, definition: EventDefinition) -> Detection:
    """Return a detection whose value is of the kind that was asked for, and that follows from it.

    A detector that knows nothing of scores gives a probability: its place on the range is the
    score. A category cannot be made up: without one nothing occurred.

    Raises:
        AnswerError: The value is none of those that were asked for.
    """
    value = detection.value
    if definition.answer == "yes_no":
        if value is not None:
            raise AnswerError(f"gave the value {value!r} where only yes or no was asked for")
        return detection
    if definition.answer == "score":
        value = on_range(definition, detection.score) if value is None else value
        _check_score(definition, value)
    elif value is not None and value not in definition.categories:
        raise AnswerError(f"gave the category {value!r}, which is none of the definition's")
    is_event = occurred(definition, value)
    if (value, is_event) == (detection.value, detection.detected):
        return detection
    evidence = detection.evidence if is_event else None
    return detection.model_copy(update={"value": value, "detected": is_event, "evidence": evidence})


def _check_score(definition: EventDefinition, value: float | str) -> None:
    lowest, highest = definition.score_range
    if not isinstance(value, int | float) or not lowest <= value <= highest:
        raise AnswerError(f"gave the score {value!r}, which is not from {lowest:g} to {highest:g}")


def _check_categories(categories: tuple[str, ...]) -> None:
    if len(categories) < _FEWEST_CATEGORIES:
        raise DefinitionError("Give at least two categories to choose from.")
    if len(categories) > MAX_CATEGORIES:
        raise DefinitionError(
            f"There are more than {MAX_CATEGORIES} categories. Use fewer, or several events."
        )
    seen: set[str] = set()
    for category in categories:
        if not category.strip():
            raise DefinitionError("A category is empty. Name it, or remove it.")
        if len(category) > MAX_CATEGORY_CHARS:
            raise DefinitionError(
                f"A category has more than {MAX_CATEGORY_CHARS} characters. Shorten it."
            )
        if category.casefold() in seen:
            raise DefinitionError(f"The category {category!r} stands there twice. Remove one.")
        seen.add(category.casefold())


def _check_range(lowest: float, highest: float) -> None:
    if not (lowest < highest and math.isfinite(highest - lowest)):
        raise DefinitionError(
            "The lowest score must be a number below the highest, as in 1 and 5. Change one."
        )
