"""Ask detectors about interactions, so that one that fails costs its own verdicts only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho.detectors import Detector
from phospho.detectors.llm.detector import LlmDetector
from phospho.detectors.registry import find_detector, route, run_detector
from phospho.errors import DetectorCrashError, DetectorError
from phospho.models import Detection, EventDefinition, Turn
from phospho_server.store.rows import StoredDetection

Turns = Sequence[tuple[int, Turn]]
"""Turns, each with the id of its row of `interactions`."""

_Failed = dict[int, str]
"""Row ids of interactions that could not be judged, each with the reason."""


@dataclass(frozen=True)
class Work:
    """Interactions to judge, and the definitions whose verdicts are wanted.

    `context` holds every enabled definition: those of one detector may compete with each other,
    so it is told all of them each time, and gives the same verdict each time. Where they are facts,
    an answer may be that something cannot be told.
    """

    turns: Turns
    wanted: Sequence[EventDefinition]
    context: Sequence[EventDefinition]
    are_facts: bool = False


@dataclass(frozen=True)
class Verdicts:
    """What judging a batch gave for one definition.

    Args:
        definition: As it was when it was judged.
        found: One verdict for each interaction that could be judged.
        failed_ids: Row ids of those that could not.
        reason: Why not, of the first of them.
        left_to_llm: Row ids of those that an LLM alone decides about.
    """

    definition: EventDefinition
    found: Sequence[StoredDetection] = ()
    failed_ids: Sequence[int] = ()
    reason: str = ""
    left_to_llm: Sequence[int] = ()

    def joined(self, more: Verdicts) -> Verdicts:
        """Return these verdicts and those on further interactions."""
        return Verdicts(
            self.definition,
            [*self.found, *more.found],
            [*self.failed_ids, *more.failed_ids],
            self.reason or more.reason,
            [*self.left_to_llm, *more.left_to_llm],
        )


def judge(detectors: Mapping[str, Detector], work: Work) -> dict[str, Verdicts]:
    """Return verdicts by definition id, asking each detector once about all that name it.

    An LLM is slow and costs money: what is its own to decide is left to its worker.
    """
    wanted = {definition.id for definition in work.wanted}
    verdicts: dict[str, Verdicts] = {}
    for name, events in route(work.context).items():
        asked = [event for event in events if event.id in wanted]
        if not asked:
            continue
        if isinstance(detectors.get(name), LlmDetector):
            left = [row_id for row_id, _ in work.turns]
            verdicts |= {event.id: Verdicts(event, left_to_llm=left) for event in asked}
            continue
        rivals = [event for event in events if event.id not in wanted]
        found, failed = _ask_all(detectors, name, work, asked, rivals)
        for event in asked:
            verdicts[event.id] = _sort_out(event, work.turns, found, failed[event.id])
    return verdicts


def _ask_all(
    detectors: Mapping[str, Detector],
    name: str,
    work: Work,
    events: Sequence[EventDefinition],
    rivals: Sequence[EventDefinition],
) -> tuple[list[Detection], dict[str, _Failed]]:
    """Return verdicts, and what failed for each definition.

    What fails for all definitions together is tried for each alone: one may spoil the others.
    """
    try:
        detector = find_detector(name, detectors)
    except DetectorError as exc:
        return [], {event.id: {row_id: str(exc) for row_id, _ in work.turns} for event in events}
    settles = not work.are_facts
    found, failed = _ask(detector, work.turns, events, rivals, settles=settles)
    left = [(row_id, turn) for row_id, turn in work.turns if row_id in failed]
    if not left or len(events) + len(rivals) == 1:
        return found, {event.id: failed for event in events}
    failed_by_event = {}
    for event in events:
        more, failed_by_event[event.id] = _ask(detector, left, [event], [], settles=settles)
        found = found + more
    return found, failed_by_event


def _ask(
    detector: Detector,
    turns: Turns,
    events: Sequence[EventDefinition],
    rivals: Sequence[EventDefinition],
    *,
    settles: bool,
) -> tuple[list[Detection], _Failed]:
    """Return verdicts, and the reason for each interaction that has none.

    When a detector crashes over a batch it is halved, until what it crashes over stands alone.
    """
    try:
        batch = [turn for _, turn in turns]
        return run_detector(detector, batch, events, rivals=rivals, settles=settles), {}
    except DetectorCrashError as exc:
        if len(turns) == 1:
            return [], {turns[0][0]: str(exc)}
    except DetectorError as exc:
        return [], {row_id: str(exc) for row_id, _ in turns}
    middle = len(turns) // 2
    found, failed = _ask(detector, turns[:middle], events, rivals, settles=settles)
    more_found, more_failed = _ask(detector, turns[middle:], events, rivals, settles=settles)
    return found + more_found, failed | more_failed


def _sort_out(
    event: EventDefinition, turns: Turns, found: Sequence[Detection], failed: _Failed
) -> Verdicts:
    """Return what was found, and what was not, for one definition."""
    rows = {turn.interaction.task_id: (row_id, turn) for row_id, turn in turns}
    return Verdicts(
        definition=event,
        found=[to_stored(d, *rows[d.task_id]) for d in found if d.event_id == event.id],
        failed_ids=sorted(failed),
        reason=next(iter(failed.values()), ""),
    )


def to_stored(detection: Detection, row_id: int, turn: Turn) -> StoredDetection:
    """Return a verdict as the store keeps it."""
    return StoredDetection(
        interaction_id=row_id,
        session_id=turn.interaction.session_id,
        created_at_ms=turn.interaction.created_at_ms,
        detected=detection.detected,
        score=detection.score,
        detector=detection.detector,
        evidence=detection.evidence.model_dump_json() if detection.evidence else None,
        embedder=detection.embedder or None,
        value=None if detection.value is None else json.dumps(detection.value),
    )
