"""Interactions that wait to be kept: those for one project are kept together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.store import Connection
from phospho_server.store.interactions import add_new, as_kept
from phospho_server.store.projects import require_keys
from phospho_server.store.rows import NewInteraction
from phospho_server.store.writing import Joinable


@dataclass(frozen=True)
class Addition(Joinable):
    """A change that keeps the interactions that are new to a project.

    Many requests with one interaction each, made at the same time, so cost little more than one
    request with all of them.

    Args:
        project_id: The project.
        interactions: What to keep.
        key_id: The API key that must still be good; None where none was shown.
    """

    project_id: str
    interactions: Sequence[NewInteraction]
    key_id: str | None = None

    @property
    def joins(self) -> str:
        """Return what additions have in common that can be joined."""
        return self.project_id

    @property
    def rows(self) -> int:
        """Return how many interactions there are."""
        return len(self.interactions)

    def together(self, db: Connection, others: Sequence[Addition]) -> list[int]:
        """Keep the interactions of these additions; return how many of each were new.

        Raises:
            NotFoundError: The project was deleted meanwhile.
            UnauthorizedError: The key was revoked meanwhile.
        """
        keys = (addition.key_id for addition in (self, *others))
        shown = {key_id for key_id in keys if key_id is not None}
        if shown:
            require_keys(db, shown)
        every = [as_kept(db, addition.interactions) for addition in (self, *others)]
        added = add_new(db, self.project_id, list(itertools.chain.from_iterable(every)))
        left = set(added)
        counts = []
        for interactions in every:
            mine = left.intersection(each.task_id for each in interactions)
            left -= mine
            counts.append(len(mine))
        return counts
