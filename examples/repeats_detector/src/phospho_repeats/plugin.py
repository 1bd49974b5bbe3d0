"""What phospho loads: it names the detector, and imports it where one is asked for.

Apps load this module too, with the first interaction they log, so it imports nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import phospho

if TYPE_CHECKING:
    from phospho.detectors import Detector


@phospho.hookimpl
def phospho_register_detectors() -> list[Detector]:
    """Bring `repeats`; definitions choose it by its name."""
    from phospho_repeats.detector import RepeatsDetector

    return [RepeatsDetector()]
