"""`POST /api/projects/{project_id}/definitions/preview`: what a draft would find."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from phospho.models import EventDefinition
from phospho_server.api.body import read_clean_object
from phospho_server.defining import make_definition
from phospho_server.errors import InvalidError
from phospho_server.previewing import MOST, USUAL, Group, Preview, Seen, preview
from phospho_server.security import API_KEY, access, require_project
from phospho_server.services import services
from phospho_server.store.definitions import get_definition

bp = Blueprint("api_previews", __name__)

# What the server decides about a definition itself.
_NOT_TYPED = frozenset({"id", "version", "reviews", "cut"})

# More would take longer to read than a preview may.
_MOST_EXAMPLES = 200


@bp.post("/api/projects/<project_id>/definitions/preview")
@access(API_KEY)
def show(project_id: str) -> ResponseReturnValue:
    """Score a draft against the newest interactions.

    Body: the fields of a definition, of which `description` is needed; `event_id` names the event
    to compare with, whose fields stand for those left out; `interactions` says how many to look
    at. Answer: counts, and of each kind the newest interactions.
    """
    require_project(project_id)
    fields = read_clean_object()
    most = _read_most(fields.pop("interactions", USUAL))
    draft = _read_draft(project_id, fields)
    found = preview(services().store, services().detectors, project_id, draft, most=most)
    return jsonify(_to_json(found))


def _read_draft(project_id: str, fields: dict[str, Any]) -> EventDefinition:
    event_id = fields.pop("event_id", None)
    refused = _NOT_TYPED & fields.keys()
    if refused:
        raise InvalidError(f"The field {min(refused)!r} is not for a draft. Leave it out.")
    examples = fields.get("examples")
    if isinstance(examples, list) and len(examples) > _MOST_EXAMPLES:
        raise InvalidError(f"There are more than {_MOST_EXAMPLES} examples. Send fewer.")
    kept: dict[str, Any] = {"id": "draft", "name": "draft", "description": ""}
    if event_id is not None:
        with services().store.read() as db:
            kept = get_definition(db, project_id, str(event_id)).model_dump()
    return make_definition({**kept, **fields}, services().detectors)


def _read_most(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise InvalidError(f"The number of interactions must be from 1 to {MOST:,}. Change it.")
    return value


def _to_json(found: Preview) -> dict[str, Any]:
    return {
        "understood": found.understood,
        "detector": found.detector,
        "looked_at": found.looked_at,
        "matches": found.matches,
        "is_new": found.is_new,
        "new_yes": _group(found.new_yes),
        "new_no": _group(found.new_no),
        "misses": [_seen(seen) for seen in found.misses],
        "values": found.values,
        "mean": found.mean,
        "reviewed": found.reviewed,
        "is_cut_short": found.is_cut_short,
        "took_ms": found.took_ms,
    }


def _group(group: Group) -> dict[str, Any]:
    return {"count": group.count, "interactions": [_seen(seen) for seen in group.seen]}


def _seen(seen: Seen) -> dict[str, Any]:
    evidence = seen.evidence.model_dump() if seen.evidence else None
    return {**asdict(seen), "evidence": evidence}
