"""Interactions as a list: which match, a page at a time, and what a line says of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phospho.models import Flag
from phospho_server.store import Connection, cursors, in_list, interaction_days, search
from phospho_server.store.events import list_events
from phospho_server.store.facts import EVENT, KnownFact
from phospho_server.store.filters import Asked, Filter, resolve
from phospho_server.store.rows import Event
from phospho_server.store.walking import MOST_CANDIDATES, Way, walk

PAGE_SIZE = 50

# A line shows the beginning of a message, or what is around a word that was searched for.
_MOST_CHARS = 4_000

# A message is never longer.
WHOLE = 10**9

# Neighbours in their sessions that are counted for one page, to know the places of candidates.
_MOST_COUNTED = 20_000

# More than any row id.
_BEYOND = 2**62

# Whether a list goes downwards, by the order of arrival.
SORTS = {"newest": True, "oldest": False}


@dataclass(frozen=True)
class InteractionRow:
    """One line of the interactions list; `input` and `output` may be cut."""

    id: int
    task_id: str
    session_id: str
    created_at_ms: int
    input: str
    output: str | None
    user_id: str | None
    version_id: str | None
    flag: Flag | None
    notes: str | None
    language: str | None
    sentiment: float | None
    tokens: int | None
    metadata: Mapping[str, Any]
    events: Sequence[Event] = ()


@dataclass(frozen=True)
class InteractionPage:
    """One page of interactions; `next_cursor` continues it."""

    interactions: Sequence[InteractionRow]
    next_cursor: str | None


def list_interactions(
    db: Connection,
    project_id: str,
    wanted: Filter | None = None,
    *,
    sort: str = "newest",
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
    most_chars: int = _MOST_CHARS,
) -> InteractionPage:
    """Return the interactions that match, by default those that arrived last first.

    Args:
        db: A connection.
        project_id: The project.
        wanted: What must hold of an interaction.
        sort: One of `SORTS`; with words asked for, the newest come first.
        cursor: `next_cursor` of the page before.
        limit: Interactions a page. There may be fewer, and none, with more to come: a page looks
            at some thousands only.
        most_chars: Of each message.

    Raises:
        InvalidError: The cursor is not one of ours.
    """
    ids, next_cursor = list_interaction_ids(
        db, project_id, wanted, sort=sort, cursor=cursor, limit=limit
    )
    return InteractionPage(_load(db, project_id, ids, most_chars), next_cursor)


def list_interaction_ids(
    db: Connection,
    project_id: str,
    wanted: Filter | None = None,
    *,
    sort: str = "newest",
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> tuple[list[int], str | None]:
    """Return the row ids of a page of interactions, and the cursor that continues it.

    Takes what `list_interactions` takes, and raises what it does.
    """
    wanted = wanted or Filter()
    place = cursors.read(cursor).row if cursor is not None else None
    asked = resolve(db, project_id, wanted, by="interactions")
    if asked is None:
        return [], None
    if wanted.text:
        ids, next_id = _find_by_text(db, project_id, wanted, asked, place, limit)
    else:
        ids, next_id = _walk(db, project_id, wanted, asked, SORTS[sort], place, limit)
    return ids, None if next_id is None else cursors.write(cursors.of([next_id]))


# By fact, by event, or all there are: the way, the id on it, and the part of it that is meant.
_OF_FACT = ("interaction_facts l", "l.interaction_id", "l.fact_id = :lead")
_OF_EVENT = (
    "detections l",
    "l.interaction_id",
    "l.project_id = :project_id and l.definition_id = :lead and l.detected = 1",
)
_ALL = ("interactions i", "i.id", "i.project_id = :project_id")


def _walk(
    db: Connection,
    project_id: str,
    wanted: Filter,
    asked: Asked,
    is_down: bool,
    place: int | None,
    limit: int,
) -> tuple[list[int], int | None]:
    """Return a page of ids, and the last that was looked at where there may be more."""
    params: dict[str, object] = {"project_id": project_id}
    source, row, mine = _ALL
    if asked.lead:
        is_event = asked.lead.fact.name == EVENT
        source, row, mine = _OF_EVENT if is_event else _OF_FACT
        params["lead"] = asked.lead.fact.value if is_event else asked.lead.id
    where = [mine]
    if wanted.since_ms is not None or wanted.until_ms is not None:
        period = interaction_days.find_range(
            db, project_id, since_ms=wanted.since_ms, until_ms=wanted.until_ms
        )
        if period is None:
            return [], None
        params |= {"first_id": period[0], "last_id": period[1]}
        where.append(f"{row} >= :first_id and {row} <= :last_id")
    if place is None:
        # Bounded on one side, SQLite takes the index of the events.
        place = _BEYOND if is_down else 0
    rows, next_place = walk(
        db,
        Way(source, [row], is_down, where, params),
        columns=f"{row} as id",
        conditions=_conditions(wanted, asked, row, params),
        place=[place],
        limit=limit,
        most_candidates=_most_candidates(wanted),
    )
    return [row_id for (row_id,) in rows], next_place[0] if next_place else None


def _find_by_text(
    db: Connection, project_id: str, wanted: Filter, asked: Asked, place: int | None, limit: int
) -> tuple[list[int], int | None]:
    """Return a page of ids, and the last that was looked at where there may be more."""
    matches = search.list_matches(db, project_id, wanted.text or "", before_id=place)
    text, params = in_list("m", [match.interaction_id for match in matches.found])
    params |= {"project_id": project_id, "limit": limit + 1}
    asked = asked.without_lead()
    where = [_ALL[2], f"i.id {text}", *_conditions(wanted, asked, "i.id", params)]
    rows = db.rows(
        f"select i.id from interactions i where {' and '.join(where)} "
        "order by i.id desc limit :limit",
        params,
    )
    ids = [each["id"] for each in rows[:limit]]
    if len(rows) > limit:
        return ids, ids[-1]
    return ids, matches.next_before_id


def _conditions(wanted: Filter, asked: Asked, row: str, params: dict[str, object]) -> list[str]:
    """Return what has to hold of an interaction besides its place in the list."""
    conditions = [
        *(f"exists ({each})" for each in _lookups("has", asked.has, row, params)),
        *(f"not exists ({each})" for each in _lookups("lacks", asked.lacks, row, params)),
    ]
    within = []
    if wanted.since_ms is not None:
        within.append("p.created_at_ms >= :since_ms")
    if wanted.until_ms is not None:
        within.append("p.created_at_ms < :until_ms")
    if within:
        params |= {"since_ms": wanted.since_ms, "until_ms": wanted.until_ms}
        conditions.append(
            f"exists (select 1 from interactions p where p.id = {row} and {' and '.join(within)})"
        )
    return conditions + _find_place(wanted, row, params)


_BEFORE_IT = """
select 1 from interactions before where before.project_id = m.project_id
    and before.session_id = m.session_id
    and (before.created_at_ms, before.id) < (m.created_at_ms, m.id) limit :counted
"""


def _find_place(wanted: Filter, row: str, params: dict[str, object]) -> list[str]:
    """Return what its place in the session has to be, found by counting those before it."""
    counted = wanted.latest or wanted.earliest
    if counted is None:
        return []
    params |= {"counted": counted, "earliest": wanted.earliest or 1, "latest": wanted.latest}
    place = f"1 + (select count(*) from ({_BEFORE_IT}))"
    is_up_to = "" if wanted.latest is None else f" and {place} <= :latest"
    within = f"m.id = {row} and {place} >= :earliest{is_up_to}"
    return [f"exists (select 1 from interactions m where {within})"]


def _most_candidates(wanted: Filter) -> int:
    counted = wanted.latest or wanted.earliest or 1
    return max(1, min(MOST_CANDIDATES, _MOST_COUNTED // counted))


def _lookups(
    name: str, facts: Sequence[KnownFact], row: str, params: dict[str, object]
) -> list[str]:
    lookups = []
    for number, known in enumerate(facts):
        key = f"{name}_{number}"
        if known.fact.name == EVENT:
            params[key] = known.fact.value
            # As a range, it is looked up among the events of one definition, which lie close
            # together, and not among all verdicts: a fifth of the time.
            lookups.append(
                "select 1 from detections d where d.project_id = :project_id "
                f"and d.definition_id = :{key} and d.interaction_id between {row} and {row} "
                "and d.detected = 1"
            )
        else:
            params[key] = known.id
            lookups.append(
                "select 1 from interaction_facts f "
                f"where f.fact_id = :{key} and f.interaction_id = {row}"
            )
    return lookups


def _load(
    db: Connection, project_id: str, ids: Sequence[int], most_chars: int
) -> list[InteractionRow]:
    """Return interactions in the order of their ids as given."""
    text, params = in_list("i", ids)
    rows = db.rows(
        "select id, task_id, session_id, created_at_ms, "
        "substr(input, 1, cast(:most as integer)) as input, "
        "substr(output, 1, cast(:most as integer)) as output, "
        "user_id, version_id, flag, notes, language, sentiment, tokens, metadata from interactions "
        f"where project_id = :project_id and id {text}",
        {"project_id": project_id, "most": most_chars, **params},
    )
    events = list_events(db, project_id, ids)
    found = {row["id"]: dict(row) for row in rows}
    for columns in found.values():
        columns["metadata"] = json.loads(columns["metadata"] or "{}")
    return [InteractionRow(**found[each], events=events.get(each, ())) for each in ids]
