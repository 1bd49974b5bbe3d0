"""Sessions: the list with its filters, and one session's transcript."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from phospho.detectors.description import sides_of
from phospho.models import EventDefinition, Flag, Side
from phospho_server.clock import now_ms
from phospho_server.errors import NotFoundError
from phospho_server.mixing import list_mixes
from phospho_server.services import services
from phospho_server.store import Connection, counters, facts
from phospho_server.store import sessions as store
from phospho_server.store.definitions import list_defined, list_definitions
from phospho_server.store.rows import Event, SessionFilter, Step, TranscriptLine
from phospho_server.views import periods
from phospho_server.views.fact_choices import FactChoices, list_choices
from phospho_server.views.formats import Message, error_words, hue, lay_out
from phospho_server.views.frame import base_url, open_project, session_url
from phospho_server.views.query import Choices, read_choice, read_number, read_text

bp = Blueprint("sessions", __name__)

FLAGS = {"success": "Positive", "failure": "Negative"}

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

# More digits than row ids have yet.
_MOST_ID = 10**9 - 1

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
    """

    position: int
    line: TranscriptLine
    input: Message
    output: Message | None
    notes: Sequence[Note]
    missing: Sequence[EventDefinition]
    steps: Sequence[Step]
    trouble: str | None

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


@bp.get("/projects/<project_id>/sessions")
def index(project_id: str) -> str:
    """Show the sessions that match, the newest first, with the events found in each."""
    choices = Choices()
    with services().store.read() as db:
        project = open_project(db, project_id)
        definitions = {
            row.definition.name: row.definition.id for row in list_definitions(db, project_id)
        }
        versions = store.list_versions(db, project_id)
        known = list_choices(db, project_id)
        asked = _read_filter(choices, definitions, known)
        if asked["event"]:
            choices.notices += _say_mix(db, project_id, definitions[asked["event"]])
        cursor = request.args.get("cursor") or None
        page = store.list_sessions(db, project_id, _to_filter(asked), cursor=cursor)
        is_empty = counters.first_hour(db, project_id) is None
    used = {name: value for name, value in asked.items() if value}
    return render_template(
        "sessions/empty.html" if is_empty else "sessions/index.html",
        project=project,
        base_url=base_url(),
        notices=choices.notices,
        page=page,
        asked=asked,
        used=used,
        cursor=cursor,
        event_names=list(definitions),
        versions=versions,
        flags=FLAGS,
        known=known,
        periods=periods.NAMES,
        older_url=page.next_cursor and _list_url(project_id, {**used, "cursor": page.next_cursor}),
    )


@bp.get("/projects/<project_id>/sessions/<path:session_id>")
def show(project_id: str, session_id: str) -> ResponseReturnValue:
    """Show a transcript, each event at the message it occurred in.

    `at` in the address leads to the interaction of this row id.
    """
    with services().store.read() as db:
        project = open_project(db, project_id)
        session = store.get_session(db, project_id, session_id)
        pages = max(1, -(-session.interactions // store.TRANSCRIPT_SIZE))
        at = store.find_position(
            db, project_id, session_id, read_number("at", default=0, most=_MOST_ID)
        )
        if at:
            page = -(-at // store.TRANSCRIPT_SIZE)
            return redirect(
                session_url(
                    project_id, session_id, page=page if page > 1 else None, _anchor=f"i{at}"
                )
            )
        page = read_number("page", default=1, most=pages)
        offset = (page - 1) * store.TRANSCRIPT_SIZE
        lines = store.list_transcript(db, project_id, session_id, offset=offset)
        defined = list_defined(db, project_id)
        newer_id, older_id = store.find_neighbours(db, project_id, session)
        known = facts.count_in_session(db, project_id, session_id)
    return render_template(
        "sessions/show.html",
        project=project,
        session=session,
        exchanges=_lay_out_all(lines, offset, defined),
        defined={definition.id: definition for definition in defined},
        page=page,
        pages=pages,
        newer_id=newer_id,
        older_id=older_id,
        flags=FLAGS,
        known=known,
        step_kinds=STEP_KINDS,
        adding=read_number("add", default=0, most=_MOST_ID),
    )


@bp.get("/projects/<project_id>/session")
def show_by_id(project_id: str) -> ResponseReturnValue:
    """Show the transcript of a session whose id cannot stand in a path."""
    session_id = request.args.get("id", "")
    if not session_id:
        raise NotFoundError("This address names no session. Look in the sessions list.")
    return show(project_id, session_id)


def _say_mix(db: Connection, project_id: str, definition_id: str) -> Sequence[str]:
    """Return what has to be said about the events that a list shows."""
    mix = list_mixes(db, project_id).get(definition_id)
    return mix.sentences if mix else ()


def _read_filter(
    choices: Choices, event_names: Collection[str], known: FactChoices
) -> dict[str, str]:
    """Return what the address asks for, by the names the address uses; empty means any."""
    return {
        "q": read_text(choices, "q"),
        "event": read_choice(choices, "event", event_names),
        "flag": read_choice(choices, "flag", FLAGS),
        "language": read_choice(choices, "language", known.languages),
        "sentiment": read_choice(choices, "sentiment", known.sentiments),
        "user": read_text(choices, "user"),
        "version": read_text(choices, "version"),
        "period": read_choice(choices, "period", periods.NAMES),
    }


def _list_url(project_id: str, query: Mapping[str, Any]) -> str:
    return url_for(".index", project_id=project_id, **query)


def _to_filter(asked: dict[str, str]) -> SessionFilter:
    wanted = SessionFilter(
        event=asked["event"] or None,
        flag=cast("Flag", asked["flag"]) if asked["flag"] else None,
        user_id=asked["user"] or None,
        version_id=asked["version"] or None,
        text=asked["q"] or None,
        language=asked["language"] or None,
        sentiment=asked["sentiment"] or None,
    )
    if asked["period"] in ("", "all"):
        return wanted
    period = periods.get_period(asked["period"], now_ms())
    return replace(wanted, since_ms=period.since_ms, until_ms=period.until_ms)


def _lay_out_all(
    lines: Sequence[TranscriptLine], offset: int, defined: Sequence[EventDefinition]
) -> list[Exchange]:
    """Lay out a page of interactions, of very many steps the first."""
    exchanges: list[Exchange] = []
    steps_left = _MOST_STEPS
    for position, line in enumerate(lines, start=offset + 1):
        exchanges.append(_lay_out(line, position, line.steps[:steps_left], defined))
        steps_left -= len(exchanges[-1].steps)
    return exchanges


def _lay_out(
    line: TranscriptLine,
    position: int,
    steps: Sequence[Step],
    defined: Sequence[EventDefinition],
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
