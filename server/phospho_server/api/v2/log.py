"""`POST /v2/log/{project_id}`: batches of interactions, stored before the answer is sent."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue

from phospho_server.api.body import read_object
from phospho_server.clock import now_ms
from phospho_server.errors import BadRequestError, InvalidError, TooLargeError
from phospho_server.incoming import read_interaction
from phospho_server.limits import MAX_EVENTS
from phospho_server.security import (
    API_KEY,
    access,
    looking_again,
    require_key,
    require_project,
)
from phospho_server.services import services
from phospho_server.store.additions import Addition
from phospho_server.store.rows import NewInteraction
from phospho_server.watching import count_ingest

bp = Blueprint("log", __name__)


@bp.post("/log/<project_id>")
@access(API_KEY, looks_again=True)
def log(project_id: str) -> ResponseReturnValue:
    """Store a batch of interactions; the 2xx is sent after COMMIT.

    Body: `{"batched_log_events": [<interaction>, ...]}`. Answer: `{"logged_events": [...]}` with
    one entry for each, in order: `{"task_id", "session_id"}`, or `{"error_in_log"}` for one that
    cannot be kept, which hurts none of the others.
    """
    require_project(project_id)
    events = read_object().get("batched_log_events")
    if not isinstance(events, list):
        raise BadRequestError('The body needs a list: {"batched_log_events": [{"input": "..."}]}.')
    if len(events) > MAX_EVENTS:
        raise TooLargeError(
            f"The batch has {len(events):,} interactions; send at most {MAX_EVENTS:,} at a time."
        )
    received_at_ms = now_ms()
    interactions: list[NewInteraction] = []
    answers: list[dict[str, Any]] = []
    for event in events:
        try:
            interaction = read_interaction(event, received_at_ms=received_at_ms)
        except InvalidError as exc:
            answers.append({"error_in_log": str(exc)})
            continue
        interactions.append(interaction)
        answers.append({"task_id": interaction.task_id, "session_id": interaction.session_id})
    if interactions:
        with looking_again():
            stored = services().store.write(Addition(project_id, interactions, g.key.id))
        count_ingest(stored=stored, sent=len(interactions))
        services().on_new_work()
    else:
        require_key()
    count_ingest(invalid=len(events) - len(interactions))
    return jsonify(logged_events=answers)
