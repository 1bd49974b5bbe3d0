"""A transcript as a page shows it: messages with their events, steps, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phospho.detectors.description import sides_of
from phospho.models import EventDefinition, Side
from phospho_server.store.facts import METADATA, facts_of_metadata
from phospho_server.store.feedback import Feedback
from phospho_server.store.rows import Event, Step, TranscriptLine
from phospho_server.views.formats import Message, error_words, hue, lay_out

# What a page calls the kinds of steps.
STEP_KINDS = {
    "llm": "Model",
    "tool": "Tool",
    "retrieval": "Retrieval",
    "agent": "Agent",
    "other": "Step",
}

# Steps of one page: a thousand make 2 MB, and with more a browser becomes slow.
_MOST_STEPS = 1_000

_STATUSES = {
    "incomplete": "The answer ended early.",
    "cancelled": "The answer was cancelled.",
}


@dataclass(frozen=True)
class Note:
    """An event as it stands below the message it occurred in, also one a person rejected."""

    event: Event
    side: Side


@dataclass(frozen=True)
class Exchange:
    """One interaction as the transcript shows it.

    Args:
        position: Its place in the session, from 1.
        line: As it is stored.
        input: The user's message.
        output: The assistant's; None where there is no answer.
        notes: The events of both.
        missing: The events that may be added by hand.
        steps: Those of its steps that are on the page.
        trouble: Why the answer is not whole; None where nothing is known of that.
        feedback: What was said of it, the newest last.
        filters: By key of the metadata, the value by which a list can be filtered.
    """

    position: int
    line: TranscriptLine
    input: Message
    output: Message | None
    notes: Sequence[Note]
    missing: Sequence[EventDefinition]
    steps: Sequence[Step]
    trouble: str | None
    feedback: Sequence[Feedback]
    filters: Mapping[str, str]

    @property
    def failed_steps(self) -> int:
        """How many of the steps ended with an error."""
        return sum(step.error is not None for step in self.line.steps)

    @property
    def steps_ms(self) -> float | None:
        """Time from the begin of the first step to the end of the last, as far as known."""
        # Steps may run side by side, so their lengths do not add up to the time they took.
        spans = [
            (step.started_at_ms, step.started_at_ms + step.duration_ms)
            for step in self.line.steps
            if step.started_at_ms is not None and step.duration_ms is not None
        ]
        return max(end for _, end in spans) - min(start for start, _ in spans) if spans else None

    def notes_on(self, side: Side) -> list[Note]:
        """Return the events that occurred in one of the two messages."""
        return [note for note in self.notes if note.side == side]


def lay_out_all(
    lines: Sequence[TranscriptLine],
    offset: int,
    defined: Sequence[EventDefinition],
    said: Mapping[str, Sequence[Feedback]],
) -> list[Exchange]:
    """Lay out a page of interactions, of very many steps the first.

    Args:
        lines: The interactions.
        offset: How many come before them in the session.
        defined: The events of the project.
        said: Feedback on interactions, by their task ids.
    """
    exchanges: list[Exchange] = []
    steps_left = _MOST_STEPS
    for position, line in enumerate(lines, start=offset + 1):
        steps = line.steps[:steps_left]
        exchanges.append(_lay_out(line, position, steps, defined, said.get(line.task_id, ())))
        steps_left -= len(exchanges[-1].steps)
    return exchanges


def _lay_out(
    line: TranscriptLine,
    position: int,
    steps: Sequence[Step],
    defined: Sequence[EventDefinition],
    feedback: Sequence[Feedback],
) -> Exchange:
    by_id = {definition.id: definition for definition in defined}
    notes = [Note(event, _side_of(event, line, by_id)) for event in line.events]
    rejected = [Note(event, _side_of(event, line, by_id)) for event in line.rejected]
    shown = {note.event.definition_id for note in [*notes, *rejected]}
    return Exchange(
        position=position,
        line=line,
        input=lay_out(line.input, _quotes(notes, "input")),
        output=None if line.output is None else lay_out(line.output, _quotes(notes, "output")),
        notes=[*notes, *rejected],
        missing=[definition for definition in defined if definition.id not in shown],
        steps=steps,
        trouble=_describe_trouble(line.metadata),
        feedback=feedback,
        filters={
            fact.name.removeprefix(METADATA): fact.value
            for fact in facts_of_metadata(line.metadata)
        },
    )


def _describe_trouble(metadata: Mapping[str, Any]) -> str | None:
    """Return in words what the SDK tells by `status` and `error`."""
    status = metadata.get("status")
    if status == "error":
        return f"Failed: {error_words(metadata.get('error')) or 'no reason was logged.'}"
    return _STATUSES.get(status) if isinstance(status, str) else None


def _side_of(event: Event, line: TranscriptLine, by_id: Mapping[str, EventDefinition]) -> Side:
    """Return the message an event belongs to; the answer completes the interaction.

    What a person added stands where its description says.
    """
    if line.output is None:
        return "input"
    if event.evidence:
        return event.evidence.side
    definition = by_id.get(event.definition_id) if event.reviewed else None
    return sides_of(definition)[-1] if definition else "output"


def _quotes(notes: Sequence[Note], side: Side) -> list[tuple[str, str]]:
    return [
        (note.event.evidence.quote, hue(note.event.color))
        for note in notes
        if note.side == side and note.event.evidence and note.event.evidence.side == side
    ]
