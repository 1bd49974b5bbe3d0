"""Lets detectors learn from a project's own traffic, now and then.

What an event looks like in a project, and how common it is, shows in unlabelled interactions. They
are studied when there are enough of them, again each time there are half as many more, and for a
definition that is new or edited before it is looked for at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phospho.detectors import Detector
from phospho.detectors.auto import chosen
from phospho.detectors.deciding import with_cuts
from phospho.detectors.registry import study
from phospho.detectors.semantic import SemanticDetector
from phospho.models import Cut, EventDefinition
from phospho_server.recent_turns import make_turns
from phospho_server.store import Connection, Store, counters, cuts, definitions, versions
from phospho_server.store.deleting import unless_gone
from phospho_server.store.recent import list_recent
from phospho_server.store.vectors import with_vectors

# Fewer say too little.
FIRST_AT = 200

# Traffic changes slowly: what was learned from so many is still true of half as many more.
GROWTH = 1.5

# The newest interactions are studied; more would teach nothing more and cost seconds.
MOST = 1_000


@dataclass
class Studies:
    """What detectors have learned about the definitions of each project.

    Args:
        store: Where interactions are, and where it is kept.
        detectors: Who learns, by name.
    """

    store: Store
    detectors: Mapping[str, Detector]
    # How many interactions there were when a definition was last studied, also where it taught
    # nothing.
    _studied: dict[tuple[str, int], int] = field(default_factory=dict)

    def apply(
        self, project_id: str, enabled: Sequence[EventDefinition], *, is_new: bool
    ) -> list[EventDefinition]:
        """Return definitions with what is learned about each; study first where that is due.

        Args:
            project_id: Their project.
            enabled: All definitions of the project that are looked for, with what is known.
            is_new: Whether new interactions are looked at: what was found in the few before them
                without having learned anything is looked at again then, unless an older version
                decides about some of them.
        """
        with self.store.read() as db:
            number = counters.count_interactions(db, project_id)
            if any((d.id, d.version) not in self._studied for d in enabled):
                self._recall(db, project_id, enabled)
        due = {d.id for d in enabled if self._is_due(d, number)}
        if number < FIRST_AT or not due:
            return list(enabled)
        with self.store.read() as db:
            rows = list_recent(db, project_id, most=MOST)
            by_id = make_turns(rows)
            turns = with_vectors(db, project_id, [(row.id, by_id[row.id]) for row in rows])
        if len(rows) < FIRST_AT:
            # The others were removed.
            return list(enabled)
        # Where one has a cut there is nothing to learn about it.
        asked = [d.model_copy(update={"cut": None}) if d.id in due else d for d in enabled]
        learned = study(self.detectors, [turn for _, turn in turns], asked)
        first = [d for d in enabled if d.id in learned and d.cut is None]
        for definition in enabled:
            if definition.id in due:
                self._studied[definition.id, definition.version] = number

        def keep(db: Connection) -> None:
            cuts.keep_cuts(db, project_id, enabled, learned, interactions=number)
            for definition in first if is_new else ():
                if versions.decides_alone(db, project_id, definition):
                    definitions.look_again(db, project_id, definition.id)

        self.store.write(unless_gone(project_id, keep))
        known = {d.id: d.cut for d in enabled if d.cut}
        return with_cuts(enabled, {**known, **learned})

    def _recall(self, db: Connection, project_id: str, enabled: Sequence[EventDefinition]) -> None:
        """Remember what an earlier process studied, unless it compared other vectors."""
        lessons = cuts.load_lessons(db, project_id, enabled)
        for definition in enabled:
            lesson = lessons.get(definition.id)
            if lesson and not self._is_foreign(lesson.cut, definition):
                self._studied.setdefault((definition.id, definition.version), lesson.interactions)

    def _is_foreign(self, cut: Cut, definition: EventDefinition) -> bool:
        """Tell whether a cut was learned with another embedder than there is now."""
        detector = self.detectors.get(chosen(definition))
        if not isinstance(detector, SemanticDetector) or detector.embedder is None:
            return False
        return cut.embedder != detector.embedder.id

    def _is_due(self, definition: EventDefinition, number: int) -> bool:
        before = self._studied.get((definition.id, definition.version))
        return before is None or number >= GROWTH * before
