"""`/v3/export`: figures and users, as existing clients ask for them."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from phospho_server.api.v2.fields import project_of, read_body, read_limit, read_text_field
from phospho_server.api.v2.filters import read_filters
from phospho_server.api.v2.listing import MOST_PAGES, list_records
from phospho_server.api.v2.shapes import Json
from phospho_server.api.v3.pivot import MOST, has_roll_up, pivot, pivot_by_time
from phospho_server.errors import InvalidError
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store.users import UserRow, list_users

# Users read by one statement.
_AT_ONCE = 200

bp = Blueprint("v3_export", __name__)


@bp.post("/export/analytics")
@access(API_KEY)
def analytics() -> ResponseReturnValue:
    """Answer with a figure by what interactions have in common.

    Body: `{"project_id", "metric", "metric_metadata", "breakdown_by", "filters"}`. Answer:
    `{"pivot_table": [{"breakdown_by": "2026-11-20", "metric": 12}]}`.
    """
    body = read_body()
    project_id = project_of(body)
    metric, of_metadata, breakdown_by = (
        read_text_field(body, name) for name in ("metric", "metric_metadata", "breakdown_by")
    )
    metric = (metric or "").lower()
    # The old dashboard sends the word.
    breakdown_by = None if breakdown_by in {None, "None"} else breakdown_by
    with services().store.read() as db:
        wanted = read_filters(db, project_id, body)
        if breakdown_by is not None and has_roll_up(metric, breakdown_by, wanted):
            rows = pivot_by_time(db, project_id, metric, breakdown_by, wanted)
        else:
            records = list_records(db, project_id, wanted, limit=MOST + 1)
            rows = pivot(records, metric, of_metadata=of_metadata, breakdown_by=breakdown_by)
    return jsonify(pivot_table=rows)


@bp.post("/export/projects/<project_id>/users")
@access(API_KEY)
def users(project_id: str) -> ResponseReturnValue:
    """Answer with the users who came last, at most as many as `limit` says.

    Body: `{"filters", "user_id_search", "limit"}`; the search is for how an id begins.
    """
    body = read_body()
    limit, starts_with = read_limit(body), read_text_field(body, "user_id_search") or ""
    found: list[UserRow] = []
    with services().store.read() as db:
        wanted = read_filters(db, project_id, body)
        if wanted.is_of_one:
            raise InvalidError(
                "A list of users takes no filter of single interactions, such as tasks_ids or "
                "task_position. Ask for tasks instead, which name their user."
            )
        cursor: str | None = None
        for _ in range(0 if wanted.nothing else MOST_PAGES):
            page = list_users(
                db,
                project_id,
                wanted.filter,
                starts_with=starts_with,
                cursor=cursor,
                limit=min(_AT_ONCE, limit - len(found)),
            )
            found += page.users
            cursor = page.next_cursor
            if cursor is None or len(found) >= limit:
                break
    return jsonify(users=[_user(each) for each in found])


def _user(row: UserRow) -> Json:
    return {
        "user_id": row.user_id,
        "nb_tasks": row.interactions,
        "nb_sessions": row.sessions,
        "avg_session_length": row.interactions / row.sessions if row.sessions else None,
        "total_tokens": row.tokens,
        "first_message_ts": row.first_at_ms // 1000,
        "last_message_ts": row.last_at_ms // 1000,
    }
