"""Choosing one of several categories, as so many events that compete with each other.

A review with a category is a yes for that one and a no for the others; a rejection is a no for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.detectors.description import BOTH_SIDES, sides_of
from phospho.models import Detection, EventDefinition, Review, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A category is a word or two, which seldom is as near to a message as a whole description: the
# likeliest one is chosen if it is at least this likely.
LEAST_SCORE = 0.06


def expand(events: Iterable[EventDefinition]) -> list[EventDefinition]:
    """Return definitions with yes or no for an answer: one for each category of those that ask."""
    return [
        one
        for event in events
        for one in (_categories_of(event) if event.answer == "category" else [event])
    ]


def gather(events: Sequence[EventDefinition], found: Iterable[Detection]) -> list[Detection]:
    """Return the verdicts on `events`, given those on what `expand` made of them."""
    asked = {event.id: event for event in events}
    categories = {
        _id_of(event, i): (event, category)
        for event in events
        if event.answer == "category"
        for i, category in enumerate(event.categories)
    }
    best: dict[tuple[str, str], Detection] = {}
    verdicts = []
    for detection in found:
        if detection.event_id in asked:
            verdicts.append(detection)
            continue
        event, category = categories[detection.event_id]
        key = (event.id, detection.task_id)
        if key not in best or detection.score > best[key].score:
            best[key] = _chosen(detection, event, category)
    return verdicts + list(best.values())


def _categories_of(event: EventDefinition) -> list[EventDefinition]:
    sides = sides_of(event)
    scope: Scope = "interaction" if sides == BOTH_SIDES else "user_message"
    if sides == ("output",):
        scope = "assistant_message"
    return [
        EventDefinition(
            id=_id_of(event, i),
            version=event.version,
            name=category,
            description=category,
            scope=scope,
            reviews=reviews,
        )
        for i, (category, reviews) in enumerate(_reviews_by_category(event))
    ]


def _id_of(event: EventDefinition, place: int) -> str:
    return f"{event.id}\n{place}"


def _reviews_by_category(event: EventDefinition) -> list[tuple[str, tuple[Review, ...]]]:
    """Return each category with what people said, as yes or no of it.

    A yes without a category, or with one that there is no more, says nothing of those there are.
    """
    told = [r for r in event.reviews if not r.occurred or r.value in event.categories]
    no = [r.model_copy(update={"occurred": False, "value": None}) for r in told]
    yes = [r.model_copy(update={"occurred": True}) for r in no]
    return [
        (
            category,
            tuple(
                yes[i] if r.occurred and r.value == category else no[i] for i, r in enumerate(told)
            ),
        )
        for category in event.categories
    ]


def _chosen(detection: Detection, event: EventDefinition, category: str) -> Detection:
    is_chosen = detection.score >= LEAST_SCORE
    return detection.model_copy(
        update={
            "event_id": event.id,
            "detected": is_chosen,
            "value": category if is_chosen else None,
            "evidence": detection.evidence if is_chosen else None,
        }
    )
