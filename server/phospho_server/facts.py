"""What is known of every interaction, whatever events are defined: its language and sentiment.

Both are answers of a detector of that name to a definition that belongs to no project. A plugin
that brings a detector called `language` or `sentiment` takes the place of the built-in one; where
there is none, the fact stays unknown and no page speaks of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from phospho import guard
from phospho.models import EventDefinition
from phospho_server.judging import Verdicts
from phospho_server.store.rows import StoredDetection

LANGUAGE = EventDefinition(
    id="language",
    name="language",
    description="The language of the user's message",
    scope="user_message",
    detector="language",
    answer="category",
)
SENTIMENT = EventDefinition(
    id="sentiment",
    name="sentiment",
    description="How glad the user's message sounds",
    scope="user_message",
    detector="sentiment",
    answer="score",
    score_range=(-1.0, 1.0),
)


def facts_told_by(detectors: Collection[str]) -> list[EventDefinition]:
    """Return the facts for which there is a detector."""
    return [fact for fact in (LANGUAGE, SENTIMENT) if fact.detector in detectors]


def facts_of(verdicts: Mapping[str, Verdicts]) -> dict[str, Sequence[StoredDetection]]:
    """Return the answers about each fact; what could not be told stays unknown."""
    for name, verdict in verdicts.items():
        if verdict.failed_ids:
            guard.report_once(
                f"fact:{name}",
                "The %s of some interactions stays unknown: %s",
                name,
                verdict.reason,
            )
    return {name: verdict.found for name, verdict in verdicts.items()}
