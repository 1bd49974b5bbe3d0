"""`/api/projects/{id}/erasures`: erase a user or a session for good, and read the receipts."""

from __future__ import annotations

import re

from flask import Blueprint
from pydantic import Field

from phospho.api import answers
from phospho.snapshot import MAX_ID_CHARS
from phospho_server import receipts
from phospho_server.api.resources.bodies import Body, read_body
from phospho_server.api.resources.definitions import who_calls
from phospho_server.api.resources.operations import Operation, operation
from phospho_server.api.resources.parameters import LIMIT, cursor_like, read_cursor, read_limit
from phospho_server.errors import InvalidError
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store import Connection, audit_log
from phospho_server.store import erasures as store
from phospho_server.store.erasures import Erasure, Kind

bp = Blueprint("api_erasures", __name__, url_prefix="/api/projects/<project_id>/erasures")

_CURSOR_LIKE = "era_[0-9a-z]{1,32}"
_CURSOR = cursor_like(f"^{_CURSOR_LIKE}$")


class ErasureAsked(Body):
    """Whose data is to go: one of the two.

    Args:
        user_id: All that this user said.
        session_id: This session.
    """

    user_id: str | None = Field(default=None, min_length=1, max_length=MAX_ID_CHARS)
    session_id: str | None = Field(default=None, min_length=1, max_length=MAX_ID_CHARS)


@bp.post("")
@access(API_KEY)
@operation(Operation(answers.Erasure, body=ErasureAsked, status=202, refusals=[404, 413, 415]))
def ask(project_id: str) -> answers.Erasure:
    """Have a user or a session erased for good; the receipt fills while that is done."""
    asked = read_body(ErasureAsked)
    kind, target = _target_of(asked)
    who = who_calls()

    def note(db: Connection) -> Erasure:
        erasure = store.ask(db, project_id, kind, target, who=who)
        action, what = receipts.to_audit(erasure)
        audit_log.record(db, project_id, who=who, action=action, what=what)
        return erasure

    erasure = services().store.write(note)
    services().on_new_work()
    return receipts.to_answer(erasure)


def _target_of(asked: ErasureAsked) -> tuple[Kind, str]:
    if asked.user_id is not None and asked.session_id is None:
        return "user", asked.user_id
    if asked.session_id is not None and asked.user_id is None:
        return "session", asked.session_id
    raise InvalidError("Give either 'user_id' or 'session_id'.")


@bp.get("")
@access(API_KEY)
@operation(Operation(answers.Page[answers.Erasure], [LIMIT, _CURSOR]))
def index(project_id: str) -> answers.Page[answers.Erasure]:
    """List the receipts, the newest first."""
    limit, before = read_limit(), read_cursor()
    if before is not None and not re.fullmatch(_CURSOR_LIKE, before):
        raise InvalidError("'cursor' is none of this list. Leave it out to begin again.")
    with services().store.read() as db:
        found = store.list_erasures(db, project_id, before=before, most=limit + 1)
    return answers.Page(
        data=[receipts.to_answer(each) for each in found[:limit]],
        next_cursor=found[limit - 1].id if len(found) > limit else None,
    )


@bp.get("/<erasure_id>")
@access(API_KEY)
@operation(Operation(answers.Erasure, refusals=[404]))
def show(project_id: str, erasure_id: str) -> answers.Erasure:
    """Read a receipt."""
    with services().store.read() as db:
        return receipts.to_answer(store.get_erasure(db, project_id, erasure_id))
