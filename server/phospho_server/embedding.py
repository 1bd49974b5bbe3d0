"""Makes the vectors of the newest interactions while nothing else is to be done.

A draft of an event is then tried on all of them at once: comparing vectors takes microseconds,
making one takes milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from phospho import guard
from phospho.detectors import Detector
from phospho.detectors.semantic import SemanticDetector
from phospho_server.store import Connection, Store, projects, vectors
from phospho_server.store.deleting import unless_gone
from phospho_server.store.turns import load_turns

# Made at once: what arrives meanwhile waits so long.
_BATCH = 50

# How long an embedder that failed is left alone.
_REST_S = 60.0


@dataclass
class Embedding:
    """Works through the newest interactions of all projects.

    Args:
        store: Where interactions are, and where vectors are kept.
        detectors: By name; `semantic` makes the vectors.
    """

    store: Store
    detectors: Mapping[str, Detector]
    _resting_until: float = 0.0
    _newest_done: int = 0
    _cleared: set[tuple[str, str]] = field(default_factory=set)

    def run_once(self) -> int:
        """Make the vectors of some interactions; return of how many, 0 if all are there."""
        semantic = self.detectors.get("semantic")
        if not isinstance(semantic, SemanticDetector) or not semantic.is_free:
            return 0
        if time.monotonic() < self._resting_until:
            return 0
        with self.store.read() as db:
            newest = _newest_id(db)
            if newest == self._newest_done:
                return 0
            every = projects.list_projects(db)
        for project in every:
            self._clear(project.id, semantic.makes_vectors_as)
            done = self._embed_some(semantic, project.id)
            if done is None:
                self._resting_until = time.monotonic() + _REST_S
                return 0
            if done:
                return done
        self._newest_done = newest
        return 0

    def _embed_some(self, semantic: SemanticDetector, project_id: str) -> int | None:
        """Make the vectors of some interactions of a project; None if the embedder failed."""
        with self.store.read() as db:
            ids = vectors.list_missing(db, project_id, limit=_BATCH)
            turns = load_turns(db, project_id, ids)
        if not turns:
            return 0
        try:
            embedded = semantic.embed([turn for _, turn in turns])
        except Exception as exc:  # noqa: BLE001 - an embedder may be a plugin
            guard.report_failure("make the vectors of past interactions", exc)
            return None
        made = {row_id: one for (row_id, _), one in zip(turns, embedded, strict=True)}
        answers = {row_id: turn.interaction.output for row_id, turn in turns}
        self.store.write(
            unless_gone(project_id, lambda db: vectors.keep(db, project_id, made, answers))
        )
        return len(made)

    def _clear(self, project_id: str, made_by: str) -> None:
        """Drop what another model made, once."""
        if (project_id, made_by) not in self._cleared:
            self.store.write(lambda db: vectors.drop_foreign(db, project_id, made_by))
            self._cleared.add((project_id, made_by))


def _newest_id(db: Connection) -> int:
    row = db.row("select max(id) as id from interactions")
    return int(row["id"] or 0) if row else 0
