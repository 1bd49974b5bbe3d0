"""`POST /v3/log`: whole conversations, from programs in any language."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from phospho_server.api.body import read_object
from phospho_server.api.v2.fields import project_of
from phospho_server.clock import now_ms
from phospho_server.conversations import read_conversation
from phospho_server.errors import BadRequestError, InvalidError, TooLargeError
from phospho_server.limits import MAX_EVENTS
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store import Connection
from phospho_server.store.merging import Conversation, merge_conversation
from phospho_server.watching import count_ingest

bp = Blueprint("v3_log", __name__)

# Conversations of one transaction: whoever logs meanwhile waits as long as these take.
_AT_ONCE = 50


@bp.post("/log")
@access(API_KEY)
def log() -> ResponseReturnValue:
    """Store conversations; the 2xx is sent after COMMIT, and sending them again changes nothing.

    Body: `{"project_id", "batched_log_events": [{"session_id", "messages": [{"role", "content"}],
    "merge_mode": "resolve", "append" or "replace", "created_at", "metadata", "version_id",
    "user_id", "flag"}]}`. Answer: `{"logged_events": [...]}` with one entry for each, in order:
    its `session_id`, or `error_in_log` for one that cannot be kept, which hurts none of the others.
    """
    body = read_object()
    project_id = project_of(body)
    events = body.get("batched_log_events")
    if not isinstance(events, list):
        raise BadRequestError(
            'The body needs a list: {"batched_log_events": [{"session_id": "...", '
            '"messages": [{"role": "user", "content": "Hi"}]}]}.'
        )
    if len(events) > MAX_EVENTS:
        raise TooLargeError(
            f"The batch has {len(events):,} conversations; send at most {MAX_EVENTS:,} at a time."
        )
    answers: list[dict[str, Any]] = []
    for start in range(0, len(events), _AT_ONCE):
        answers += _keep(project_id, events[start : start + _AT_ONCE])
    services().on_new_work()
    return jsonify(logged_events=answers)


def _keep(project_id: str, events: Sequence[object]) -> list[dict[str, Any]]:
    """Store some conversations and return the answer to each."""
    received_at_ms = now_ms()
    read = [_read(event, received_at_ms) for event in events]
    good = [each for each in read if isinstance(each, Conversation)]
    if good:
        stored = services().store.write(partial(_merge, project_id=project_id, conversations=good))
        count_ingest(stored=stored, sent=sum(len(each.interactions) for each in good))
    count_ingest(invalid=len(read) - len(good))
    return [
        {"session_id": each.session_id}
        if isinstance(each, Conversation)
        else {"error_in_log": str(each)}
        for each in read
    ]


def _read(event: object, received_at_ms: int) -> Conversation | InvalidError:
    try:
        return read_conversation(event, received_at_ms=received_at_ms)
    except InvalidError as exc:
        return exc


def _merge(db: Connection, *, project_id: str, conversations: Sequence[Conversation]) -> int:
    return sum(merge_conversation(db, project_id, each) for each in conversations)
