"""Ten verdicts for a person to judge, one by one, without knowing what the detector said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from phospho.models import EventDefinition
from phospho_server.auditing import SIZE, choose
from phospho_server.clock import now_ms
from phospho_server.errors import InvalidError
from phospho_server.security import EDITOR, access
from phospho_server.services import services
from phospho_server.store import Connection, quality
from phospho_server.store.definitions import find_color, get_definition
from phospho_server.store.matches import find_verdict, get_turn
from phospho_server.views.formats import Message, lay_out
from phospho_server.views.frame import open_project
from phospho_server.views.query import read_number
from phospho_server.views.reviews import Click

bp = Blueprint("audit", __name__, url_prefix="/projects/<project_id>/events/<event_id>/review")

# What was said just before, that the message can be understood.
_CONTEXT = 2

_SAMPLE = re.compile(r"[0-9]{1,18}(-[0-9]{1,18}){0,9}", re.ASCII)


@dataclass(frozen=True)
class Exchange:
    """A message and its answer."""

    input: Message
    output: Message | None


@dataclass(frozen=True)
class Question:
    """What is asked: did the event occur here?

    Args:
        earlier: What was said just before.
    """

    interaction_id: int
    exchange: Exchange
    earlier: Sequence[Exchange]


@bp.get("")
@access(EDITOR)
def show(project_id: str, event_id: str) -> ResponseReturnValue:
    """Ask about the next of the sample; after the last, tell what is now known.

    The sample stands in the address, so it stays the same when the page is loaded again.
    """
    sample = _read_sample(request.args.get("of", ""))
    at = read_number("at", default=1, most=SIZE + 1)
    with services().store.read() as db:
        project = open_project(db, project_id)
        definition = get_definition(db, project_id, event_id)
        if not sample:
            sample = _choose(db, project_id, definition)
            if sample:
                return redirect(_address(project_id, event_id, sample, 1))
        before = sample[at - 2] if 1 < at <= len(sample) + 1 else None
        is_done = at > len(sample)
        page = {
            "project": project,
            "definition": definition,
            "color": find_color(db, event_id),
            "sample": "-".join(map(str, sample)),
            "size": len(sample),
            "at": min(at, len(sample) + 1),
            "before": before and find_verdict(db, project_id, event_id, before),
            "before_id": before,
        }
        if not is_done:
            question = _ask(db, project_id, sample[at - 1])
            return render_template("events/audit.html", **page, question=question)
        measured = quality.measure(db, project_id, definition, at_ms=now_ms())
        verdicts = [find_verdict(db, project_id, event_id, each) for each in sample]
    return render_template(
        "events/audited.html",
        **page,
        known=measured.known,
        can_review=any(not each.is_reviewed for each in measured.drawn),
        answered=sum(v is not None and v.reviewed is not None for v in verdicts),
        agreed=sum(v is not None and v.is_agreed for v in verdicts),
    )


@bp.post("")
@access(EDITOR)
def answer(project_id: str, event_id: str) -> ResponseReturnValue:
    """Keep an answer and go on to the next, or back to the one that was taken back."""
    click = Click.read(request.form.get("click", ""), "audit", request.form.get("score", ""))
    if click.event_id != event_id:
        raise InvalidError("This form is about another event. Open the page again and click there.")
    sample = _read_sample(request.form.get("of", ""))
    services().store.write(lambda db: click.keep(db, project_id))
    at = sample.index(click.interaction_id) + 1 if click.interaction_id in sample else 1
    if click.word != "undo":
        at += 1
    return redirect(_address(project_id, event_id, sample, at), 303)


def _choose(db: Connection, project_id: str, definition: EventDefinition) -> list[int]:
    at_ms = now_ms()
    measured = quality.measure(db, project_id, definition, at_ms=at_ms)
    return choose(measured.drawn, measured.known, quality.seed_of(definition, at_ms))


def _read_sample(text: str) -> list[int]:
    return list(map(int, text.split("-"))) if _SAMPLE.fullmatch(text) else []


def _address(project_id: str, event_id: str, sample: Sequence[int], at: int) -> str:
    return url_for(
        "audit.show",
        project_id=project_id,
        event_id=event_id,
        of="-".join(map(str, sample)) or None,
        at=at,
    )


def _ask(db: Connection, project_id: str, interaction_id: int) -> Question:
    turn = get_turn(db, project_id, interaction_id)
    return Question(
        interaction_id,
        _lay_out(turn.interaction.input, turn.interaction.output),
        [_lay_out(each.input, each.output) for each in turn.history[-_CONTEXT:]],
    )


def _lay_out(said: str, answered: str | None) -> Exchange:
    return Exchange(lay_out(said, []), None if answered is None else lay_out(answered, []))
