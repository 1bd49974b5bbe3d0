"""The values that travel between app, server, detectors and plugins. All are frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Side = Literal["input", "output"]
"""Which text of an interaction: `input` is the user's message, `output` the assistant's."""

Scope = Literal["auto", "user_message", "assistant_message", "interaction", "session"]
"""Where to look. `auto` reads the side out of the description ("The user ...").

`interaction` looks at both messages, `session` at all that was said up to and with the interaction:
the event occurs in the interaction by which the session first has it.
"""

Answer = Literal["yes_no", "score", "category"]
"""What is asked: whether the event occurred, how much on a scale, or which of several it was.

A score at or above the middle of its range is an event, and so is any category.
"""

Flag = Literal["success", "failure"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Interaction(_Value):
    """One message of a user and the app's answer to it.

    `created_at_ms` is UTC milliseconds. `output` is None where the app has not answered.
    """

    task_id: str
    session_id: str
    input: str
    output: str | None = None
    created_at_ms: int = 0
    user_id: str | None = None
    version_id: str | None = None
    flag: Flag | None = None
    metadata: Mapping[str, Any] = Field(default_factory=dict)


class Embedded(_Value):
    """The vectors of an interaction's messages, kept so that they need not be made again.

    Args:
        made_by: What made them; nothing else can use them.
        input: Those of the user's message, as `detectors.packing` writes them.
        output: Those of the assistant's message.
    """

    made_by: str
    input: bytes
    output: bytes


class Turn(_Value):
    """An interaction with the earlier ones of its session, oldest first.

    `embedded` is what the detector `semantic` made of its messages, where that is kept.
    """

    interaction: Interaction
    history: Sequence[Interaction] = ()
    embedded: Embedded | None = None


class Example(_Value):
    """An interaction in which an event occurred, given to show what is meant."""

    input: str = ""
    output: str = ""


class Review(_Value):
    """What a person said about one interaction: the event occurred in it, or it did not.

    `before` is what the assistant had said just before, as far as its end matters; `value` is the
    score or the category that they gave, where the definition asks for one.
    """

    input: str = ""
    output: str = ""
    before: str = ""
    occurred: bool
    value: float | str | None = None


class Direction(_Value):
    """In which direction, among a project's messages, an event lies; see `detectors.axes`.

    `weights` is base64 of little-endian single-precision floats.
    """

    weights: str
    offset: float
    near_mean: float
    near_deviation: float


class Cut(_Value):
    """What the traffic of a project taught about one event, without a label.

    Args:
        prevalence: Estimated share of interactions in which the event occurs.
        threshold: The least score that is a yes.
        embedder: Id of the embedder it was learned with; with another one it says nothing.
        directions: For each side that is looked at, where the event lies among its messages.
    """

    prevalence: float = Field(gt=0.0, lt=1.0)
    threshold: float = Field(ge=0.0, le=1.0)
    embedder: str = ""
    directions: Mapping[Side, Direction] = Field(default_factory=dict)


class EventDefinition(_Value):
    """What to look for.

    Args:
        id: Identifies the definition; detections carry it.
        version: Grows by one with each edit.
        name: Short name, unique in its project, as in `stop_request`.
        description: Plain English, best with "the user" and "the assistant".
        scope: Which messages to look at.
        detector: Name of the detector that decides; `auto` chooses one.
        keywords: Words or phrases that mean the event occurred; any one suffices.
        pattern: Regular expression (RE2 syntax) that means the event occurred.
        examples: Interactions in which the event occurred.
        answer: What is asked of a detector.
        categories: For the answer `category`: those to choose from.
        score_range: For the answer `score`: the lowest and the highest.
        settings: Further settings, for detectors of plugins.
        reviews: What people said about interactions, the newest last. They move this event's
            verdicts alone; they are no part of a version.
        cut: What the project's traffic taught so far; None where too little is known.
    """

    id: str
    name: str
    description: str
    version: int = 1
    scope: Scope = "auto"
    detector: str = "auto"
    keywords: tuple[str, ...] = ()
    pattern: str | None = None
    examples: tuple[Example, ...] = ()
    answer: Answer = "yes_no"
    categories: tuple[str, ...] = ()
    score_range: tuple[float, float] = (1.0, 5.0)
    settings: Mapping[str, Any] = Field(default_factory=dict)
    reviews: tuple[Review, ...] = ()
    cut: Cut | None = None

    @field_validator("keywords", mode="after")
    @classmethod
    def _drop_empty_keywords(cls, keywords: tuple[str, ...]) -> tuple[str, ...]:
        """An empty keyword would match every text."""
        return tuple(stripped for word in keywords if (stripped := word.strip()))


class Evidence(_Value):
    """Why a detector said yes.

    Args:
        side: The message the quote stands in.
        quote: Words that occur in that message, letter for letter; empty if none can be named.
        reason: A short phrase for people: 'contains "refund"', 'close to "thank you so much"'.
    """

    side: Side
    quote: str = ""
    reason: str = ""


class Alert(_Value):
    """An event that occurred too often, as plugins and receivers of webhooks are told.

    Args:
        id: The same when it is fired and when it has ended.
        rule_id: The alert rule that fired.
        event_id: The `EventDefinition.id`.
        text: What there was when it fired: `42 in the last hour, usually 6`.
        count: Events in the window when it fired.
        usual: How many were usual; None where nothing was compared.
        window_minutes: How far back events are counted.
        at_least: The rule fires at so many events,
        factor: and so many times the usual number; None: whatever is usual.
        fired_at_ms: UTC milliseconds.
        ended_at_ms: UTC milliseconds; None while it is on.
        ended_count: Events in the window when it ended; None where somebody ended it.
    """

    id: str
    rule_id: str
    event_id: str
    text: str
    count: int
    usual: float | None = None
    window_minutes: int
    at_least: int
    factor: int | None = None
    fired_at_ms: int
    ended_at_ms: int | None = None
    ended_count: int | None = None


class Detection(_Value):
    """One verdict for one event definition on one interaction.

    Args:
        event_id: The `EventDefinition.id`.
        task_id: The `Interaction.task_id`.
        detected: Whether the event occurred.
        score: How sure, 0 to 1; a probability where the detector is calibrated.
        evidence: Why, for a positive verdict.
        detector: Name of the detector that decided; filled in by the caller when empty.
        embedder: Id of the embedder the score was computed with, where there is one.
        value: The score on the definition's range, or the category, where it asks for one.
    """

    event_id: str
    task_id: str
    detected: bool
    score: float = Field(ge=0.0, le=1.0)
    evidence: Evidence | None = None
    detector: str = ""
    embedder: str = ""
    value: float | str | None = None
