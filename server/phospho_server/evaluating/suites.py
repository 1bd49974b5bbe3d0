"""Labelled interactions: read from a folder, or from what people reviewed in a project."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from phospho.detectors.auto import chosen
from phospho.errors import ConfigurationError
from phospho.models import EventDefinition, Turn
from phospho_server.detect_files import read_definitions, read_rows

EVENTS = "events.json"
INTERACTIONS = "interactions.jsonl"


@dataclass(frozen=True)
class Suite:
    """Interactions with labels.

    Args:
        name: The folder's name, or the project's.
        definitions: The events, with all their examples.
        turns: The interactions; they are judged, whether they have labels or not.
        labels: Whether the event occurs, for each id of an interaction and of a definition that
            counts.
    """

    name: str
    definitions: Sequence[EventDefinition]
    turns: Sequence[Turn]
    labels: Mapping[tuple[str, str], bool]

    @property
    def is_about_wording(self) -> bool:
        """Whether exact wording decides each event, so that no model has a say."""
        return all(chosen(definition) == "rules" for definition in self.definitions)

    def with_examples(self, most: int) -> Suite:
        """Return the suite with the first `most` examples of each definition."""
        return replace(
            self,
            definitions=[
                definition.model_copy(update={"examples": definition.examples[:most]})
                for definition in self.definitions
            ],
        )


def read_suites(folder: Path) -> list[Suite]:
    """Read a suite, or each suite that lies in a folder.

    Raises:
        ConfigurationError: When there is none, or a file of one cannot be read.
        DefinitionError: When a definition cannot be used.
    """
    if (folder / EVENTS).is_file():
        return [read_suite(folder)]
    found = sorted(path.parent for path in folder.glob(f"*/{EVENTS}"))
    if not found:
        raise ConfigurationError(
            f"{folder} holds no labelled suite. A suite is a folder with {EVENTS} and "
            f"{INTERACTIONS}; give one, or a folder of them."
        )
    return [read_suite(path) for path in found]


def read_suite(folder: Path) -> Suite:
    """Read one suite; see `docs/evaluation.md` for the format.

    Raises:
        ConfigurationError: When a file is missing or a line cannot be read; names the line.
        DefinitionError: When a definition cannot be used.
    """
    definitions = read_definitions(folder / EVENTS, examples=sys.maxsize)
    ids = {definition.name: definition.id for definition in definitions}
    path = folder / INTERACTIONS
    turns = []
    labels: dict[tuple[str, str], bool] = {}
    for number, row, turn in read_rows(path):
        turns.append(turn)
        occurs = _names(row.get("events"), "events", ids, f"{path}, line {number}")
        left_out = _names(row.get("ignore", []), "ignore", ids, f"{path}, line {number}")
        for name, definition_id in ids.items():
            if name not in left_out:
                labels[turn.interaction.task_id, definition_id] = name in occurs
    if not turns:
        raise ConfigurationError(f"{path} holds no interaction. Add labelled ones.")
    return Suite(folder.name or folder.resolve().name, definitions, turns, labels)


def _names(value: Any, key: str, known: Mapping[str, str], where: str) -> set[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ConfigurationError(
            f'{where}: "{key}" must be a list of names of events. Correct the line.'
        )
    unknown = [name for name in value if name not in known]
    if unknown:
        raise ConfigurationError(
            f'{where}: "{key}" names {unknown[0]!r}, which {EVENTS} does not define. '
            "Correct the name, or define the event."
        )
    return set(value)
