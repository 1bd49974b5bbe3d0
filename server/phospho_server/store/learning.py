"""What detectors learn of a definition beside its words: people's reviews.

They are handed over with every call, so a click moves the next verdict of its event, and never
enters another definition.
"""

from __future__ import annotations

from collections.abc import Sequence

from phospho.models import EventDefinition, Review
from phospho_server.store import Connection
from phospho_server.store.review_values import read_value

# The newest say most about what people mean now, and a detector can compare with so many.
MOST_REVIEWS = 500

# The gist of a message stands in its beginning; a detector need not hold more of each.
MOST_CHARS = 4_000

_SELECT = """
select r.occurred, r.value, substr(i.input, 1, cast(:length as integer)) as input,
    substr(coalesce(i.output, ''), 1, cast(:length as integer)) as output, coalesce((
        select substr(b.output, 1, cast(:length as integer)) from interactions b
        where b.project_id = i.project_id and b.session_id = i.session_id
        and (b.created_at_ms, b.id) < (i.created_at_ms, i.id)
        order by b.created_at_ms desc, b.id desc limit 1
    ), '') as before
from (select id, interaction_id, occurred, value, created_at_ms from reviews
    where project_id = :project_id and definition_id = :definition_id and undone_at_ms is null
    order by created_at_ms desc, id desc limit :limit) r
join interactions i on i.id = r.interaction_id
order by r.created_at_ms, r.id
"""


def with_reviews(
    db: Connection, project_id: str, definitions: Sequence[EventDefinition]
) -> list[EventDefinition]:
    """Return definitions that carry what people said of each: the newest 500, newest last."""
    return [
        definition.model_copy(update={"reviews": load_reviews(db, project_id, definition.id)})
        for definition in definitions
    ]


def load_reviews(db: Connection, project_id: str, definition_id: str) -> tuple[Review, ...]:
    """Return the reviews of one definition that stand, with the texts they are about."""
    rows = db.rows(
        _SELECT,
        {
            "project_id": project_id,
            "definition_id": definition_id,
            "limit": MOST_REVIEWS,
            "length": MOST_CHARS,
        },
    )
    return tuple(
        Review(
            input=row["input"],
            output=row["output"],
            before=row["before"],
            occurred=bool(row["occurred"]),
            value=read_value(row["value"]),
        )
        for row in rows
    )
