"""What the store returns, as the values that the API answers with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from phospho.api import answers
from phospho_server.store.feedback import Feedback
from phospho_server.store.interaction_pages import InteractionRow
from phospho_server.store.interactions import tokens_of
from phospho_server.store.matches import Match
from phospho_server.store.rows import (
    DefinitionRow,
    Event,
    Project,
    SessionRow,
    Step,
    Totals,
    TranscriptLine,
)
from phospho_server.store.users import UserRow
from phospho_server.views.formats import to_datetime


def project(row: Project, *, interactions: int) -> answers.Project:
    """Return a project, with how many interactions it has had."""
    return answers.Project(
        id=row.id,
        name=row.name,
        created_at=to_datetime(row.created_at_ms),
        interactions=interactions,
    )


def session(row: SessionRow) -> answers.Session:
    """Return a session."""
    return answers.Session(**_session_fields(row))


def transcript(
    row: SessionRow, interactions: Sequence[answers.InteractionDetails], next_cursor: str | None
) -> answers.Transcript:
    """Return a session with a part of what was said."""
    return answers.Transcript(
        **_session_fields(row), transcript=interactions, next_cursor=next_cursor
    )


def _session_fields(row: SessionRow) -> dict[str, object]:
    return {
        "session_id": row.session_id,
        "first_at": to_datetime(row.first_at_ms),
        "last_at": to_datetime(row.last_at_ms),
        "interactions": row.interactions,
        "successes": row.successes,
        "failures": row.failures,
        "user_id": row.user_id,
        "version_id": row.version_id,
        "events": {event.name: event.events for event in row.events},
        "first_input": row.first_input,
    }


def interaction(row: InteractionRow) -> answers.Interaction:
    """Return an interaction of a list."""
    return answers.Interaction(
        task_id=row.task_id,
        session_id=row.session_id,
        created_at=to_datetime(row.created_at_ms),
        input=row.input,
        output=row.output,
        user_id=row.user_id,
        version_id=row.version_id,
        flag=row.flag,
        notes=row.notes,
        language=row.language,
        sentiment=row.sentiment,
        tokens=row.tokens,
        metadata=row.metadata,
        events=[event(each) for each in row.events],
    )


def details(
    line: TranscriptLine, session_id: str, said: Sequence[Feedback]
) -> answers.InteractionDetails:
    """Return an interaction with all there is of it."""
    return answers.InteractionDetails(
        task_id=line.task_id,
        session_id=session_id,
        created_at=to_datetime(line.created_at_ms),
        input=line.input,
        output=line.output,
        user_id=line.user_id,
        version_id=line.version_id,
        flag=line.flag,
        notes=line.notes,
        language=line.language,
        sentiment=line.sentiment,
        tokens=tokens_of(line.metadata),
        metadata=line.metadata,
        events=[event(each) for each in line.events],
        rejected=[event(each) for each in line.rejected],
        steps=[_step(each) for each in line.steps],
        raw_input=line.raw_input,
        raw_output=line.raw_output,
        feedback=[feedback(each) for each in said],
    )


def _step(row: Step) -> dict[str, object]:
    """Return a step as it was logged: what is not known of it is left out."""
    return {name: value for name, value in asdict(row).items() if value not in (None, {})}


def feedback(row: Feedback) -> answers.Feedback:
    """Return one word about an interaction."""
    return answers.Feedback(
        task_id=row.task_id,
        created_at=to_datetime(row.created_at_ms),
        flag=row.flag,
        notes=row.notes,
        source=row.source,
    )


def event(row: Event) -> answers.Event:
    """Return an event of an interaction."""
    return answers.Event(
        definition_id=row.definition_id,
        name=row.name,
        score=row.score,
        value=row.value,
        detector=row.detector,
        version=row.version,
        evidence=row.evidence,
        reviewed=row.reviewed,
    )


def occurrence(row: Match) -> answers.Occurrence:
    """Return where an event occurred."""
    return answers.Occurrence(
        event=event(row.event),
        task_id=row.task_id,
        session_id=row.session_id,
        created_at=to_datetime(row.created_at_ms),
        input=row.input,
        output=row.output,
    )


def user(row: UserRow) -> answers.User:
    """Return a user."""
    return answers.User(
        user_id=row.user_id,
        first_at=to_datetime(row.first_at_ms),
        last_at=to_datetime(row.last_at_ms),
        interactions=row.interactions,
        sessions=row.sessions,
        tokens=row.tokens,
    )


def definition(row: DefinitionRow) -> answers.Definition:
    """Return an event definition with how it fares."""
    kept = row.definition
    return answers.Definition(
        **kept.model_dump(),
        enabled=row.enabled,
        created_at=to_datetime(row.created_at_ms),
        events=row.events,
        pending=row.pending,
        problem=row.problem,
    )


def totals(row: Totals) -> answers.Totals:
    """Return the numbers of a period."""
    return answers.Totals(**asdict(row))
