"""Verdicts that were computed elsewhere, in the format that `phospho detect` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phospho.errors import ConfigurationError
from phospho_server.detect_files import read_objects
from phospho_server.evaluating.judged import Judged, Verdict, pair_up
from phospho_server.evaluating.suites import Suite

Predictions = Mapping[tuple[str, str, str], Verdict]
"""By name of the suite, which may be empty, id of the interaction and name of the event."""


def read_predictions(path: Path) -> Predictions:
    """Read a file of `{id, event, detected, score?, suite?}` lines; the last on a pair counts.

    Raises:
        ConfigurationError: When it is missing or a line cannot be read; names the line.
    """
    found: dict[tuple[str, str, str], Verdict] = {}
    for number, row in read_objects(path):
        event, suite = row.get("event"), row.get("suite") or ""
        if not isinstance(event, str) or not isinstance(suite, str):
            raise ConfigurationError(
                f'{path}, line {number}: "event" must be a name, and "suite" a name where it is '
                "given. Correct the line."
            )
        detected = row.get("detected")
        if not isinstance(detected, bool):
            raise ConfigurationError(
                f'{path}, line {number}: "detected" must be true or false. Correct the line.'
            )
        score = _score(row.get("score"), f"{path}, line {number}")
        found[suite, str(row["id"]), event] = Verdict(detected, score)
    return found


def _score(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigurationError(
            f'{where}: "score" must be a number from 0 to 1, or left out. Correct the line.'
        )
    return float(value)


def look_up(suite: Suite, predictions: Predictions) -> Judged:
    """Return the verdicts on a suite; what has no prediction counts as a no.

    Raises:
        ConfigurationError: When no prediction is about this suite.
    """
    verdicts = {}
    for turn in suite.turns:
        for definition in suite.definitions:
            task_id = turn.interaction.task_id
            for name in (suite.name, ""):
                said = predictions.get((name, task_id, definition.name))
                if said is not None:
                    verdicts[task_id, definition.id] = said
                    break
    if not verdicts:
        raise ConfigurationError(
            f"None of the predictions is about {suite.name!r}: ids and names of events differ. "
            "Give predictions of its interactions."
        )
    return Judged(suite, pair_up(suite, verdicts))
