"""Erasing a user or a session, as Settings show it, with the receipts of what was erased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho.snapshot import MAX_ID_CHARS
from phospho_server.errors import InvalidError
from phospho_server.store import Connection, erasures
from phospho_server.store.erasures import KINDS, Erasure, Kind

# Receipts on the page; the API lists all.
_MOST_SHOWN = 5


@dataclass(frozen=True)
class ErasingForm:
    """Whose data is to go, as it was typed.

    Args:
        kind: `user` or `session`.
        target: The id.
        sure: What somebody has said may go: the kind and the id.
        problem: What must be changed; None while nothing is known to be wrong.
        interactions: Those that would go; None while nobody has asked.
    """

    kind: Kind = "user"
    target: str = ""
    sure: str = ""
    problem: str | None = None
    interactions: int | None = None

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> ErasingForm:
        """Return what was typed."""
        kind = next((kind for kind in KINDS if kind == fields.get("kind")), KINDS[0])
        return cls(kind, fields.get("target", "")[:MAX_ID_CHARS], fields.get("sure", ""))

    @property
    def word(self) -> str:
        """What has to be said to be sure of this one."""
        return f"{self.kind}:{self.target}"

    @property
    def is_sure(self) -> bool:
        """Whether this user or session was confirmed."""
        return self.sure == self.word

    def count(self, db: Connection, project_id: str) -> int:
        """Return how many interactions would go.

        Raises:
            InvalidError: The project has no such user or session.
        """
        count = erasures.count_interactions(db, project_id, self.kind, self.target)
        if count is None:
            raise InvalidError(
                f"There is no {self.kind} with this id. Copy it from the list of {self.kind}s."
            )
        return count


@dataclass(frozen=True)
class ErasingPanel:
    """The section about erasing.

    Args:
        form: As it is shown.
        receipts: The newest.
    """

    form: ErasingForm
    receipts: Sequence[Erasure]


def load_erasing_panel(db: Connection, project_id: str, form: ErasingForm | None) -> ErasingPanel:
    """Return the section of a project."""
    receipts = erasures.list_erasures(db, project_id, most=_MOST_SHOWN)
    return ErasingPanel(form or ErasingForm(), receipts)
