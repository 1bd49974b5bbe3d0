"""Judge all that is at hand at once: a file, a labelled suite, or what a project has stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.detectors.registry import find_detector, route, run_detector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from phospho.detectors import Detector
    from phospho.models import Detection, EventDefinition, Turn

# One embedding pass for this many; small enough that progress moves and memory stays flat.
BATCH = 256

_Groups = list[tuple["Detector", list["EventDefinition"]]]


def judge_all(
    turns: Sequence[Turn],
    definitions: Sequence[EventDefinition],
    detectors: Mapping[str, Detector],
    *,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Detection]:
    """Yield one sound detection for each pair, in the order of the turns, then the definitions.

    Args:
        turns: All that is to be judged; ids of interactions are unique.
        definitions: All events to look for; ids are unique.
        detectors: All detectors by name, as `load_detectors` returns them.
        on_progress: Called with the number of interactions done so far, after each batch.

    Raises:
        DetectorError: When a detector is unknown (at once) or fails (while it is iterated over).
    """
    groups = [(find_detector(name, detectors), group) for name, group in route(definitions).items()]
    return _judge(turns, definitions, groups, on_progress)


def _judge(
    turns: Sequence[Turn],
    definitions: Sequence[EventDefinition],
    groups: _Groups,
    on_progress: Callable[[int], None],
) -> Iterator[Detection]:
    for start in range(0, len(turns), BATCH):
        batch = turns[start : start + BATCH]
        found = {
            (detection.task_id, detection.event_id): detection
            for detector, group in groups
            for detection in run_detector(detector, batch, group)
        }
        on_progress(start + len(batch))
        for turn in batch:
            for definition in definitions:
                yield found[turn.interaction.task_id, definition.id]
