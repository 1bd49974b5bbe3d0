"""Notes whether an LLM's answers changed anything, for the band that it is asked about."""

from __future__ import annotations

from collections.abc import Sequence

from phospho.detectors.llm.band import Answered, Band, band_of
from phospho.models import EventDefinition
from phospho_server.store import Connection, detections, llm_agreement
from phospho_server.store.rows import StoredDetection


def load_band(db: Connection, project_id: str, event: EventDefinition) -> Band:
    """Return the band of an event, narrowed by what has been answered so far."""
    return band_of(event, llm_agreement.load(db, project_id, event.id, event.version))


def note_answers(
    db: Connection,
    project_id: str,
    event: EventDefinition,
    answers: Sequence[StoredDetection],
    *,
    model: str,
) -> None:
    """Note answers about one event, before they take the place of what had been said.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        event: As it was asked about.
        answers: Those that are believed, and that were not merely remembered.
        model: Who has answered.
    """
    band = band_of(event)
    said = detections.list_local(
        db, project_id, event.id, event.version, [each.interaction_id for each in answers]
    )
    parts: dict[int, Answered] = {}
    for each in answers:
        local = said.get(each.interaction_id)
        if local is None or not band.contains(local.score):
            continue
        is_other = (local.detected, local.value) != (each.detected, each.value)
        part = band.part_of(local.score)
        known = parts.get(part, Answered(0, 0))
        parts[part] = Answered(known.asked + 1, known.differed + is_other)
    if parts:
        llm_agreement.note(db, project_id, event, model, parts)
