"""What the store returns: frozen, named, typed. Times are UTC milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from phospho.models import EventDefinition, Evidence, Flag

# Stands in `detections.detector` where a person spoke and no detector has looked yet.
PERSON = "person"


@dataclass(frozen=True)
class Project:
    """What an API key belongs to; holds everything else."""

    id: str
    name: str
    created_at_ms: int


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret, which only its owner has."""

    id: str
    project_id: str
    name: str
    prefix: str
    created_at_ms: int
    last_used_at_ms: int | None
    revoked_at_ms: int | None


@dataclass(frozen=True)
class NewInteraction:
    """An interaction as it arrives, checked and cut to the limits.

    `metadata`, `raw_input`, `raw_output` and `steps` are JSON texts; None means there is nothing to
    keep. `notes` come from feedback that was here first.
    """

    task_id: str
    session_id: str
    created_at_ms: int
    input: str
    output: str | None = None
    user_id: str | None = None
    version_id: str | None = None
    flag: Flag | None = None
    notes: str | None = None
    metadata: str | None = None
    raw_input: str | None = None
    raw_output: str | None = None
    steps: str | None = None


@dataclass(frozen=True)
class Event:
    """A positive detection, as a page shows it.

    Args:
        value: The score or category that stands, where the definition asks for one.
        said_value: The detector's, where a person gave another.
        version: The definition's version that decided; an old one while a newer one catches up.
        reviewed: What a person said of it; None where nobody did.
        judged: What the detector says where a person spoke; None where it has not looked.
    """

    definition_id: str
    name: str
    description: str
    color: int
    score: float
    detector: str
    evidence: Evidence | None
    value: float | str | None = None
    said_value: float | str | None = None
    version: int = 1
    is_of_old_version: bool = False
    reviewed: bool | None = None
    judged: bool | None = None


@dataclass(frozen=True)
class Step:
    """A call on the way to an answer; only its kind and its name are always known.

    Args:
        kind: One of `phospho.steps.KINDS`.
        usage: Token counts, under the names of `phospho.steps.USAGE_KEYS`.
        error: Its `type` and `message`.
        other: What else a stranger's step had.
    """

    kind: str
    name: str
    started_at_ms: int | None = None
    duration_ms: float | None = None
    model: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    error: Mapping[str, str] | None = None
    input: str | None = None
    output: str | None = None
    other: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """How many tokens a model read and wrote; 0 where that is unknown."""
        parts = self.usage.get("prompt_tokens", 0) + self.usage.get("completion_tokens", 0)
        return self.usage.get("total_tokens", parts)


@dataclass(frozen=True)
class TranscriptLine:
    """One interaction of a transcript with the events that occurred in it.

    `rejected` are those a detector found and a person said no to; `language` and `sentiment` are
    facts of the user's message, None where they are not known.
    """

    id: int
    task_id: str
    created_at_ms: int
    input: str
    output: str | None
    user_id: str | None
    version_id: str | None
    flag: Flag | None
    notes: str | None
    metadata: Mapping[str, Any]
    raw_input: Any
    raw_output: Any
    steps: Sequence[Step] = ()
    events: Sequence[Event] = ()
    rejected: Sequence[Event] = ()
    language: str | None = None
    sentiment: float | None = None


@dataclass(frozen=True)
class EventCount:
    """How often one event occurred."""

    definition_id: str
    name: str
    description: str
    color: int
    events: int


@dataclass(frozen=True)
class SessionRow:
    """One line of the sessions list."""

    session_id: str
    first_at_ms: int
    last_at_ms: int
    interactions: int
    successes: int
    failures: int
    user_id: str | None
    version_id: str | None
    first_input: str
    events: Sequence[EventCount] = ()

    @property
    def duration_ms(self) -> int:
        """Time between the first and the last interaction."""
        return self.last_at_ms - self.first_at_ms


@dataclass(frozen=True)
class SessionPage:
    """One page of sessions; `next_cursor` continues it."""

    sessions: Sequence[SessionRow]
    next_cursor: str | None


@dataclass(frozen=True)
class Totals:
    """Numbers of a period.

    Args:
        users: Those who said something in it.
        successes: Interactions with positive feedback.
        failures: Interactions with negative feedback.
    """

    sessions: int = 0
    interactions: int = 0
    users: int = 0
    events: int = 0
    successes: int = 0
    failures: int = 0

    @property
    def positive_share(self) -> float | None:
        """The share of positive among all feedback, from 0 to 1; None where there is none."""
        flags = self.successes + self.failures
        return self.successes / flags if flags else None


@dataclass(frozen=True)
class Series:
    """Counts over time: one value for each entry of `starts_ms`, `step_ms` apart."""

    starts_ms: Sequence[int]
    values: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Backfill:
    """How far a definition has come on its way through past interactions.

    Args:
        version: Of the definition.
        total: Interactions there were when it began.
        left: Those still to look at.
        is_paused: Whether somebody stopped it for now.
    """

    version: int
    total: int
    left: int
    is_paused: bool

    @property
    def done(self) -> int:
        """Interactions looked at so far."""
        return self.total - self.left


@dataclass(frozen=True)
class FactCount:
    """Of how many interactions a fact has a value.

    Args:
        value: A language's code, or `negative`, `neutral` or `positive`.
    """

    value: str
    interactions: int


@dataclass(frozen=True)
class DefinitionRow:
    """An event definition as Settings lists it.

    Args:
        definition: What to look for.
        color: Its place in the project, for a colour of its own.
        enabled: Whether new interactions are looked at.
        events: How often it has occurred.
        pending: Interactions still to look at.
        problem: Why something of it failed, while that waits to be tried again or is parked.
        backfill: Its way through past interactions, while it is on it.
    """

    definition: EventDefinition
    color: int
    enabled: bool
    created_at_ms: int
    events: int
    pending: int
    problem: str | None
    backfill: Backfill | None = None


@dataclass(frozen=True)
class Job:
    """Work that waits in the database, claimed for a time.

    Args:
        before_id: How far a backfill has come: what is older is still to do.
        size: Interactions still to do.
        attempts: How often it was claimed, this time included.
    """

    id: str
    project_id: str
    kind: str
    definition_id: str | None
    payload: Mapping[str, Any]
    before_id: int | None
    size: int
    attempts: int


@dataclass(frozen=True)
class StoredDetection:
    """A verdict ready to be kept.

    Args:
        interaction_id: The row of `interactions`.
        evidence: JSON text of an `Evidence`, or None.
        embedder: Id of the embedder, where one was used.
        value: JSON text of a score on a range or a category, where one was asked for.
        is_repeated: Whether it would be an event if its session did not have it already.
        claimed: Log-odds of the event that an LLM claimed, before its score was calibrated.
    """

    interaction_id: int
    session_id: str
    created_at_ms: int
    detected: bool
    score: float
    detector: str
    evidence: str | None
    embedder: str | None = None
    value: str | None = None
    is_repeated: bool = False
    claimed: float | None = None
