"""Judge all that is at hand at once: a file, a labelled suite, or what a project has stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.detectors.auto import AutoDetector, doubtful
from phospho.detectors.deciding import with_cuts
from phospho.detectors.registry import find_detector, route, run_detector, study
from phospho.detectors.scopes import is_of_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from phospho.detectors import Detector
    from phospho.detectors.llm.detector import LlmDetector
    from phospho.models import Detection, EventDefinition, Turn

# One embedding pass for this many; small enough that progress moves and memory stays flat.
BATCH = 256

# More interactions teach nothing more, but cost as much again as judging them.
MOST_STUDIED = 2_000

_Groups = list[tuple["Detector", list["EventDefinition"]]]


def judge_all(
    turns: Sequence[Turn],
    definitions: Sequence[EventDefinition],
    detectors: Mapping[str, Detector],
    *,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Detection]:
    """Yield one sound detection for each pair, in the order of time, then of the definitions.

    An event of a session is a yes in the first of its interactions that has it. Where `auto` has an
    LLM, that decides again where it is not sure.

    Detectors that can learn from unlabelled interactions first learn from a sample of these.

    Args:
        turns: All that is to be judged; ids of interactions are unique. Those of the same time
            stay in order.
        definitions: All events to look for; ids are unique.
        detectors: All detectors by name, as `load_detectors` returns them.
        on_progress: Called with the number of interactions done so far, after each batch.

    Raises:
        DetectorError: When a detector is unknown (at once) or fails (while it is iterated over).
    """
    # One that has learned elsewhere learns anew: these interactions are what is judged.
    learned = study(detectors, sample(turns), with_cuts(definitions, {}))
    taught = with_cuts(definitions, learned)
    groups = [(find_detector(name, detectors), group) for name, group in route(taught).items()]
    in_time = sorted(turns, key=lambda turn: turn.interaction.created_at_ms)
    auto = detectors.get("auto")
    llm = auto.llm if isinstance(auto, AutoDetector) else None
    return _judge(in_time, taught, groups, llm, on_progress)


def sample(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return what detectors learn from: evenly spread, and no more than pays."""
    step = max(1, -(-len(turns) // MOST_STUDIED))
    return turns[::step]


def _judge(
    turns: Sequence[Turn],
    definitions: Sequence[EventDefinition],
    groups: _Groups,
    llm: LlmDetector | None,
    on_progress: Callable[[int], None],
) -> Iterator[Detection]:
    had: set[tuple[str, str]] = set()
    for start in range(0, len(turns), BATCH):
        batch = turns[start : start + BATCH]
        judged = [one for detector, group in groups for one in run_detector(detector, batch, group)]
        if llm is not None:
            judged = llm.reconsider(batch, doubtful(definitions), judged)
        found = {(detection.task_id, detection.event_id): detection for detection in judged}
        on_progress(start + len(batch))
        for turn in batch:
            session_id = turn.interaction.session_id
            for definition in definitions:
                detection = found[turn.interaction.task_id, definition.id]
                if detection.detected and is_of_session(definition):
                    detection = _only_once(detection, session_id, had)
                yield detection


def _only_once(detection: Detection, session_id: str, had: set[tuple[str, str]]) -> Detection:
    """Return a yes, or a no where the session had the event before; note that it has it."""
    once = (session_id, detection.event_id)
    is_first = once not in had
    had.add(once)
    return detection if is_first else detection.model_copy(update={"detected": False})
