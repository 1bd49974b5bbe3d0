"""Looks for events in what was stored, outside of any request.

A worker claims jobs, hands turns and definitions to the detectors (`judging.py`), and keeps the
verdicts and the end of the job in one transaction. So a crash at any moment leaves each
interaction either judged or still waiting, and doing a job twice changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from phospho.detectors import Detector
from phospho.models import EventDefinition
from phospho.plugins import Plugins
from phospho_server.errors import NotFoundError, ServerError
from phospho_server.judging import Verdicts, Work, judge
from phospho_server.store import Connection, Store, definitions, detections, jobs, versions
from phospho_server.store.rows import Job

logger = logging.getLogger("phospho_server")

# Interactions claimed at once, few enough that new ones do not wait long behind the past.
BATCH = 200

# Interactions loaded and judged at once: enough for one embedding pass to pay, few enough that
# texts of the greatest length fit in memory.
_SLICE = 100

# How long the worker sleeps when nothing waits; other processes may add work without waking it.
_IDLE_S = 1.0

# Pause after the database refused the worker, for example on a full disk.
_TROUBLE_S = 5.0

_HOOK = "phospho_event_detected"


@dataclass
class DetectionWorker:
    """Works through the jobs of a store, in a thread of its own or step by step.

    Args:
        store: Where jobs and interactions are.
        detectors: What decides about events, by name.
        plugins: Whom to tell of events.
        project_id: Work for this project alone; None for all.
    """

    store: Store
    detectors: Mapping[str, Detector]
    plugins: Plugins
    project_id: str | None = None
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    # What was claimed and could not be finished, for example on a full disk.
    _held: Sequence[Job] = ()

    def start(self) -> None:
        """Take back what an earlier process left unfinished, and start the thread."""
        self.store.write(jobs.release_all)
        self._thread = threading.Thread(target=self._run, name="phospho-detection", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Tell the worker that there is something to do."""
        self._wake.set()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the batch at hand; what is not done stays in the database."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def run_until_done(self, on_progress: Callable[[int], None] = lambda _: None) -> None:
        """Work in this thread until nothing is left that can be done now.

        Args:
            on_progress: Told the number of interactions of each batch that is done.
        """
        while done := self.run_once():
            on_progress(done)

    def run_once(self) -> int:
        """Do one batch of work; return how many interactions it had, 0 if nothing waits."""
        claimed = self._held or self.store.write(
            lambda db: jobs.claim(db, most=BATCH, project_id=self.project_id)
        )
        if not claimed:
            return 0
        self._held = claimed
        work = {"notify": self._notify, "detect": self._detect, "backfill": self._backfill}
        done = work[claimed[0].kind](claimed)
        self._held = ()
        return done

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                if not self.run_once():
                    self._wake.wait(_IDLE_S)
            except ServerError as exc:
                logger.warning("Detection waits: %s", exc)
                self._stopping.wait(_TROUBLE_S)
            except Exception:
                # Their lease runs out, and their attempts are counted.
                self._held = ()
                logger.exception("Detection met an unexpected error; it goes on")
                self._stopping.wait(_TROUBLE_S)

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
            if not _is_current(db, project_id, verdicts.definition):
                continue
            new_events = detections.record(db, project_id, verdicts.definition, verdicts.found)
            if new_events:
                for plugin in self.plugins.implementers(_HOOK):
                    jobs.add_notify(db, project_id, verdicts.definition.id, plugin, new_events)
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


def _is_current(db: Connection, project_id: str, definition: EventDefinition) -> bool:
    """Tell whether verdicts of this version may be kept; a newer one has its own job."""
    try:
        return (
            definitions.get_definition(db, project_id, definition.id).version == definition.version
        )
    except NotFoundError:
        return False
