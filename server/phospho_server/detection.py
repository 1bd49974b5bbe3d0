"""Looks for events in what was stored, outside of any request.

A worker claims jobs, hands turns and definitions to the detectors (`judging.py`), and keeps the
verdicts and the end of the job in one transaction. So a crash at any moment leaves each
interaction either judged or still waiting, and doing a job twice changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from phospho.detectors import Detector
from phospho.detectors.auto import chosen
from phospho.models import EventDefinition
from phospho.plugins import Plugins
from phospho_server.alerts.plugins import tell_of_alert
from phospho_server.embedding import Embedding
from phospho_server.facts import facts_of, facts_told_by
from phospho_server.judging import Verdicts, Work, judge
from phospho_server.keeping import EVENT_HOOK, keep_verdicts
from phospho_server.llm.planning import IsReady, never_ready, plan_questions
from phospho_server.store import (
    Connection,
    Store,
    backfills,
    definitions,
    jobs,
    leases,
    message_facts,
    purging,
    vectors,
    versions,
)
from phospho_server.store.deleting import unless_gone
from phospho_server.store.events import load_events
from phospho_server.store.rows import Job
from phospho_server.store.turns import load_turns
from phospho_server.studying import Studies
from phospho_server.working import Worker

# Interactions claimed at once, few enough that new ones do not wait long behind the past.
BATCH = 200

# Interactions loaded and judged at once: enough for one embedding pass to pay, few enough that
# texts of the greatest length fit in memory.
_SLICE = 100

# While new interactions fill whole batches, what is not urgent waits for so long: the worker
# shares its process with whoever stores them.
_BUSY_S = 2.0
_URGENT = ("notify", "detect", "backfill")


@dataclass
class DetectionWorker(Worker):
    """Works through the jobs of a store, in a thread of its own or step by step.

    Args:
        store: Where jobs and interactions are.
        detectors: What decides about events, by name.
        plugins: Whom to tell of events.
        project_id: Work for this project alone; None for all.
        llm_is_ready: Whether a project has an LLM that uncertain verdicts go to.
        on_questions: Called after an LLM may have something to be asked.
        holder: The process in which it works, as `presence.py` speaks of it.
    """

    store: Store
    detectors: Mapping[str, Detector]
    plugins: Plugins
    project_id: str | None = None
    llm_is_ready: IsReady = never_ready
    on_questions: Callable[[], None] = lambda: None
    holder: str = ""
    name: ClassVar[str] = "detection"
    _studies: Studies = field(init=False)
    _embedding: Embedding = field(init=False)
    # What was claimed and could not be finished, for example on a full disk.
    _held: Sequence[Job] = ()
    _busy_until: float = 0.0

    def __post_init__(self) -> None:
        """Prepare what detectors learn from traffic, and what they keep of it."""
        self._studies = Studies(self.store, self.detectors)
        self._embedding = Embedding(self.store, self.detectors)

    def prepare(self) -> None:
        """Plan which facts to tell."""
        told = [fact.id for fact in facts_told_by(self.detectors)]
        self.store.write(lambda db: message_facts.plan_past(db, told))

    def forget(self) -> None:
        """Drop what was claimed: its lease runs out, and its attempts are counted."""
        self._held = ()

    def run_until_done(self, on_progress: Callable[[int], None] = lambda _: None) -> None:
        """Work in this thread until nothing is left that can be done now.

        Args:
            on_progress: Told the number of interactions of each batch that is done.
        """
        while done := self.run_once(leases.KINDS):
            on_progress(done)

    def run_once(self, kinds: Sequence[str] | None = None) -> int:
        """Do one batch of work; return how many interactions it had, 0 if nothing waits.

        When nothing waits, the vectors of past interactions are made.

        Args:
            kinds: The kinds of jobs to do, and nothing else; by default all, but only urgent ones
                while many interactions arrive.
        """
        self._is_ahead = False
        looked_for = kinds or (_URGENT if time.monotonic() < self._busy_until else leases.KINDS)
        claimed = self._held or self.store.write(
            lambda db: leases.claim(
                db, most=BATCH, kinds=looked_for, project_id=self.project_id, holder=self.holder
            )
        )
        if not claimed:
            return 0 if kinds or looked_for is _URGENT else self._embedding.run_once()
        self._held = claimed
        work = {
            "notify": self._notify,
            "detect": self._detect,
            "backfill": self._backfill,
            "purge": self._purge,
            "facts": self._tell_facts,
        }
        done = work[claimed[0].kind](claimed)
        self._held = ()
        self.on_questions()
        return done

    def _detect(self, claimed: Sequence[Job]) -> int:
        """Judge new interactions for all events, or for the one their jobs name."""
        first = claimed[0]
        ids = [n for job in claimed for n in job.payload["interaction_ids"]]
        with self.store.read() as db:
            enabled = definitions.list_enabled(db, first.project_id)
        enabled = self._studies.apply(first.project_id, enabled, is_new=True)
        wanted = [d for d in enabled if first.definition_id in {None, d.id}]
        if len(ids) >= BATCH:
            self._busy_until = time.monotonic() + _BUSY_S
        self._is_ahead = len(ids) < BATCH
        # What is looked at again for one event has its facts already.
        asked = facts_told_by(self.detectors) if first.definition_id is None else []
        names = [fact.id for fact in asked]
        # Where messages are read for events, their facts cost little more; else they can wait.
        verdicts = self._judge(first.project_id, ids, wanted, enabled, asked if wanted else [])
        told = facts_of({name: verdicts.pop(name) for name in names if name in verdicts})
        attempts = max(job.attempts for job in claimed)

        def finish(db: Connection) -> None:
            for changed in self._keep(db, first.project_id, verdicts.values(), attempts=attempts):
                # The newer version may be for new interactions only, which these are.
                jobs.add_detect(db, first.project_id, ids, definition_id=changed)
            message_facts.record(db, first.project_id, told)
            message_facts.note_kept(db, first.project_id, names)
            if names and not told:
                jobs.add_facts(db, first.project_id, names, ids)
            for job in claimed:
                jobs.finish(db, job)

        self.store.write(unless_gone(first.project_id, finish))
        return len(ids)

    def _backfill(self, claimed: Sequence[Job]) -> int:
        """Apply definitions to the next part of the past, the newest first."""
        first = claimed[0]
        with self.store.read() as db:
            enabled = definitions.list_enabled(db, first.project_id)
            ids, place = backfills.list_next_ids(db, first, limit=BATCH)
        enabled = self._studies.apply(first.project_id, enabled, is_new=False)
        asked = {job.definition_id: job.payload["version"] for job in claimed}
        wanted = [d for d in enabled if asked.get(d.id) == d.version]
        verdicts = self._judge(first.project_id, ids, wanted, enabled)

        def advance(db: Connection) -> None:
            for job in claimed:
                judged = verdicts.get(job.definition_id or "")
                if judged is None:
                    jobs.finish(db, job)
                    continue
                if judged.failed_ids and not judged.found:
                    jobs.fail(db, job, judged.reason)
                    continue
                self._keep(db, job.project_id, [judged], attempts=1)
                versions.note_reach(db, judged.definition, from_id=place)
                if place:
                    jobs.advance(db, job, before_id=place, done=len(ids))
                else:
                    jobs.finish(db, job)

        self.store.write(unless_gone(first.project_id, advance))
        return max(len(ids), 1)

    def _tell_facts(self, claimed: Sequence[Job]) -> int:
        """Tell facts of the interactions a job names, or of the next part of the past."""
        (job,) = claimed
        ids, place = job.payload.get("interaction_ids"), 0
        if ids is None:
            with self.store.read() as db:
                ids, place = backfills.list_next_ids(db, job, limit=BATCH)
        asked = [f for f in facts_told_by(self.detectors) if f.id in job.payload["facts"]]
        told = facts_of(self._judge(job.project_id, ids, asked=asked))

        def advance(db: Connection) -> None:
            message_facts.record(db, job.project_id, told)
            if place and asked:
                jobs.advance(db, job, before_id=place, done=len(ids))
            else:
                jobs.finish(db, job)

        self.store.write(unless_gone(job.project_id, advance))
        return max(len(ids), 1)

    def _purge(self, claimed: Sequence[Job]) -> int:
        """Remove some verdicts of an event that was deleted."""
        (job,) = claimed

        def advance(db: Connection) -> None:
            if place := purging.purge_part(db, job):
                jobs.advance(db, job, before_id=place, done=0)
            else:
                jobs.finish(db, job)

        self.store.write(unless_gone(job.project_id, advance))
        return 1

    def _judge(
        self,
        project_id: str,
        ids: Sequence[int],
        wanted: Sequence[EventDefinition] = (),
        context: Sequence[EventDefinition] = (),
        asked: Sequence[EventDefinition] = (),
    ) -> dict[str, Verdicts]:
        """Return the verdicts on interactions by definition id.

        Args:
            project_id: The project.
            ids: Rows of `interactions`.
            wanted: Definitions whose verdicts are returned.
            context: All that compete with them.
            asked: Facts whose answers are returned too.
        """
        verdicts = {definition.id: Verdicts(definition) for definition in (*wanted, *asked)}
        for start in range(0, len(ids) if verdicts else 0, _SLICE):
            with self.store.read() as db:
                turns = load_turns(db, project_id, ids[start : start + _SLICE])
                if any(chosen(definition) == "semantic" for definition in wanted):
                    turns = vectors.with_vectors(db, project_id, turns)
            # Facts come last: the vectors they need are there by then.
            for work in (Work(turns, wanted, context), Work(turns, asked, asked, are_facts=True)):
                for event_id, more in judge(self.detectors, work).items():
                    verdicts[event_id] = verdicts[event_id].joined(more)
        return verdicts

    def _keep(
        self, db: Connection, project_id: str, all_verdicts: Iterable[Verdicts], *, attempts: int
    ) -> list[str]:
        """Keep verdicts of definitions that are still as they were, and plan what follows.

        Plugins are told of new events, and what could not be judged is tried again later.

        Returns:
            The ids of definitions that have changed, of which nothing was kept.
        """
        changed = []
        for verdicts in all_verdicts:
            if not keep_verdicts(db, self.plugins, project_id, verdicts):
                changed.append(verdicts.definition.id)
                continue
            plan_questions(db, project_id, verdicts, is_ready=self.llm_is_ready)
            if verdicts.failed_ids:
                jobs.add_failed(
                    db,
                    project_id,
                    verdicts.failed_ids,
                    definition_id=verdicts.definition.id,
                    attempts=attempts,
                    reason=verdicts.reason,
                )
        return changed

    def _notify(self, claimed: Sequence[Job]) -> int:
        """Tell one plugin of events; keep those for later that it could not take."""
        (job,) = claimed
        if "alert_id" in job.payload:
            return tell_of_alert(self.store, self.plugins, job)
        with self.store.read() as db:
            events = load_events(
                db, job.project_id, job.definition_id or "", job.payload["interaction_ids"]
            )
        left: list[int] = []
        reason = ""
        for row_id, event, interaction, definition in events:
            problem = self.plugins.tell(
                job.payload["plugin"],
                EVENT_HOOK,
                event=event,
                interaction=interaction,
                definition=definition,
            )
            if problem is not None:
                left.append(row_id)
                reason = f"The plugin {job.payload['plugin']!r} failed: {problem}"

        def finish(db: Connection) -> None:
            if left:
                jobs.shrink(db, job, left)
                jobs.fail(db, job, reason)
            else:
                jobs.finish(db, job)

        self.store.write(unless_gone(job.project_id, finish))
        return job.size
