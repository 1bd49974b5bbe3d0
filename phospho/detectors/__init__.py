"""Detectors decide whether an event occurred; one module per method.

This module holds the protocols a plugin may implement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from phospho.models import Cut, Detection, EventDefinition, Turn


@runtime_checkable
class Detector(Protocol):
    """Judges a batch of turns against all event definitions routed to it.

    A whole batch is handed over so that one embedding pass, or one model call, serves all.
    """

    name: str

    def detect(
        self, batch: Sequence[Turn], events: Sequence[EventDefinition]
    ) -> Sequence[Detection]:
        """Return one detection for each pair of turn and definition, in any order.

        Raises:
            DetectorError: When no verdict can be given now; the work is kept and tried again.
        """
        ...


@runtime_checkable
class Comparing(Protocol):
    """A detector whose definitions compete, asked about some of them only."""

    def detect_among(
        self,
        batch: Sequence[Turn],
        events: Sequence[EventDefinition],
        rivals: Sequence[EventDefinition],
    ) -> Sequence[Detection]:
        """Return what `detect` would say of `events` if it were asked about `rivals` too.

        Raises:
            DetectorError: When no verdict can be given now.
        """
        ...


@runtime_checkable
class Student(Protocol):
    """A detector that also learns from unlabelled traffic."""

    def study(
        self, traffic: Sequence[Turn], events: Sequence[EventDefinition]
    ) -> Mapping[str, Cut]:
        """Return what the traffic teaches about definitions, by their ids.

        It is kept with each definition and handed in again as `EventDefinition.cut`. Definitions
        it says nothing about are left out, and so are those that have a cut already.

        Raises:
            DetectorError: When nothing can be learned now.
        """
        ...


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors whose dot product says how close their meanings are.

    `id` names model and version and is stored with every score; `dim` says how many numbers a
    vector has, 0 where only the model knows and was not asked yet. One that costs money for each
    text says so with `is_metered = True`: then only what an event looks at is encoded.
    """

    id: str
    dim: int

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector of unit length for each text, shape `(len(texts), dim)`."""
        ...
