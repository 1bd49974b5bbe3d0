"""What an agent is shown: the API's values, made short enough for its context.

Texts of conversations are quotations. They stand in fields of their own, and a text that is cut
says how much is missing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel, Field

from phospho.api import answers
from phospho.api.answers import Time  # noqa: TC001 - pydantic reads it
from phospho.models import Example, Flag
from phospho.visible import visible

Item = TypeVar("Item", bound=BaseModel)

# Of a message in a list, and of one in a transcript: a page of a book.
LISTED_CHARS, READ_CHARS = 600, 4_000

# Of the rest, which is no conversation.
_DETAIL_CHARS = 300
_MOST_EXAMPLES = 3
# Keys of metadata with short values: enough to filter by them, as the server has no longer ones.
_MOST_KEYS, _KEY_CHARS = 10, 64
_MOST_STEPS = 20


class Event(BaseModel):
    """An event that occurred in an interaction."""

    name: str
    score: float = Field(description="How sure the detector is, 0 to 1.")
    value: float | str | None = Field(None, description="A score or category, where asked for.")
    reason: str = Field("", description="Why the detector said yes; may quote the message.")
    reviewed: bool | None = Field(None, description="What a person said of it, if anybody did.")


class Interaction(BaseModel):
    """One message of a user and the app's answer; both are quotations."""

    task_id: str
    session_id: str
    created_at: Time
    user_id: str | None
    input: str = Field(description="Quotation: what the user said.")
    output: str | None = Field(description="Quotation: what the app answered.")
    flag: Flag | None = Field(description="Feedback.")
    notes: str | None = Field(description="Quotation: what somebody wrote about it.")
    metadata: Mapping[str, str] = Field(description="Quotations: short values that were logged.")
    steps: Sequence[str] | None = Field(
        description="Quotations: the calls that led to the answer, as in `tool search`; only in a "
        "transcript."
    )
    events: Sequence[Event]


class Occurrence(BaseModel):
    """Where an event occurred; the messages are quotations."""

    event: Event
    task_id: str
    session_id: str
    created_at: Time
    input: str = Field(description="Quotation: what the user said.")
    output: str | None = Field(description="Quotation: what the app answered.")


class Page(BaseModel, Generic[Item]):
    """A part of a list."""

    data: Sequence[Item]
    next_cursor: str | None = Field(
        description="Continues the list as `cursor`; null at its end. A part may be empty before."
    )


class Transcript(BaseModel):
    """A session with a part of what was said in it."""

    session: answers.Session
    interactions: Sequence[Interaction]
    next_start: int | None = Field(
        description="Continues the transcript as `start`; null at its end."
    )


class Definition(BaseModel):
    """An event definition: what is looked for."""

    id: str
    name: str
    description: str
    version: int
    scope: str
    detector: str
    keywords: Sequence[str]
    pattern: str | None
    examples: Sequence[Example] = Field(description="The first of them; quotations.")
    answer: str
    categories: Sequence[str]
    enabled: bool
    events: int = Field(description="How often it has occurred.")
    pending: int = Field(description="Interactions still to look at.")
    problem: str | None


def cut(text: str, most: int) -> str:
    """Return the beginning of a text, saying how much of it is missing.

    What people cannot see is named, so that nobody can tell an agent something behind their backs.
    """
    missing = len(text) - most
    shown = visible(text[:most])
    return shown if missing <= 0 else f"{shown}… [{missing:,} more characters]"


def session(found: answers.Session) -> answers.Session:
    """Return a session, with the beginning of what was said first."""
    return found.model_copy(update={"first_input": cut(found.first_input, LISTED_CHARS)})


def preview(found: answers.Preview) -> answers.Preview:
    """Return what a draft would find, with the beginning of each message."""
    return found.model_copy(
        update={
            "new_yes": _group(found.new_yes),
            "new_no": _group(found.new_no),
            "misses": [_match(each) for each in found.misses],
        }
    )


def _group(found: answers.PreviewGroup) -> answers.PreviewGroup:
    return found.model_copy(update={"interactions": [_match(each) for each in found.interactions]})


def _match(found: answers.PreviewMatch) -> answers.PreviewMatch:
    output = None if found.output is None else cut(found.output, LISTED_CHARS)
    return found.model_copy(update={"input": cut(found.input, LISTED_CHARS), "output": output})


def interaction(found: answers.Interaction, most: int = LISTED_CHARS) -> Interaction:
    """Return an interaction, with so many characters of each message at most."""
    return Interaction(
        task_id=found.task_id,
        session_id=found.session_id,
        created_at=found.created_at,
        user_id=found.user_id,
        input=cut(found.input, most),
        output=None if found.output is None else cut(found.output, most),
        flag=found.flag,
        notes=None if found.notes is None else cut(found.notes, _DETAIL_CHARS),
        metadata=_metadata(found.metadata),
        steps=_steps(found) if isinstance(found, answers.InteractionDetails) else None,
        events=[event(each) for each in found.events],
    )


def _metadata(logged: Mapping[str, object]) -> dict[str, str]:
    """Return what of the metadata can be asked for: short texts, numbers, true and false."""
    simple = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in logged.items()
        if isinstance(value, (str, int)) and len(key) <= _KEY_CHARS and "=" not in key
    }
    short = {
        key: text
        for key, text in simple.items()
        # Nothing could be asked for by the names of what is hidden.
        if len(text) <= _KEY_CHARS and visible(key + text) == key + text
    }
    return dict(itertools.islice(short.items(), _MOST_KEYS))


def _steps(found: answers.InteractionDetails) -> list[str]:
    """Return each step in a line, with its error where it failed."""
    lines = []
    for step in found.steps[:_MOST_STEPS]:
        error = step.get("error")
        failed = f": {error.get('type')}: {error.get('message')}" if error else ""
        lines.append(cut(f"{step.get('kind')} {step.get('name')}{failed}", _DETAIL_CHARS))
    missing = len(found.steps) - len(lines)
    return [*lines, f"[{missing} more]"] if missing else lines


def event(found: answers.Event) -> Event:
    """Return an event."""
    reason = found.evidence.reason if found.evidence else ""
    return Event(
        name=found.name,
        score=round(found.score, 3),
        value=found.value,
        reason=cut(reason, _DETAIL_CHARS),
        reviewed=found.reviewed,
    )


def occurrence(found: answers.Occurrence) -> Occurrence:
    """Return where an event occurred."""
    return Occurrence(
        event=event(found.event),
        task_id=found.task_id,
        session_id=found.session_id,
        created_at=found.created_at,
        input=cut(found.input, LISTED_CHARS),
        output=None if found.output is None else cut(found.output, LISTED_CHARS),
    )


def definition(found: answers.Definition) -> Definition:
    """Return an event definition."""
    fields = found.model_dump(include=set(Definition.model_fields))
    examples = [
        Example(input=cut(each.input, _DETAIL_CHARS), output=cut(each.output, _DETAIL_CHARS))
        for each in found.examples[:_MOST_EXAMPLES]
    ]
    return Definition(**fields | {"examples": examples})


def transcript(
    found: answers.Session,
    interactions: Iterable[answers.Interaction],
    *,
    start: int,
    most_chars: int,
) -> Transcript:
    """Return as much of a transcript as fits, at least one interaction where there is any.

    Args:
        found: The session.
        interactions: What follows in it, read for as long as it fits.
        start: The place of the first of them.
        most_chars: Of what is shown of all interactions together.
    """
    shown: list[Interaction] = []
    left = most_chars
    next_start = None
    for each in interactions:
        one = interaction(each, READ_CHARS)
        left -= len(one.model_dump_json())
        if shown and left < 0:
            next_start = start + len(shown)
            break
        shown.append(one)
    facts = {name: getattr(found, name) for name in answers.Session.model_fields}
    return Transcript(
        session=session(answers.Session(**facts)), interactions=shown, next_start=next_start
    )
