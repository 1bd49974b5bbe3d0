"""What differs between two versions of a definition, in words."""

from __future__ import annotations

import json
from dataclasses import dataclass

from phospho.models import EventDefinition, Example

SCOPES = {
    "auto": "As the description says",
    "user_message": "User message",
    "assistant_message": "Assistant message",
    "interaction": "Interaction (both messages)",
    "session": "Session (once in each)",
}
"""Where an event is looked for, as people choose it."""

ANSWERS = {"yes_no": "Yes or no", "score": "A score", "category": "One of several categories"}
"""What is asked, as people choose it."""


@dataclass(frozen=True)
class Change:
    """One part of a definition, before and after; empty where there was or is nothing."""

    part: str
    before: str
    after: str


def list_changes(old: EventDefinition, new: EventDefinition) -> list[Change]:
    """Return what makes `new` another version than `old`."""
    before, after = describe(old), describe(new)
    return [
        Change(part, before[part], after[part]) for part in after if before[part] != after[part]
    ]


def describe(definition: EventDefinition) -> dict[str, str]:
    """Return each part of a definition that makes a version, as people read it."""
    lowest, highest = definition.score_range
    is_score = definition.answer == "score"
    settings = dict(definition.settings)
    return {
        "Description": definition.description,
        "Where to look": SCOPES[definition.scope],
        "Detector": definition.detector,
        "Keywords": ", ".join(definition.keywords),
        "Pattern": definition.pattern or "",
        "Answer": ANSWERS[definition.answer],
        "Categories": ", ".join(definition.categories),
        "Scores": f"{lowest:g} to {highest:g}" if is_score else "",
        "Examples": "; ".join(map(_show, definition.examples)),
        "Settings": json.dumps(settings, ensure_ascii=False, sort_keys=True) if settings else "",
    }


def _show(example: Example) -> str:
    return " → ".join(text for text in (example.input, example.output) if text)
