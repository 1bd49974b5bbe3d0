"""Asks LLMs what was planned, in a thread of its own, so that local detection never waits.

A batch is claimed, asked (several calls at once), and its verdicts are kept with the end of its
jobs in one transaction. Answers are kept one by one as they come: after a crash they are found
again, and only calls that were under way are made, and paid for, a second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phospho.detectors.llm.asking import Outcome, ask
from phospho.errors import BudgetSpentError, LlmPausedError, MissingDependencyError
from phospho.plugins import Plugins
from phospho_server.clock import HOUR_MS, day_of, now_ms
from phospho_server.judging import Verdicts
from phospho_server.keeping import keep_verdicts
from phospho_server.llm.agreeing import note_answers
from phospho_server.llm.batch import Batch, event_of, finish_job
from phospho_server.llm.calibrating import calibrate
from phospho_server.llm.catching_up import Late, finish_late, load_late
from phospho_server.llm.ledger import StoreLedger
from phospho_server.llm.setup import Setup, Setups
from phospho_server.store import (
    Connection,
    Store,
    definitions,
    llm,
    llm_jobs,
    llm_unasked,
    llm_usage,
)
from phospho_server.store.deleting import unless_gone
from phospho_server.store.llm import LlmSettings
from phospho_server.store.rows import Job
from phospho_server.store.turns import load_turns
from phospho_server.working import Worker

if TYPE_CHECKING:
    from phospho.detectors.llm.judge import Judge

# Verdicts asked for at once, and all others about the same interactions: few enough that texts of
# the greatest length fit in memory, and that the first verdicts do not wait for long.
BATCH = 200

# After this no further call of a batch is begun: its lease of five minutes must not run out.
_BATCH_S = 60.0

# How long a judge that is away is left alone: doubled each time, up to five minutes.
_FIRST_REST_S = 2.0
_LONGEST_REST_S = 300.0

# What could not be asked when it came about may use up so much of a day's budget: the rest is for
# what comes about today.
LATE_SHARE = 0.5


@dataclass
class _Asked:
    """What is known of a project's judge while the process runs; `held` is what Settings say."""

    setup: Setup
    judge: Judge
    held: LlmSettings | None
    failures: int = 0
    not_before_s: float = 0.0
    pruned_at_ms: int = 0
    # The day whose budget has nothing left for what is asked late.
    spent_day_ms: int = -1

    @property
    def is_to_be_left_alone(self) -> bool:
        """Whether it was away a moment ago, or wants to be asked later."""
        return time.monotonic() < self.not_before_s or self.judge.caller.pace.wait_s > 0


@dataclass(frozen=True)
class _Answers:
    """What came of asking.

    Args:
        batch: What was asked.
        outcome: What became of each question.
        verdicts: Those to keep, by event, with calibrated scores.
        model: Who has answered.
        held: What Settings said when it was asked.
    """

    batch: Batch
    outcome: Outcome
    verdicts: Sequence[Verdicts]
    model: str
    held: LlmSettings | None


@dataclass
class LlmWorker(Worker):
    """Works through what LLMs are to be asked.

    Args:
        store: Where jobs and interactions are.
        plugins: Whom to tell of events.
        setups: Which LLM each project asks.
        holder: The process in which it works, as `presence.py` speaks of it.
    """

    store: Store
    plugins: Plugins
    setups: Setups
    holder: str = ""
    name: ClassVar[str] = "LLM"
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _served: dict[str, float] = field(default_factory=dict)

    def run_once(self) -> int:
        """Ask about one batch of one project; return how many verdicts it was to give.

        What could not be asked when it came about is asked where nothing newer waits.
        """
        with self.store.read() as db:
            waiting = llm_jobs.list_projects(db)
            behind = llm_unasked.list_projects(db)
        return self._serve(waiting, self._ask_for) or self._serve(behind, self._catch_up)

    def _serve(self, project_ids: Sequence[str], ask_for: Callable[[str], int]) -> int:
        """Ask for the first project that can be; return for how many verdicts."""
        # One with much to ask, a slow judge or an error must not keep the others waiting for ever.
        for project_id in sorted(project_ids, key=lambda each: self._served.get(each, 0.0)):
            self._served[project_id] = time.monotonic()
            if done := ask_for(project_id):
                return done
        return 0

    def stop(self, timeout_s: float = 5.0) -> None:
        """Begin no further call; those under way are left, and made again by the next process."""
        super().stop(timeout_s)
        for asked in list(self._asked.values()):
            asked.judge.close()

    def _ask_for(self, project_id: str) -> int:
        asked = self._find_judge(project_id)
        if asked is None or asked.is_to_be_left_alone:
            return 0
        self._read_spent(asked, project_id)
        claimed = self.store.write(
            lambda db: llm_jobs.claim(db, project_id, most=BATCH, holder=self.holder)
        )
        if not claimed:
            return 0
        batch = self._load(project_id, claimed)
        answers = self._ask(asked, project_id, batch)
        self.store.write(
            unless_gone(project_id, lambda db: self._finish(db, project_id, claimed, answers))
        )
        self._prune(asked, project_id)
        return sum(job.size for job in claimed)

    def _catch_up(self, project_id: str) -> int:
        """Ask what could not be asked when it came about; return how many verdicts that ended."""
        with self.store.read() as db:
            if not self.setups.is_ready(db, project_id):
                return 0
        asked, today_ms = self._find_judge(project_id), day_of(now_ms())
        if asked is None or asked.is_to_be_left_alone or asked.spent_day_ms == today_ms:
            return 0
        if not self._read_spent(asked, project_id, share=LATE_SHARE):
            return 0
        with self.store.read() as db:
            late = load_late(db, project_id)
        answers = self._ask(asked, project_id, late.batch)
        if isinstance(answers.outcome.stopped_by, BudgetSpentError):
            asked.spent_day_ms = today_ms
        ended = self.store.write(
            unless_gone(project_id, lambda db: self._finish_late(db, project_id, late, answers))
        )
        return ended or 0

    def _read_spent(self, asked: _Asked, project_id: str, *, share: float = 1.0) -> bool:
        """Begin from what is spent today; tell whether a share of the budget is left."""
        budget = asked.judge.caller.budget
        with self.store.read() as db:
            asked.setup.read_spent(db, project_id, budget, share=share)
        return not budget.is_spent

    def _ask(self, asked: _Asked, project_id: str, batch: Batch) -> _Answers:
        """Ask, and begin no further call once somebody has changed where texts are sent to."""
        until_s = time.monotonic() + _BATCH_S

        def give_up() -> bool:
            if self._stopping.is_set() or time.monotonic() > until_s:
                return True
            with self.store.read() as db:
                return llm.find_settings(db, project_id) != asked.held

        outcome = ask(asked.judge, batch.questions, give_up)
        self._note_trouble(asked, outcome)
        with self.store.read() as db:
            verdicts = [calibrate(db, project_id, each) for each in batch.verdicts(outcome)]
        return _Answers(batch, outcome, verdicts, asked.judge.model, asked.held)

    def _find_judge(self, project_id: str) -> _Asked | None:
        """Return the judge of a project, made anew when its setup has changed."""
        with self.store.read() as db:
            setup = self.setups.find(db, project_id)
            held = llm.find_settings(db, project_id)
            is_paused = llm.find_pause(db, project_id) is not None
        if setup.endpoint is None or is_paused:
            return None
        asked = self._asked.get(project_id)
        if asked is None or asked.setup != setup:
            # What asks is loaded for the first project that has an LLM.
            from phospho.detectors.llm.connecting import make_judge

            try:
                judge = make_judge(
                    setup.endpoint,
                    budget=setup.make_budget(),
                    ledger=StoreLedger(self.store, project_id, is_shared=setup.is_shared),
                    http_client=setup.make_client(),
                )
            except MissingDependencyError as exc:
                reason = str(exc)
                self.store.write(
                    unless_gone(project_id, lambda db: llm.pause(db, project_id, reason))
                )
                return None
            if asked is not None:
                asked.judge.close()
            asked = self._asked[project_id] = _Asked(setup, judge, held)
        asked.held = held
        return asked

    def _load(self, project_id: str, claimed: Sequence[Job]) -> Batch:
        """Return what jobs ask of definitions that are as they were, by interaction."""
        wanted: dict[int, list[str]] = {}
        with self.store.read() as db:
            events = {event.id: event for event in definitions.list_enabled(db, project_id)}
            for job in claimed:
                if (event := event_of(job, events)) is not None:
                    for row_id in job.payload["interaction_ids"]:
                        wanted.setdefault(row_id, []).append(event.id)
            turns = load_turns(db, project_id, list(wanted))
        return Batch(events, dict(turns), wanted)

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
        self, db: Connection, project_id: str, claimed: Sequence[Job], answers: _Answers
    ) -> None:
        """Keep verdicts and what is left to do."""
        self._keep(db, project_id, answers)
        for job in claimed:
            finish_job(db, job, answers.batch, answers.outcome)

    def _finish_late(self, db: Connection, project_id: str, late: Late, answers: _Answers) -> int:
        self._keep(db, project_id, answers)
        return finish_late(db, project_id, late, answers.outcome)

    def _keep(self, db: Connection, project_id: str, answers: _Answers) -> None:
        """Keep verdicts, and pause where a person has to look at it."""
        batch, outcome = answers.batch, answers.outcome
        # What was refused under other settings says nothing of those that there are now.
        is_as_set = llm.find_settings(db, project_id) == answers.held
        if is_as_set and isinstance(outcome.stopped_by, LlmPausedError):
            llm.pause(db, project_id, str(outcome.stopped_by))
        for verdicts in answers.verdicts:
            event = verdicts.definition
            if event.detector == "llm":
                llm_usage.count_verdicts(db, project_id, event.id, len(verdicts.found))
            else:
                fresh = batch.fresh(verdicts, outcome)
                note_answers(db, project_id, event, fresh, model=answers.model)
            keep_verdicts(db, self.plugins, project_id, verdicts)
        asked = batch.count(outcome.called)
        if asked:
            llm_usage.count_asked(db, project_id, asked)

    def _prune(self, asked: _Asked, project_id: str) -> None:
        if now_ms() - asked.pruned_at_ms > HOUR_MS:
            asked.pruned_at_ms = now_ms()
            self.store.write(lambda db: llm.forget_old_answers(db, project_id))
