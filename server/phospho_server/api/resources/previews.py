"""`POST /api/projects/{project_id}/definitions/preview`: what a draft would find."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint

from phospho.api import answers
from phospho.models import EventDefinition
from phospho_server.api.resources.bodies import read_body
from phospho_server.api.resources.definition_bodies import Draft
from phospho_server.api.resources.operations import Operation, operation
from phospho_server.defining import make_definition
from phospho_server.previewing import Group, Preview, Seen, preview
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store.definitions import get_definition
from phospho_server.views.formats import to_datetime

bp = Blueprint("api_previews", __name__)

_ASIDE = {"event_id", "interactions"}


@bp.post("/api/projects/<project_id>/definitions/preview")
@access(API_KEY)
@operation(Operation(answers.Preview, body=Draft, refusals=[404, 415]))
def show(project_id: str) -> answers.Preview:
    """Score a draft of a definition against the newest interactions; nothing is stored."""
    draft = read_body(Draft)
    definition = _make(project_id, draft)
    found = preview(
        services().store, services().detectors, project_id, definition, most=draft.interactions
    )
    return _shape(found)


def _make(project_id: str, draft: Draft) -> EventDefinition:
    kept: dict[str, Any] = {"id": "draft", "name": "draft", "description": ""}
    if draft.event_id is not None:
        with services().store.read() as db:
            kept = get_definition(db, project_id, draft.event_id).model_dump()
    fields = draft.model_dump(exclude_unset=True, exclude=_ASIDE)
    return make_definition({**kept, **fields}, services().detectors)


def _shape(found: Preview) -> answers.Preview:
    return answers.Preview(
        understood=found.understood,
        detector=found.detector,
        looked_at=found.looked_at,
        matches=found.matches,
        is_new=found.is_new,
        new_yes=_group(found.new_yes),
        new_no=_group(found.new_no),
        misses=[_seen(each) for each in found.misses],
        values=found.values,
        mean=found.mean,
        reviewed=found.reviewed,
        is_cut_short=found.is_cut_short,
        took_ms=found.took_ms,
    )


def _group(group: Group) -> answers.PreviewGroup:
    return answers.PreviewGroup(
        count=group.count, interactions=[_seen(each) for each in group.seen]
    )


def _seen(seen: Seen) -> answers.PreviewMatch:
    return answers.PreviewMatch(**asdict(seen), created_at=to_datetime(seen.created_at_ms))
