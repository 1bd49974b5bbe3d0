"""Where a definition draws the line between yes and no."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phospho.models import EventDefinition

DEFAULT_THRESHOLD = 0.5


def threshold_of(definition: EventDefinition) -> float:
    """Return the least score that is a yes: what the traffic taught, else the default."""
    return DEFAULT_THRESHOLD if definition.cut is None else definition.cut.threshold
