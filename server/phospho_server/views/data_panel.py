"""How long data is kept, as Settings show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from phospho_server.errors import InvalidError
from phospho_server.store import Connection, counters, retention
from phospho_server.store.retention import Retention


@dataclass(frozen=True)
class DataForm:
    """How long interactions are to be kept, as it was chosen.

    Args:
        keep: `for_ever` or `days`.
        days: As it was typed.
        sure: The days for which somebody has said that older interactions may go.
        problem: What must be changed; None while nothing is known to be wrong.
        older: Interactions that would go; None while nobody has asked.
    """

    keep: str = "for_ever"
    days: str = ""
    sure: str = ""
    problem: str | None = None
    older: int | None = None

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> DataForm:
        """Return what was chosen."""
        return cls(fields.get("keep", ""), fields.get("days", ""), fields.get("sure", ""))

    @classmethod
    def of(cls, kept: Retention) -> DataForm:
        """Return the form that would choose what is kept."""
        return cls("for_ever", "90") if kept.days is None else cls("days", str(kept.days))

    def to_days(self) -> int | None:
        """Return the number of days; None: for ever.

        Raises:
            InvalidError: Neither was chosen, or the number is none.
        """
        if self.keep == "for_ever":
            return None
        days = retention.read_days(self.days) if self.keep == "days" else None
        if days is None:
            raise InvalidError("Choose “for ever”, or type for how many days data is kept.")
        return days

    @property
    def is_sure(self) -> bool:
        """Whether this number of days was confirmed."""
        return bool(self.sure) and self.sure.strip() == self.days.strip()


@dataclass(frozen=True)
class DataPanel:
    """The section about data.

    Args:
        kept: How long interactions are kept now, and what was removed.
        stored: Interactions there are.
        form: As it is shown.
    """

    kept: Retention
    stored: int
    form: DataForm


def load_data_panel(db: Connection, project_id: str, form: DataForm | None) -> DataPanel:
    """Return the section of a project.

    Args:
        db: A connection.
        project_id: The project.
        form: As it was sent; None to show what is kept.
    """
    kept = retention.get_retention(db, project_id)
    return DataPanel(kept, counters.count_stored(db, project_id), form or DataForm.of(kept))
