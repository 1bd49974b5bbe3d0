"""Plans what an LLM is asked: what `semantic` was not sure of, and events that name `llm`.

The local verdict is kept at once, in the same transaction as the job that asks the LLM; its
verdict takes the place of the local one when it is there. So a judge that is slow, or away, delays
nothing and costs nothing. Where there is none yet, or it is paused, what it would be asked is noted
(`catching_up.py`), unless nothing of the project is to be sent to any LLM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from phospho.detectors.auto import doubtful
from phospho.detectors.llm.detector import is_uncertain
from phospho_server.judging import Verdicts
from phospho_server.llm.agreeing import load_band
from phospho_server.store import Connection, llm, llm_jobs, llm_unasked, llm_usage

IsReady = Callable[[Connection, str], bool]
"""Tells whether a project's LLM can be asked now."""


def never_ready(_db: Connection, _project_id: str) -> bool:
    """Stand in where there is no LLM."""
    return False


def plan_questions(
    db: Connection, project_id: str, verdicts: Verdicts, *, is_ready: IsReady
) -> None:
    """Have an LLM asked about verdicts that are kept in this transaction, now or later."""
    event = verdicts.definition
    if verdicts.left_to_llm:
        _add(db, project_id, verdicts, verdicts.left_to_llm)
    elif verdicts.found and doubtful([event]):
        if is_ready(db, project_id):
            llm_usage.count_verdicts(db, project_id, event.id, len(verdicts.found))
            band = load_band(db, project_id, event)
            found = verdicts.found
            ids = [v.interaction_id for v in found if band.asks(v.score, v.interaction_id)]
            _add(db, project_id, verdicts, ids)
        elif not llm.is_off(db, project_id):
            ids = [v.interaction_id for v in verdicts.found if is_uncertain(event, v.score)]
            llm_unasked.note(db, project_id, ids, definition_id=event.id, version=event.version)


def _add(db: Connection, project_id: str, verdicts: Verdicts, ids: Sequence[int]) -> None:
    event = verdicts.definition
    llm_jobs.add(db, project_id, ids, definition_id=event.id, version=event.version)
