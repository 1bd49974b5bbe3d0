"""The languages and sentiments a filter offers: those that occurred in the project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from phospho.detectors.language_names import language_name
from phospho.detectors.sentiment import FEELINGS
from phospho_server.store import Connection
from phospho_server.store.facts import list_values


@dataclass(frozen=True)
class FactChoices:
    """What may be chosen, each with what a page calls it; empty where nothing tells the fact."""

    languages: Mapping[str, str]
    sentiments: Mapping[str, str]


def list_choices(db: Connection, project_id: str) -> FactChoices:
    """Return the values there have been, languages by name."""
    languages = {code: language_name(code) for code in list_values(db, project_id, "language")}
    felt = set(list_values(db, project_id, "sentiment"))
    return FactChoices(
        languages=dict(sorted(languages.items(), key=lambda choice: choice[1])),
        sentiments={f: f.capitalize() for f in FEELINGS if felt},
    )
