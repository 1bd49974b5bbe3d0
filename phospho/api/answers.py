"""What the JSON API under `/api` answers with. All values are frozen.

Times are aware datetimes, in JSON as ISO 8601 in UTC with milliseconds. A field that a newer server
adds is left out by an older client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from phospho.models import Answer, Evidence, Example, Flag, Scope  # noqa: TC001 - pydantic reads them

Item = TypeVar("Item")

Step = Literal["hour", "day", "week"]
"""How long a part of a time series is."""


def write_time(at: datetime) -> str:
    """Return a time as the API writes it: `2026-11-27T14:05:09.123Z`."""
    text = at.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


Time = Annotated[
    datetime,
    PlainSerializer(write_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class _Answer(BaseModel):
    # Fields with a default are always there in an answer.
    model_config = ConfigDict(
        frozen=True, extra="ignore", json_schema_serialization_defaults_required=True
    )


class Event(_Answer):
    """An event that occurred in an interaction.

    Args:
        definition_id: The event definition.
        name: Its name.
        score: How sure the detector is, 0 to 1.
        value: The score on a range, or the category, where the definition asks for one; a person's
            where one gave another.
        detector: What decided; `person` where nobody else did.
        version: Of the definition, by which it was decided.
        evidence: Why.
        reviewed: What a person said of it; None where nobody did.
    """

    definition_id: str
    name: str
    score: float
    value: float | str | None = None
    detector: str
    version: int
    evidence: Evidence | None = None
    reviewed: bool | None = None


class Interaction(_Answer):
    """One message of a user and the app's answer to it.

    Args:
        task_id: Its id, unique in the project.
        output: None where the app has not answered.
        flag: What the newest feedback says.
        notes: The newest that were written.
        language: Of the user's message, as an ISO 639-1 code; None where it is not known.
        sentiment: Of the user's message, -1 to 1; None where it is not known.
        tokens: That models read and wrote for it; None where that was not logged.
        metadata: As it was logged.
        events: The surest first.
    """

    task_id: str
    session_id: str
    created_at: Time
    input: str
    output: str | None = None
    user_id: str | None = None
    version_id: str | None = None
    flag: Flag | None = None
    notes: str | None = None
    language: str | None = None
    sentiment: float | None = None
    tokens: int | None = None
    metadata: Mapping[str, Any] = Field(default_factory=dict)
    events: Sequence[Event] = ()


class Feedback(_Answer):
    """One word of a user or a reviewer about an interaction.

    Args:
        source: Who said it, as it was sent: `user`, `owner`, or a name.
    """

    task_id: str
    created_at: Time
    flag: Flag | None = None
    notes: str | None = None
    source: str | None = None


class InteractionDetails(Interaction):
    """An interaction with all there is of it.

    Args:
        rejected: Events that a detector found and a person said no to.
        steps: The calls that led to the answer, in order; see `phospho.steps`.
        raw_input: What was logged, where it says more than the text.
        raw_output: The same.
        feedback: All that was said of it, the oldest first.
    """

    rejected: Sequence[Event] = ()
    steps: Sequence[Mapping[str, Any]] = ()
    raw_input: Any = None
    raw_output: Any = None
    feedback: Sequence[Feedback] = ()


class Session(_Answer):
    """A conversation, without its messages.

    Args:
        interactions: How many it has.
        successes: Those with positive feedback.
        failures: Those with negative feedback.
        events: By name, in how many of its interactions each occurred.
        first_input: The beginning of what the user said first.
    """

    session_id: str
    first_at: Time
    last_at: Time
    interactions: int
    successes: int = 0
    failures: int = 0
    user_id: str | None = None
    version_id: str | None = None
    events: Mapping[str, int] = Field(default_factory=dict)
    first_input: str = ""


class Transcript(Session):
    """A session with what was said in it.

    Args:
        transcript: A part of its interactions, in the order of time.
        next_cursor: Continues the transcript; None at its end.
    """

    transcript: Sequence[InteractionDetails]
    next_cursor: str | None = None


class Part(_Answer):
    """A part of a text.

    Args:
        is_match: Whether it is one of the words that were searched for.
    """

    text: str
    is_match: bool = False


class Found(_Answer):
    """An interaction that has the words of a search.

    Args:
        interaction: The interaction.
        input: The part of the user's message around the first of the words, in its parts.
        output: The same of the answer.
    """

    interaction: Interaction
    input: Sequence[Part]
    output: Sequence[Part]


class User(_Answer):
    """Somebody who uses the app.

    Args:
        tokens: That models read and wrote for them, as far as that was logged.
    """

    user_id: str
    first_at: Time
    last_at: Time
    interactions: int
    sessions: int
    tokens: int = 0


class Occurrence(_Answer):
    """Where an event occurred; of long messages the beginning."""

    event: Event
    task_id: str
    session_id: str
    created_at: Time
    input: str
    output: str | None = None


class Definition(_Answer):
    """What to look for; see `phospho.models.EventDefinition`.

    Args:
        enabled: Whether new interactions are looked at.
        events: How often it has occurred.
        pending: Interactions still to look at.
        problem: Why something of it failed, while that waits to be tried again.
    """

    id: str
    name: str
    description: str
    version: int
    scope: Scope = "auto"
    detector: str = "auto"
    keywords: Sequence[str] = ()
    pattern: str | None = None
    examples: Sequence[Example] = ()
    answer: Answer = "yes_no"
    categories: Sequence[str] = ()
    score_range: tuple[float, float] = (1.0, 5.0)
    settings: Mapping[str, Any] = Field(default_factory=dict)
    enabled: bool = True
    created_at: Time
    events: int = 0
    pending: int = 0
    problem: str | None = None


class PreviewMatch(_Answer):
    """An interaction that a preview names, with the draft's verdict on it; texts are shortened."""

    task_id: str
    session_id: str
    created_at: Time
    input: str
    output: str | None
    score: float
    value: float | str | None
    evidence: Evidence | None


class PreviewGroup(_Answer):
    """Interactions that have something in common: how many, and the newest of them."""

    count: int
    interactions: Sequence[PreviewMatch]


class Preview(_Answer):
    """What a draft of a definition would find among the newest interactions.

    Args:
        understood: How the draft is looked for, in a sentence.
        detector: Name of the detector that decides.
        looked_at: Interactions it was scored against.
        matches: Those in which the event would occur.
        is_new: Whether there is no present version to compare with.
        new_yes: Those in which it does not occur now; for a new definition all matches.
        new_no: Those in which it occurs now and would not any more.
        misses: The nearest to a yes among the others, where there is a nearest.
        values: For a category: how often each was given, the most frequent first.
        mean: For a score: the mean over all interactions.
        reviewed: Interactions a person has spoken about; they stay as they are.
        is_cut_short: Whether the time was up before all were looked at.
        took_ms: How long it took.
    """

    understood: str
    detector: str
    looked_at: int
    matches: int
    is_new: bool
    new_yes: PreviewGroup
    new_no: PreviewGroup
    misses: Sequence[PreviewMatch]
    values: Mapping[str, int]
    mean: float | None
    reviewed: int
    is_cut_short: bool
    took_ms: int


class Totals(_Answer):
    """Numbers of a period.

    Args:
        sessions: Those that began in it.
        users: Those who said something on one of its days.
        successes: Interactions with positive feedback.
        failures: Interactions with negative feedback.
    """

    sessions: int
    interactions: int
    users: int
    events: int
    successes: int
    failures: int


class EventCount(_Answer):
    """How often an event occurred."""

    definition_id: str
    name: str
    count: int


class Stats(_Answer):
    """Numbers of a period, beside those of the one before.

    Args:
        since: Where the period begins, on an hour.
        until: Where it ends, on an hour.
        totals: Its numbers.
        before: Those of the period of the same length before it; None before all time.
        events: How often each event occurred, the most frequent first.
    """

    since: Time
    until: Time
    totals: Totals
    before: Totals | None
    events: Sequence[EventCount]


class Series(_Answer):
    """Numbers over time.

    Args:
        step: How long a part is. The first may be shorter.
        starts: Where each part begins.
        values: By name, a number for each of `starts`: of an event `events` and `interactions`, or
            else `sessions`, `interactions`, `events`, `success` and `failure`, and in steps of a
            day or a week `users`.
    """

    since: Time
    until: Time
    step: Step
    starts: Sequence[Time]
    values: Mapping[str, Sequence[int]]


class Project(_Answer):
    """What an API key belongs to.

    Args:
        interactions: That it has had, those included that were removed.
    """

    id: str
    name: str
    created_at: Time
    interactions: int = 0


class Erasure(_Answer):
    """The receipt of an erasure, which names nobody.

    Args:
        id: Its id.
        kind: What was erased: all that a user said, or a session.
        target_hash: SHA-256 of `id:kind:` and the id of the user or session, hexadecimal.
        asked_by: Who had it erased.
        removed: Rows that are gone, by table.
        removed_at: When no row was left; None before.
        state: `removing` rows; `pending`: their bytes are still to go; `verified`: nothing is left.
        pages_checked: Pages of the database's file that were looked through.
        pages_cleaned: Those in which something stood that no row owns, which was overwritten.
        copies_removed: Copies beside the database that went.
        verified_at: When nothing was left; None before.
    """

    id: str
    kind: Literal["user", "session"]
    target_hash: str
    asked_by: str
    asked_at: Time
    removed: Mapping[str, int]
    removed_at: Time | None = None
    state: Literal["removing", "pending", "verified"]
    pages_checked: int = 0
    pages_cleaned: int = 0
    copies_removed: Sequence[str] = ()
    verified_at: Time | None = None


class Page(_Answer, Generic[Item]):
    """A part of a list.

    Args:
        data: What is in it. There may be none, and still more to come.
        next_cursor: Continues the list; None at its end.
    """

    data: Sequence[Item]
    next_cursor: str | None = None

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Name a page in the API's document after what is on it."""
        return f"{params[0].__name__}Page"


class Problem(_Answer):
    """What is wrong with a request.

    Args:
        code: A word for programs, as in `not_found`.
        message: Sentences for people that say what to do.
    """

    code: str
    message: str


class Error(_Answer):
    """What every refusal answers with."""

    error: Problem
