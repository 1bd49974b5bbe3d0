"""What tests of integrations look at in what was logged."""

from __future__ import annotations

from typing import Any

from phospho.testing import Logged


def only(logged: Logged) -> dict[str, Any]:
    """Return the one interaction there is."""
    [interaction] = logged.interactions
    return interaction


def sides(interaction: dict[str, Any]) -> tuple[Any, Any]:
    """Return what the user said and saw."""
    return interaction["input"], interaction["output"]
