"""Collects the detectors of all plugins, and runs one so that its mistakes stay its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phospho import guard
from phospho.detectors import Comparing, Detector, Embedder, Student
from phospho.detectors.answers import AnswerError, settled
from phospho.detectors.auto import AutoDetector, chosen
from phospho.detectors.llm.detector import LlmDetector
from phospho.detectors.semantic import SemanticDetector
from phospho.detectors.sentiment import SentimentDetector
from phospho.detectors.texts import text_of
from phospho.errors import DetectorCrashError, DetectorError, PhosphoError
from phospho.models import Cut, Detection, EventDefinition, Evidence, Turn
from phospho.plugins import Plugins, accept_sequence_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


# What these say of every interaction is kept beside it; as with embedders, the last one is used.
_REPLACEABLE = frozenset({"language", "sentiment"})


def load_detectors(plugins: Plugins, llm: LlmDetector | None = None) -> dict[str, Detector]:
    """Return every detector by its name; `semantic` and `sentiment` use the last embedder.

    Without an embedder there is no `sentiment`. Of several `language` or `sentiment` the one
    registered last is used; any other name or id that is already taken is reported once and left
    out.

    Args:
        plugins: Who brings them.
        llm: Stands in the place of the `llm` that is configured with nothing, and `auto` takes its
            doubts there. None: nothing is sent anywhere.
    """
    embedders = _unique(
        plugins.each("phospho_register_embedders", accept_sequence_of(Embedder, unique="id")), "id"
    )
    detectors = _unique(
        plugins.each("phospho_register_detectors", accept_sequence_of(Detector, unique="name")),
        "name",
        replaceable=_REPLACEABLE,
    )
    semantic = detectors.get("semantic")
    if isinstance(semantic, SemanticDetector) and embedders:
        semantic.embedder = list(embedders.values())[-1]
    sentiment = detectors.get("sentiment")
    if isinstance(sentiment, SentimentDetector):
        if embedders:
            sentiment.embedder = list(embedders.values())[-1]
        else:
            del detectors["sentiment"]
    if llm is not None and isinstance(detectors.get("llm"), LlmDetector):
        detectors["llm"] = llm
    if isinstance(detectors.get("auto"), AutoDetector) and semantic and "rules" in detectors:
        detectors["auto"] = AutoDetector(rules=detectors["rules"], semantic=semantic, llm=llm)
    return detectors


def route(events: Iterable[EventDefinition]) -> dict[str, list[EventDefinition]]:
    """Group definitions by the name of the detector that decides, which may not be installed.

    `auto` is resolved to what it chooses: wording is found even where the model for meaning is
    missing, and definitions of meaning compete with each other however they were routed.
    """
    groups: dict[str, list[EventDefinition]] = {}
    for event in events:
        groups.setdefault(chosen(event), []).append(event)
    return groups


def find_detector(name: str, detectors: Mapping[str, Detector]) -> Detector:
    """Return the detector of that name.

    Raises:
        DetectorError: When it is not installed; names those that are.
    """
    if name not in detectors:
        raise DetectorError(
            f"There is no detector {name!r}. Install the plugin that brings it, or choose one of: "
            f"{', '.join(detectors)}."
        )
    return detectors[name]


def run_detector(
    detector: Detector,
    batch: Sequence[Turn],
    events: Sequence[EventDefinition],
    *,
    rivals: Sequence[EventDefinition] = (),
    settles: bool = True,
) -> list[Detection]:
    """Run a detector and return one sound detection for each pair of turn and definition.

    They are in the order of `batch`, then `events`; the detector's name is filled in, and a quote
    that does not occur in the message is emptied.

    Args:
        detector: Who is asked.
        batch: The turns; ids of interactions are unique.
        events: The definitions; ids are unique.
        rivals: Others of the same detector; each compares them where that makes a difference.
        settles: Whether values are checked, and follow from the score where a detector gives none;
            if not, they are as the detector gave them.

    Raises:
        DetectorError: When the detector cannot give verdicts now.
        DetectorCrashError: When it raises something else, or its answer cannot be used.
    """
    if not batch or not events:
        return []
    try:
        answer = list(_ask(detector, batch, events, rivals))
    except PhosphoError as exc:
        raise DetectorError(str(exc)) from exc
    except Exception as exc:
        raise DetectorCrashError(
            f"The detector {detector.name!r} failed: {exc} ({type(exc).__name__}). "
            "Fix or upgrade the plugin that brings it, or choose another detector."
        ) from exc
    turns = {turn.interaction.task_id: turn for turn in batch}
    found = _by_pair(detector, answer, turns, {event.id for event in events})
    missing = [(t, e.id) for t in turns for e in events if (t, e.id) not in found]
    if missing:
        raise _unusable(detector, f"gave no verdict for {missing[0]} and {len(missing) - 1} others")
    return [
        _tidied(found[turn.interaction.task_id, event.id], detector, turn, event, settles=settles)
        for turn in batch
        for event in events
    ]


def _ask(
    detector: Detector,
    batch: Sequence[Turn],
    events: Sequence[EventDefinition],
    rivals: Sequence[EventDefinition],
) -> Iterable[Detection]:
    if isinstance(detector, Comparing):
        return detector.detect_among(batch, events, rivals)
    if not rivals:
        return detector.detect(batch, events)
    wanted = {event.id for event in events}
    return [d for d in detector.detect(batch, [*events, *rivals]) if d.event_id in wanted]


def study(
    detectors: Mapping[str, Detector], traffic: Sequence[Turn], events: Sequence[EventDefinition]
) -> dict[str, Cut]:
    """Return what detectors learn about their definitions from unlabelled traffic, by id.

    One that cannot, or fails, teaches nothing: its definitions are judged as before.
    """
    learned: dict[str, Cut] = {}
    for name, group in route(events).items():
        detector = detectors.get(name)
        if isinstance(detector, Student):
            try:
                learned.update(detector.study(traffic, group))
            except Exception as exc:  # noqa: BLE001 - a plugin's mistake stays its own
                guard.report_failure(f"let the detector {name!r} learn from traffic", exc)
    return learned


def _by_pair(
    detector: Detector, answer: Iterable[Any], turns: Mapping[str, Turn], event_ids: set[str]
) -> dict[tuple[str, str], Detection]:
    found: dict[tuple[str, str], Detection] = {}
    for detection in answer:
        if not isinstance(detection, Detection):
            raise _unusable(detector, f"returned {type(detection).__name__}, not a Detection")
        pair = (detection.task_id, detection.event_id)
        if detection.task_id not in turns or detection.event_id not in event_ids:
            raise _unusable(detector, f"gave a verdict nobody asked for: {pair}")
        if pair in found:
            raise _unusable(detector, f"gave two verdicts for {pair}")
        found[pair] = detection
    return found


def _unusable(detector: Detector, what: str) -> DetectorCrashError:
    return DetectorCrashError(
        f"The detector {detector.name!r} {what}. It must return exactly one Detection for each "
        "turn and definition: fix or upgrade the plugin that brings it."
    )


def _tidied(
    detection: Detection,
    detector: Detector,
    turn: Turn,
    event: EventDefinition,
    *,
    settles: bool,
) -> Detection:
    try:
        detection = settled(detection, event) if settles else detection
    except AnswerError as exc:
        raise DetectorCrashError(
            f"The detector {detector.name!r} {exc}. Fix or upgrade the plugin that brings it, or "
            "choose another detector."
        ) from exc
    changes: dict[str, Any] = {}
    if not detection.detector:
        changes["detector"] = detector.name
    evidence = detection.evidence
    if evidence and evidence.quote and not _occurs(evidence, turn):
        changes["evidence"] = evidence.model_copy(update={"quote": ""})
    return detection.model_copy(update=changes) if changes else detection


def _occurs(evidence: Evidence, turn: Turn) -> bool:
    return evidence.quote in text_of(turn, evidence.side)


def _unique(
    answers: Sequence[tuple[str, Sequence[Any]]],
    attribute: str,
    *,
    replaceable: Collection[str] = (),
) -> dict[str, Any]:
    """Key what all plugins brought by its name or id; the first one keeps a name."""
    kept: dict[str, Any] = {}
    for plugin, items in answers:
        for item in items:
            key = getattr(item, attribute)
            if key in kept and key not in replaceable:
                guard.report_once(
                    f"duplicate:{attribute}:{key}",
                    "The phospho plugin %r brings %r, a %s that is already taken; it is left out. "
                    "Rename it.",
                    plugin,
                    key,
                    attribute,
                )
            else:
                kept[key] = item
    return kept
