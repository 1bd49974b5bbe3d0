"""The interactions that traces became: added, amended when more of a trace comes, or taken back."""

from __future__ import annotations

from collections.abc import Sequence

from phospho_server.store import Connection, erasing, spans
from phospho_server.store.amending import amend_interaction
from phospho_server.store.interactions import add_interactions, find_ids
from phospho_server.store.rows import NewInteraction
from phospho_server.store.spans import Trace


def keep_turns(db: Connection, trace: Trace, found: Sequence[NewInteraction]) -> int:
    """Let the interactions of a trace be those found in it; return how many are new.

    An interaction that came another way under the same id stays as it is.

    Args:
        db: A connection in a write transaction, in which the project is still there.
        trace: As it was when its spans were read.
        found: Its interactions, as far as its spans tell.
    """
    if not spans.is_open(db, trace):
        return 0
    project_id = trace.project_id
    ours = set(spans.list_turns(db, project_id, trace.trace_id))
    gone = sorted(ours - {each.task_id for each in found})
    if gone:
        spans.forget_turns(db, project_id, gone)
        ids = find_ids(db, project_id, gone)
        erasing.remove_interactions(db, project_id, sorted(ids.values()), keep_numbers=False)
    for each in found:
        if each.task_id in ours:
            amend_interaction(db, project_id, each.task_id, each)
    known = find_ids(db, project_id, [each.task_id for each in found])
    new = [each for each in found if each.task_id not in known]
    spans.note_turns(db, project_id, trace.trace_id, [each.task_id for each in new])
    added = add_interactions(db, project_id, new)
    spans.settle(db, trace)
    return added
