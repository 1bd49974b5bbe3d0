"""What was logged, as tests of integrations look at it."""

from __future__ import annotations

from typing import Any

from phospho.testing import Logged


def only(logged: Logged) -> dict[str, Any]:
    """Return the one interaction there is."""
    [interaction] = logged.interactions
    return interaction


def said(interaction: dict[str, Any]) -> tuple[str, str]:
    """Return both sides."""
    return interaction["input"], interaction["output"].strip()


def sides(interaction: dict[str, Any]) -> tuple[Any, Any]:
    """Return both sides as they are."""
    return interaction["input"], interaction["output"]


def ended(interaction: dict[str, Any]) -> tuple[str, str | None, str]:
    """Return both sides, and how it ended."""
    return interaction["input"], interaction["output"], interaction.get("status", "ok")


def steps_of(interaction: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the kind and name of each step."""
    return [(step["kind"], step["name"]) for step in interaction.get("steps", ())]
