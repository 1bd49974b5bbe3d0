"""Interactions that match the filters of an existing client, as many as one answer has."""

from __future__ import annotations

from collections.abc import Iterator

from phospho_server.api.v2.filters import Wanted
from phospho_server.store import Connection, facts
from phospho_server.store.facts import EVENT, Fact
from phospho_server.store.interaction_pages import list_interaction_ids
from phospho_server.store.interactions import CHUNK, find_ids
from phospho_server.store.records import Record, list_ids_of_session, load_records

# Pages of an index that are looked at for one answer, each of some thousand rows at the most: what
# is so rare that it is not found among these has to be asked for by a fact, or by its ids.
MOST_PAGES = 100

# Interactions of a page of which all are wanted: as many as a client asks for, mostly.
_MOST_AT_ONCE = 1_000

# Interactions of named sessions that are looked at for one answer.
_MOST_OF_SESSIONS = 50_000


def list_records(
    db: Connection, project_id: str, wanted: Wanted, *, limit: int
) -> Iterator[Record]:
    """Yield the interactions that match, the newest first, at most `limit`."""
    if wanted.nothing or limit <= 0:
        return
    for ids in _candidates(db, project_id, wanted, limit):
        for record in load_records(db, project_id, ids):
            if wanted.matches(record):
                yield record
                limit -= 1
            if not limit:
                return


def _candidates(db: Connection, project_id: str, wanted: Wanted, limit: int) -> Iterator[list[int]]:
    """Yield row ids of interactions for which all holds but the checks, the newest first."""
    if wanted.task_ids is not None or wanted.session_ids is not None:
        yield from _candidates_by_id(db, project_id, wanted)
        return
    cursor: str | None = None
    size = CHUNK if wanted.checks else min(_MOST_AT_ONCE, limit)
    for _ in range(MOST_PAGES):
        ids, cursor = list_interaction_ids(db, project_id, wanted.filter, cursor=cursor, limit=size)
        yield ids
        if cursor is None:
            return


def _candidates_by_id(db: Connection, project_id: str, wanted: Wanted) -> Iterator[list[int]]:
    sets: list[set[int]] = []
    if wanted.task_ids is not None:
        sets.append(set(find_ids(db, project_id, wanted.task_ids).values()))
    if wanted.session_ids is not None:
        found: set[int] = set()
        for session_id in wanted.session_ids:
            if len(found) < _MOST_OF_SESSIONS:
                found.update(list_ids_of_session(db, project_id, session_id))
        sets.append(found)
    ids = sorted(set.intersection(*sets), reverse=True)
    for start in range(0, len(ids), CHUNK):
        yield _matching(db, project_id, wanted, ids[start : start + CHUNK])


def _matching(db: Connection, project_id: str, wanted: Wanted, ids: list[int]) -> list[int]:
    """Return those of some interactions for which the facts and the period hold."""
    true_of = facts.list_of_interactions(db, project_id, ids)
    found = []
    for record in load_records(db, project_id, [each for each in ids if each in true_of]):
        events = (Fact(EVENT, each.definition_id) for each in record.events)
        is_true = {*true_of[record.id], *events}
        is_within = (wanted.since_ms is None or record.created_at_ms >= wanted.since_ms) and (
            wanted.until_ms is None or record.created_at_ms < wanted.until_ms
        )
        if is_within and is_true.issuperset(wanted.has) and is_true.isdisjoint(wanted.lacks):
            found.append(record.id)
    return found
