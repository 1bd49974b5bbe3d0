"""Asks LLMs what was planned, in a thread of its own, so that local detection never waits.

A batch is claimed, asked (several calls at once), and its verdicts are kept with the end of its
jobs in one transaction. Answers are kept one by one as they come: after a crash they are found
again, and only calls that were under way are made, and paid for, a second time.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from phospho.detectors.llm.asking import Outcome, Pair, Question, ask
from phospho.detectors.llm.connecting import make_judge
from phospho.detectors.llm.judge import Judge
from phospho.errors import BudgetSpentError, LlmPausedError, MissingDependencyError
from phospho.models import EventDefinition, Turn
from phospho.plugins import Plugins
from phospho_server.clock import DAY_MS, HOUR_MS, day_of, now_ms
from phospho_server.detection import keep_verdicts
from phospho_server.judging import Verdicts, to_stored
from phospho_server.llm.ledger import StoreLedger
from phospho_server.llm.setup import Setup, Setups
from phospho_server.store import (
    Connection,
    Store,
    definitions,
    detections,
    jobs,
    llm,
    llm_jobs,
    llm_usage,
)
from phospho_server.store.rows import Job
from phospho_server.working import Worker

# Verdicts asked for at once, and all others about the same interactions: few enough that texts of
# the greatest length fit in memory, and that the first verdicts do not wait for long.
BATCH = 200

# After this no further call of a batch is begun: its lease of five minutes must not run out.
_BATCH_S = 60.0

# How long a judge that is away is left alone: doubled each time, up to five minutes.
_FIRST_REST_S = 2.0
_LONGEST_REST_S = 300.0


@dataclass
class _Asked:
    """What is known of a project's judge while the process runs."""

    setup: Setup
    judge: Judge
    failures: int = 0
    not_before_s: float = 0.0
    pruned_at_ms: int = 0

    @property
    def is_to_be_left_alone(self) -> bool:
        """Whether it was away a moment ago, or wants to be asked later."""
        return time.monotonic() < self.not_before_s or self.judge.caller.pace.wait_s > 0


@dataclass
class LlmWorker(Worker):
    """Works through what LLMs are to be asked.

    Args:
        store: Where jobs and interactions are.
        plugins: Whom to tell of events.
        setups: Which LLM each project asks.
    """

    store: Store
    plugins: Plugins
    setups: Setups
    name: ClassVar[str] = "LLM"
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _served: dict[str, float] = field(default_factory=dict)

    def run_once(self) -> int:
        """Ask about one batch of one project; return how many verdicts it was to give."""
        with self.store.read() as db:
            waiting = llm_jobs.list_projects(db)
        # One with much to ask, or a slow judge, must not keep the others waiting for ever.
        waiting.sort(key=lambda project_id: self._served.get(project_id, 0.0))
        for project_id in waiting:
            if done := self._ask_for(project_id):
                self._served[project_id] = time.monotonic()
                return done
        return 0

    def stop(self, timeout_s: float = 5.0) -> None:
        """Begin no further call; those under way are left, and made again by the next process."""
        super().stop(timeout_s)
        for asked in self._asked.values():
            asked.judge.close()

    def _ask_for(self, project_id: str) -> int:
        asked = self._find_judge(project_id)
        if asked is None or asked.is_to_be_left_alone:
            return 0
        with self.store.read() as db:
            spent = llm_usage.use_of_today(db, project_id)
        budget = asked.judge.caller.budget
        budget.set_spent(nanos=spent.cost_nanos, tokens=spent.tokens)
        claimed = self.store.write(lambda db: llm_jobs.claim(db, project_id, most=BATCH))
        if not claimed:
            return 0
        batch = self._load(project_id, claimed)
        until_s = time.monotonic() + _BATCH_S
        outcome = ask(
            asked.judge,
            batch.questions,
            lambda: self._stopping.is_set() or time.monotonic() > until_s,
        )
        self._note_trouble(asked, outcome)
        self.store.write(lambda db: self._finish(db, project_id, claimed, batch, outcome))
        self._prune(asked, project_id)
        return sum(job.size for job in claimed)

    def _find_judge(self, project_id: str) -> _Asked | None:
        """Return the judge of a project, made anew when its setup has changed."""
        with self.store.read() as db:
            setup = self.setups.find(db, project_id)
            is_paused = llm.find_pause(db, project_id) is not None
        if setup.endpoint is None or is_paused:
            return None
        asked = self._asked.get(project_id)
        if asked is None or asked.setup != setup:
            try:
                judge = make_judge(
                    setup.endpoint,
                    budget=setup.make_budget(),
                    ledger=StoreLedger(self.store, project_id),
                )
            except MissingDependencyError as exc:
                reason = str(exc)
                self.store.write(lambda db: llm.pause(db, project_id, reason))
                return None
            if asked is not None:
                asked.judge.close()
            asked = self._asked[project_id] = _Asked(setup, judge)
        return asked

    def _load(self, project_id: str, claimed: Sequence[Job]) -> _Batch:
        """Return what jobs ask, one question for each interaction."""
        wanted: dict[int, list[str]] = {}
        versions = {job.definition_id: job.payload["version"] for job in claimed}
        with self.store.read() as db:
            enabled = definitions.list_enabled(db, project_id)
            events = {e.id: e for e in enabled if versions.get(e.id) == e.version}
            for job in claimed:
                for row_id in job.payload["interaction_ids"]:
                    if job.definition_id in events:
                        wanted.setdefault(row_id, []).append(job.definition_id or "")
            turns = detections.load_turns(db, project_id, list(wanted))
        return _Batch(events, dict(turns), wanted)

    def _note_trouble(self, asked: _Asked, outcome: Outcome) -> None:
        """Leave a judge that is away alone for a while; a pause or a budget has its own end."""
        trouble = outcome.stopped_by
        if trouble is None or isinstance(trouble, BudgetSpentError | LlmPausedError):
            asked.failures = 0
            return
        asked.failures += 1
        rest_s = min(_LONGEST_REST_S, _FIRST_REST_S * 2.0 ** (asked.failures - 1))
        asked.not_before_s = time.monotonic() + rest_s

    def _finish(
        self,
        db: Connection,
        project_id: str,
        claimed: Sequence[Job],
        batch: _Batch,
        outcome: Outcome,
    ) -> None:
        """Keep verdicts and what is left to do, and pause where a person has to look at it."""
        if isinstance(outcome.stopped_by, LlmPausedError):
            llm.pause(db, project_id, str(outcome.stopped_by))
        for verdicts in batch.verdicts(outcome):
            keep_verdicts(db, self.plugins, project_id, verdicts)
            if verdicts.definition.detector == "llm":
                llm_usage.count_verdicts(
                    db, project_id, verdicts.definition.id, len(verdicts.found)
                )
        asked = batch.count(outcome.called)
        if asked:
            llm_usage.count_asked(db, project_id, asked)
        for job in claimed:
            _finish_job(db, job, batch, outcome)

    def _prune(self, asked: _Asked, project_id: str) -> None:
        if now_ms() - asked.pruned_at_ms > HOUR_MS:
            asked.pruned_at_ms = now_ms()
            self.store.write(lambda db: llm.forget_old_answers(db, project_id))


@dataclass(frozen=True)
class _Batch:
    """What was claimed.

    Args:
        events: The definitions that are still as they were, by id.
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
            if (task_id, event_id) in outcome.void and event.detector != "llm":
                continue
            stored = to_stored(detection, *rows[task_id])
            known = found.get(event_id) or Verdicts(event)
            found[event_id] = known.joined(Verdicts(event, [stored]))
        return list(found.values())

    def count(self, pairs: Collection[Pair]) -> dict[str, int]:
        """Return how many of some verdicts each event has."""
        counts: dict[str, int] = {}
        for _, event_id in pairs:
            counts[event_id] = counts.get(event_id, 0) + 1
        return counts


def _finish_job(db: Connection, job: Job, batch: _Batch, outcome: Outcome) -> None:
    """End a job, or leave in it what is still to be asked.

    Where another detector's verdict stands, an answer that cannot be used, or a budget that is
    spent, ends the matter.
    """
    event = batch.events.get(job.definition_id or "")
    if event is None:
        jobs.finish(db, job)
        return
    is_spent = isinstance(outcome.stopped_by, BudgetSpentError)
    ids: Sequence[int] = job.payload["interaction_ids"]
    pairs = {row_id: batch.pair(row_id, event.id) for row_id in ids}
    failed = [row_id for row_id in ids if pairs[row_id] in outcome.failed]
    unasked = [row_id for row_id in ids if pairs[row_id] in outcome.unasked]
    if event.detector != "llm":
        failed, unasked = [], [] if is_spent else unasked
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
