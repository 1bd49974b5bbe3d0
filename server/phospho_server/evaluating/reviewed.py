"""What people confirmed and rejected in a project, as a labelled suite."""

from __future__ import annotations

from collections.abc import Sequence

from phospho.errors import ConfigurationError
from phospho_server.evaluating.judged import Judged, Verdict, pair_up
from phospho_server.evaluating.suites import Suite
from phospho_server.store import Store
from phospho_server.store.definitions import list_enabled
from phospho_server.store.labels import Label, list_labels
from phospho_server.store.projects import get_project
from phospho_server.store.turns import list_newest_ids, load_turns_of

# Judged beside what was reviewed: detectors may learn from traffic what is common in it.
TRAFFIC = 2_000


def read_reviewed(store: Store, project_id: str) -> tuple[Suite, Sequence[Label]]:
    """Return what was reviewed of the events that are looked for, as a suite and one by one.

    The definitions have no reviews: a detector must not be told what it is asked.

    Raises:
        NotFoundError: There is no such project.
        ConfigurationError: When nothing was reviewed.
    """
    with store.read() as db:
        project = get_project(db, project_id)
        definitions = list_enabled(db, project_id)
        enabled = {definition.id for definition in definitions}
        labels = [label for label in list_labels(db, project_id) if label.definition_id in enabled]
        if not labels:
            raise ConfigurationError(
                f"Nobody has reviewed an event of {project.name!r} yet. Confirm or reject some on "
                "the transcripts, or give a folder with labels."
            )
        reviewed = {label.interaction_id for label in labels}
        newest = list_newest_ids(db, project_id, limit=TRAFFIC)
        turns = load_turns_of(db, project_id, [*reviewed.union(newest)])
    suite = Suite(
        project.name,
        [definition.model_copy(update={"reviews": ()}) for definition in definitions],
        turns,
        {(label.task_id, label.definition_id): label.occurred for label in labels},
    )
    return suite, labels


def said_then(suite: Suite, labels: Sequence[Label]) -> Judged:
    """Return what detectors had said when people reviewed it, as kept with each review."""
    verdicts = {
        (label.task_id, label.definition_id): Verdict(label.judged, label.score)
        for label in labels
        if label.judged is not None
    }
    return Judged(suite, pair_up(suite, verdicts))
