"""The built-in detectors and embedder, registered through the same hooks as anybody's.

Importing this module, and registering, loads no model and neither numpy nor RE2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.hookspecs import hookimpl

if TYPE_CHECKING:
    from phospho.detectors import Detector, Embedder


@hookimpl
def phospho_register_detectors() -> list[Detector]:
    """Bring `rules`, `semantic`, `llm`, `auto`, `sentiment`, and `language` where it is installed.

    The registry gives them what they call.
    """
    from phospho.detectors import language
    from phospho.detectors.auto import AutoDetector
    from phospho.detectors.language_detector import LanguageDetector
    from phospho.detectors.llm.detector import LlmDetector
    from phospho.detectors.rules import RulesDetector
    from phospho.detectors.semantic import SemanticDetector
    from phospho.detectors.sentiment import SentimentDetector

    rules, semantic = RulesDetector(), SemanticDetector(None)
    auto, sentiment = AutoDetector(rules=rules, semantic=semantic), SentimentDetector(None)
    languages = [LanguageDetector()] if language.is_installed() else []
    return [rules, semantic, LlmDetector(None), auto, sentiment, *languages]


@hookimpl
def phospho_register_embedders() -> list[Embedder]:
    """Bring the offline encoder where its package is installed, and those the environment names.

    A folder is named last: where both are, no text leaves the machine.
    """
    from phospho.detectors import endpoint_encoder, onnx_encoder, use_encoder

    offline: list[Embedder] = [use_encoder.UseEncoder()] if use_encoder.is_installed() else []
    named = [endpoint_encoder.from_environment(), onnx_encoder.from_environment()]
    return [*offline, *(embedder for embedder in named if embedder)]
