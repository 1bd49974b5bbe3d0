"""Fits the weights of `semantic` on given suites, so that others can judge it without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phospho.detectors import Detector, Embedder
from phospho.detectors.auto import AutoDetector
from phospho.detectors.closeness import shipped_weights
from phospho.detectors.fitting import Group, fit_groups, groups_of
from phospho.detectors.registry import load_detectors
from phospho.detectors.semantic import SemanticDetector
from phospho.errors import ConfigurationError
from phospho.plugins import Plugins
from phospho_server.evaluating.suites import Suite


@dataclass
class Refitter:
    """Makes detectors whose weights were fitted on given suites; remembers what it measured."""

    # One for all: its embedder remembers texts.
    _detectors: Mapping[str, Detector] = field(default_factory=lambda: load_detectors(Plugins()))
    _groups: dict[str, list[Group]] = field(default_factory=dict)

    def __call__(self, training: Sequence[Suite]) -> Mapping[str, Detector]:
        """Return all detectors, `semantic` fitted on the suites in `training`.

        Raises:
            ConfigurationError: When the installed `semantic` is none that can be fitted.
        """
        detectors = self._detectors
        semantic = detectors.get("semantic")
        if not isinstance(semantic, SemanticDetector) or semantic.embedder is None:
            raise ConfigurationError(
                "There is no embedder to fit weights for. Install one: pip install "
                "'phospho[semantic]'"
            )
        groups = [g for suite in training for g in self._groups_of(semantic.embedder, suite)]
        # Suites of a few events may lack a kind, such as one without borrowed phrases.
        weights = {**shipped_weights(), **fit_groups(groups)}
        refitted = SemanticDetector(semantic.embedder, weights=weights)
        auto = AutoDetector(rules=detectors["rules"], semantic=refitted)
        return {**detectors, "semantic": refitted, "auto": auto}

    def _groups_of(self, embedder: Embedder, suite: Suite) -> list[Group]:
        if suite.name not in self._groups:
            self._groups[suite.name] = groups_of(embedder, suite)
        return self._groups[suite.name]
