"""What an LLM is asked together: the events of some interactions, and what became of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from phospho.detectors.llm.asking import Outcome, Pair, Question
from phospho.detectors.llm.confidence import claim_behind
from phospho.errors import BudgetSpentError
from phospho.models import EventDefinition, Turn
from phospho_server.clock import DAY_MS, day_of, now_ms
from phospho_server.judging import Verdicts, to_stored
from phospho_server.store import Connection, jobs, llm_jobs, llm_unasked
from phospho_server.store.rows import Job, StoredDetection


@dataclass(frozen=True)
class Batch:
    """What is asked together.

    Args:
        events: The definitions of the project that are looked for, by id.
        turns: The interactions by row id.
        wanted: The events to ask about for each row id.
    """

    events: Mapping[str, EventDefinition]
    turns: Mapping[int, Turn]
    wanted: Mapping[int, Sequence[str]]

    @property
    def questions(self) -> list[Question]:
        """One for each interaction."""
        return [
            Question(turn, [self.events[event_id] for event_id in dict.fromkeys(self.wanted[row])])
            for row, turn in self.turns.items()
        ]

    def pair(self, row_id: int, event_id: str) -> Pair | None:
        """Return how an outcome names a verdict; None where it was not asked for."""
        turn = self.turns.get(row_id)
        return None if turn is None else (turn.interaction.task_id, event_id)

    def verdicts(self, outcome: Outcome) -> list[Verdicts]:
        """Return the verdicts to keep: of what is not believed, another detector's stays."""
        found: dict[str, Verdicts] = {}
        rows = {turn.interaction.task_id: (row, turn) for row, turn in self.turns.items()}
        for (task_id, event_id), detection in outcome.found.items():
            event = self.events[event_id]
            is_void = (task_id, event_id) in outcome.void
            if is_void and event.detector != "llm":
                continue
            stored = to_stored(detection, *rows[task_id])
            if not is_void:
                stored = replace(stored, claimed=claim_behind(detection.score))
            known = found.get(event_id) or Verdicts(event)
            found[event_id] = known.joined(Verdicts(event, [stored]))
        return list(found.values())

    def fresh(self, verdicts: Verdicts, outcome: Outcome) -> list[StoredDetection]:
        """Return those of the verdicts on one event that calls were made for."""
        event_id = verdicts.definition.id
        return [
            v for v in verdicts.found if self.pair(v.interaction_id, event_id) in outcome.called
        ]

    def count(self, pairs: Collection[Pair]) -> dict[str, int]:
        """Return how many of some verdicts each event has."""
        counts: dict[str, int] = {}
        for _, event_id in pairs:
            counts[event_id] = counts.get(event_id, 0) + 1
        return counts


def event_of(job: Job, events: Mapping[str, EventDefinition]) -> EventDefinition | None:
    """Return the definition that a job is about, if it is as it was when the job was planned."""
    event = events.get(job.definition_id or "")
    return event if event is not None and event.version == job.payload["version"] else None


def finish_job(db: Connection, job: Job, batch: Batch, outcome: Outcome) -> None:
    """End a job, or leave in it what is still to be asked.

    Where another detector's verdict stands, an answer that cannot be used ends the matter, and
    what the budget of the day did not suffice for is asked later.
    """
    event = event_of(job, batch.events)
    if event is None:
        jobs.finish(db, job)
        return
    is_spent = isinstance(outcome.stopped_by, BudgetSpentError)
    ids: Sequence[int] = job.payload["interaction_ids"]
    pairs = {row_id: batch.pair(row_id, event.id) for row_id in ids}
    failed = [row_id for row_id in ids if pairs[row_id] in outcome.failed]
    unasked = [row_id for row_id in ids if pairs[row_id] in outcome.unasked]
    if event.detector != "llm":
        failed = []
        if is_spent:
            llm_unasked.note(
                db,
                job.project_id,
                unasked,
                definition_id=event.id,
                version=event.version,
                is_counted=True,
            )
            unasked = []
    if not failed and not unasked:
        jobs.finish(db, job)
        return
    jobs.shrink(db, job, sorted([*failed, *unasked]))
    if failed and not unasked:
        jobs.fail(db, job, outcome.failed[pairs[failed[0]] or ("", "")])
    else:
        midnight_ms = day_of(now_ms()) + DAY_MS if is_spent else None
        reason = str(outcome.stopped_by) if outcome.stopped_by and event.detector == "llm" else None
        llm_jobs.release(db, job, run_at_ms=midnight_ms, reason=reason)
