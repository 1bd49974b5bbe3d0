"""Asks an LLM about verdicts that it could not be asked about when they were given.

Each is asked about once, the newest first. A verdict that is no longer uncertain, or no longer the
one that stands, is not asked about at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho.detectors.auto import doubtful
from phospho.detectors.llm.asking import Outcome
from phospho.detectors.llm.band import Band
from phospho.models import EventDefinition
from phospho_server.llm.agreeing import load_band
from phospho_server.llm.batch import Batch
from phospho_server.store import Connection, definitions, llm_unasked, llm_usage
from phospho_server.store.llm_unasked import Unasked
from phospho_server.store.turns import load_turns

# Few enough that what is new does not wait for long.
_BATCH = 50


@dataclass(frozen=True)
class Late:
    """What is asked late, together.

    Args:
        batch: What is asked.
        waiting: All verdicts that were looked at.
    """

    batch: Batch
    waiting: Sequence[Unasked]


def load_late(db: Connection, project_id: str) -> Late:
    """Return what a project's LLM is asked next of what it could not be asked before."""
    waiting = llm_unasked.list_newest(db, project_id, most=_BATCH)
    enabled = {event.id: event for event in doubtful(definitions.list_enabled(db, project_id))}
    bands = {
        event_id: load_band(db, project_id, enabled[event_id])
        for event_id in {each.definition_id for each in waiting} & enabled.keys()
    }
    wanted: dict[int, list[str]] = {}
    for each in waiting:
        if _is_to_ask(each, enabled, bands):
            wanted.setdefault(each.interaction_id, []).append(each.definition_id)
    turns = load_turns(db, project_id, list(wanted))
    return Late(Batch(enabled, dict(turns), wanted), waiting)


def finish_late(db: Connection, project_id: str, late: Late, outcome: Outcome) -> int:
    """Forget what was asked, or need not be; return how many verdicts that were."""
    ended = [each for each in late.waiting if not _is_left(each, late.batch, outcome)]
    llm_unasked.remove(db, project_id, ended)
    fresh = Counter(
        each.definition_id
        for each in ended
        if not each.is_counted
        and late.batch.pair(each.interaction_id, each.definition_id) in outcome.called
    )
    for definition_id, number in fresh.items():
        llm_usage.count_verdicts(db, project_id, definition_id, number)
    return len(ended)


def _is_to_ask(
    each: Unasked, enabled: Mapping[str, EventDefinition], bands: Mapping[str, Band]
) -> bool:
    event = enabled.get(each.definition_id)
    return (
        event is not None
        and event.version == each.version
        and each.score is not None
        and bands[event.id].asks(each.score, each.interaction_id)
    )


def _is_left(each: Unasked, batch: Batch, outcome: Outcome) -> bool:
    is_asked = each.definition_id in batch.wanted.get(each.interaction_id, ())
    return is_asked and batch.pair(each.interaction_id, each.definition_id) in outcome.unasked
