"""What a detector said of a suite, next to the labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from phospho.detectors import Detector
from phospho.models import EventDefinition, Evidence
from phospho_server.evaluating.measures import Outcome
from phospho_server.evaluating.suites import Suite
from phospho_server.judging_files import judge_all


class Verdict(NamedTuple):
    """What a detector said of one interaction and one event; `score` may be missing in a file."""

    detected: bool = False
    score: float | None = None
    evidence: Evidence | None = None


Verdicts = Mapping[tuple[str, str], Verdict]
"""By id of the interaction and of the definition."""


@dataclass(frozen=True)
class Pair(Outcome):
    """The outcome for one interaction and one event, and where it comes from."""

    task_id: str
    session_id: str
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Judged:
    """A suite and its verdicts.

    Args:
        suite: What was judged.
        pairs: The pairs that count, by name of event, in the order of the interactions.
        cpu_s: CPU seconds that judging took, the model's loading left out; 0 where nothing was run.
        embedders: Ids of the embedders that scores were computed with.
    """

    suite: Suite
    pairs: Mapping[str, Sequence[Pair]]
    cpu_s: float = 0.0
    embedders: frozenset[str] = frozenset()

    def only(self, counts: Callable[[str, Pair], bool]) -> Judged:
        """Return the verdicts with those pairs that `counts`, given the event's name and a pair."""
        kept = {
            name: [pair for pair in pairs if counts(name, pair)]
            for name, pairs in self.pairs.items()
        }
        return replace(self, pairs=kept)


def judge_suite(
    suite: Suite,
    detectors: Mapping[str, Detector],
    *,
    detector: str | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Judged:
    """Judge a suite.

    Args:
        suite: As `Suite.with_examples` leaves it.
        detectors: All detectors by name.
        detector: Name of the detector that decides about every event, instead of its own.
        on_progress: Called with the number of interactions done so far, after each batch.

    Raises:
        DetectorError: When a detector is unknown or fails.
    """
    definitions = [_decided_by(definition, detector) for definition in suite.definitions]
    # What loads a model, and reads definitions, is done once in a process that lives for weeks.
    for _ in judge_all(suite.turns[:1], definitions, detectors):
        pass
    started = time.process_time()
    verdicts: dict[tuple[str, str], Verdict] = {}
    embedders: set[str] = set()
    for found in judge_all(suite.turns, definitions, detectors, on_progress=on_progress):
        key = (found.task_id, found.event_id)
        verdicts[key] = Verdict(found.detected, found.score, found.evidence)
        embedders.add(found.embedder)
    cpu_s = time.process_time() - started
    return Judged(suite, pair_up(suite, verdicts), cpu_s, frozenset(embedders - {""}))


def pair_up(suite: Suite, verdicts: Verdicts) -> dict[str, list[Pair]]:
    """Set verdicts next to labels; a verdict that is missing is a no without a score.

    Events without any label are left out.
    """
    pairs: dict[str, list[Pair]] = {definition.name: [] for definition in suite.definitions}
    for turn in suite.turns:
        task_id, session_id = turn.interaction.task_id, turn.interaction.session_id
        for definition in suite.definitions:
            occurred = suite.labels.get((task_id, definition.id))
            if occurred is None:
                continue
            said = verdicts.get((task_id, definition.id), Verdict())
            pairs[definition.name].append(
                Pair(occurred, said.detected, said.score, task_id, session_id, said.evidence)
            )
    return {name: each for name, each in pairs.items() if each}


def _decided_by(definition: EventDefinition, detector: str | None) -> EventDefinition:
    return definition if detector is None else definition.model_copy(update={"detector": detector})
