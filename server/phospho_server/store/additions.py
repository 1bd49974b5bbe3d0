"""Interactions that wait to be kept: those for one project are kept together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from phospho_server.store import Connection
from phospho_server.store.interactions import add_interactions
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
    """

    project_id: str
    interactions: Sequence[NewInteraction]

    @property
    def joins(self) -> str:
        """Return what additions have in common that can be joined."""
        return self.project_id

    def __call__(self, db: Connection) -> None:
        """Keep the interactions.

        Raises:
            NotFoundError: The project was deleted meanwhile.
        """
        add_interactions(db, self.project_id, self.interactions)

    def joined(self, others: Sequence[Addition]) -> Addition:
        """Return the addition of these interactions and those of others, in their order."""
        every = (addition.interactions for addition in (self, *others))
        return replace(self, interactions=list(itertools.chain.from_iterable(every)))
