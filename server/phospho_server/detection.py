"""Looks for events in what was stored, outside of any request.

A worker claims jobs, hands turns and definitions to the detectors (`judging.py`), and keeps the
verdicts and the end of the job in one transaction. So a crash at any moment leaves each
interaction either judged or still waiting, and doing a job twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from phospho.detectors import Detector
from phospho.models import EventDefinition
from phospho.plugins import Plugins
from phospho_server.errors import NotFoundError
from phospho_server.judging import Verdicts, Work, judge
from phospho_server.llm.planning import IsReady, never_ready, plan_questions
from phospho_server.store import Connection, Store, definitions, detections, jobs
from phospho_server.store.rows import Job
from phospho_server.working import Worker

# Interactions claimed at once, few enough that new ones do not wait long behind the past.
BATCH = 200

# Interactions loaded and judged at once: enough for one embedding pass to pay, few enough that
# texts of the greatest length fit in memory.
_SLICE = 100

_HOOK = "phospho_event_detected"


@dataclass
class DetectionWorker(Worker):
    """Works through the jobs of a store, in a thread of its own or step by step.

    Args:
        store: Where jobs and interactions are.
        detectors: What decides about events, by name.
        plugins: Whom to tell of events.
        llm_is_ready: Whether a project has an LLM that uncertain verdicts go to.
        on_questions: Called after an LLM may have something to be asked.
    """

    store: Store
    detectors: Mapping[str, Detector]
    plugins: Plugins
    llm_is_ready: IsReady = never_ready
    on_questions: Callable[[], None] = lambda: None
    name: ClassVar[str] = "detection"
    # What was claimed and could not be finished, for example on a full disk.
    _held: Sequence[Job] = ()

    def start(self) -> None:
        """Take back what an earlier process left unfinished, and start the thread."""
        self.store.write(jobs.release_all)
        super().start()

    def forget(self) -> None:
        """Drop what was claimed: its lease runs out, and its attempts are counted."""
        self._held = ()

    def run_once(self) -> int:
        """Do one batch of work; return how many interactions it had, 0 if nothing waits."""
        claimed = self._held or self.store.write(lambda db: jobs.claim(db, most=BATCH))
        if not claimed:
            return 0
        self._held = claimed
        work = {"notify": self._notify, "detect": self._detect, "backfill": self._backfill}
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
        wanted = [d for d in enabled if first.definition_id in {None, d.id}]
        verdicts = self._judge(first.project_id, ids, wanted, enabled)
        attempts = max(job.attempts for job in claimed)

        def finish(db: Connection) -> None:
            self._keep(db, first.project_id, verdicts.values(), attempts=attempts)
            for job in claimed:
                jobs.finish(db, job)

        self.store.write(finish)
        return len(ids)

    def _backfill(self, claimed: Sequence[Job]) -> int:
        """Apply definitions to the next part of the past, the newest first."""
        first = claimed[0]
        with self.store.read() as db:
            enabled = definitions.list_enabled(db, first.project_id)
            ids, place = jobs.list_next_ids(db, first, limit=BATCH)
        versions = {job.definition_id: job.payload["version"] for job in claimed}
        wanted = [d for d in enabled if versions.get(d.id) == d.version]
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
                if place:
                    jobs.advance(db, job, before_id=place, done=len(ids))
                else:
                    jobs.finish(db, job)

        self.store.write(advance)
        return max(len(ids), 1)

    def _judge(
        self,
        project_id: str,
        ids: Sequence[int],
        wanted: Sequence[EventDefinition],
        context: Sequence[EventDefinition],
    ) -> dict[str, Verdicts]:
        """Return the verdicts on interactions by definition id, for every one that is wanted."""
        verdicts = {definition.id: Verdicts(definition) for definition in wanted}
        for start in range(0, len(ids), _SLICE):
            with self.store.read() as db:
                turns = detections.load_turns(db, project_id, ids[start : start + _SLICE])
            for event_id, more in judge(self.detectors, Work(turns, wanted, context)).items():
                verdicts[event_id] = verdicts[event_id].joined(more)
        return verdicts

    def _keep(
        self, db: Connection, project_id: str, all_verdicts: Iterable[Verdicts], *, attempts: int
    ) -> None:
        """Keep verdicts of definitions that are still as they were, and plan what follows.

        Plugins are told of new events, and what could not be judged is tried again later.
        """
        for verdicts in all_verdicts:
            if not keep_verdicts(db, self.plugins, project_id, verdicts):
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

    def _notify(self, claimed: Sequence[Job]) -> int:
        """Tell one plugin of events; keep those for later that it could not take."""
        (job,) = claimed
        with self.store.read() as db:
            events = detections.load_events(
                db, job.project_id, job.definition_id or "", job.payload["interaction_ids"]
            )
        left: list[int] = []
        reason = ""
        for row_id, event, interaction, definition in events:
            problem = self.plugins.tell(
                job.payload["plugin"],
                _HOOK,
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

        self.store.write(finish)
        return job.size


def keep_verdicts(db: Connection, plugins: Plugins, project_id: str, verdicts: Verdicts) -> bool:
    """Keep verdicts and have plugins told of new events, unless the definition has changed.

    Returns:
        Whether the definition is still as it was.
    """
    if not _is_current(db, project_id, verdicts.definition):
        return False
    new_events = detections.record(db, project_id, verdicts.definition, verdicts.found)
    if new_events:
        for plugin in plugins.implementers(_HOOK):
            jobs.add_notify(db, project_id, verdicts.definition.id, plugin, new_events)
    return True


def _is_current(db: Connection, project_id: str, definition: EventDefinition) -> bool:
    """Tell whether verdicts of this version may be kept; a newer one has its own job."""
    try:
        return (
            definitions.get_definition(db, project_id, definition.id).version == definition.version
        )
    except NotFoundError:
        return False
