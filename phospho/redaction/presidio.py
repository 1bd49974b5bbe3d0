"""Lets Presidio find more kinds of personal data. Source: presidio-analyzer 2.2.366.

Our own rules are not replaced: they check what Presidio's check, take time linear in the text, and
stay off the network, where its rules for addresses and URLs fetch a list of domains. Presidio adds
what it knows beyond them, and further forms of telephone numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from phospho.errors import ConfigurationError, MissingDependencyError
from phospho.redaction.masks import MASK
from phospho.redaction.rules import RULES

# Telephone numbers have 0.4 where no word around says that they are; guesses have less.
_MIN_SCORE = 0.4

# They tell little of a person and stand everywhere; who wants them masked names them.
_NOT_BY_DEFAULT = frozenset({"DATE_TIME", "URL", "UUID"})

# Its patterns may take quadratic time, so it gets a long text in pieces that overlap.
_PIECE_CHARS = 4_000
_OVERLAP_CHARS = 200

_MASKS = re.compile(f"({MASK})")
_HAS_WORDS = re.compile(r"\w")
_Span = tuple[int, int, str]


class Finding(Protocol):
    """What an analyzer found; Presidio's `RecognizerResult`."""

    entity_type: str
    start: int
    end: int
    score: float


class AnalyzerEngine(Protocol):
    """What is asked of Presidio's `AnalyzerEngine`."""

    def get_supported_entities(self, language: str) -> Sequence[str]:
        """Return the kinds it knows."""

    def analyze(
        self, *, text: str, language: str, entities: list[str], score_threshold: float
    ) -> Sequence[Finding]:
        """Return what of these kinds is in a text."""


class Analyzer:
    """Masks what Presidio finds.

    Args:
        engine: An engine of the app, or `"presidio"` for one without a language model.
        language: The language it is asked for.
        wanted: The kinds to mask; None for all but a few.

    Raises:
        ConfigurationError: When `engine` is something else.
        MissingDependencyError: When Presidio is not installed.
    """

    def __init__(
        self, engine: AnalyzerEngine | str, language: str, wanted: frozenset[str] | None
    ) -> None:
        self._engine = _make_engine(engine, language) if isinstance(engine, str) else engine
        self._language = language
        try:
            self.known = frozenset(self._engine.get_supported_entities(language))
        except (AttributeError, TypeError) as exc:
            raise ConfigurationError(
                f"Redaction(analyzer=...) is 'presidio' or a Presidio AnalyzerEngine, not "
                f"{type(engine).__name__}."
            ) from exc
        chosen = self.known - _NOT_BY_DEFAULT if wanted is None else self.known & wanted
        # Ours are more than its own; of telephone numbers it knows other forms.
        self._kinds = sorted(chosen - (RULES.keys() - {"PHONE_NUMBER"}))

    def mask(self, text: str, mask: Callable[[str], str]) -> str:
        """Return a text in which all that is found is masked.

        Args:
            text: What to look through; masks in it stay as they are.
            mask: Returns the mask for a kind.
        """
        if not self._kinds:
            return text
        # Every second part is a mask.
        parts = _MASKS.split(text)
        parts[::2] = [self._mask_part(part, mask) for part in parts[::2]]
        return "".join(parts)

    def _mask_part(self, text: str, mask: Callable[[str], str]) -> str:
        parts, done = [], 0
        for start, end, kind in _join(self._find(text)):
            parts += [text[done:start], mask(kind)]
            done = end
        return "".join([*parts, text[done:]])

    def _find(self, text: str) -> list[_Span]:
        """Return where something is, with its kind, in order and the likeliest first."""
        found = [
            (piece + one.start, -one.score, piece + one.end, one.entity_type)
            for piece in range(0, len(text), _PIECE_CHARS)
            if _HAS_WORDS.search(text, piece, piece + _PIECE_CHARS + _OVERLAP_CHARS)
            for one in self._engine.analyze(
                text=text[piece : piece + _PIECE_CHARS + _OVERLAP_CHARS],
                language=self._language,
                entities=self._kinds,
                score_threshold=_MIN_SCORE,
            )
        ]
        return [(start, end, kind) for start, _, end, kind in sorted(found)]


def _join(spans: Iterable[_Span]) -> list[_Span]:
    """Join spans that overlap, so that no part of either is left."""
    joined: list[_Span] = []
    for start, end, kind in spans:
        if joined and start < joined[-1][1]:
            first, last, first_kind = joined[-1]
            joined[-1] = (first, max(last, end), first_kind)
        elif start < end:
            joined.append((start, end, kind))
    return joined


def _make_engine(name: str, language: str) -> AnalyzerEngine:
    """Return Presidio's engine with its patterns and checksums, which need no language model."""
    if name != "presidio":
        raise ConfigurationError(
            f"Redaction(analyzer={name!r}) is not known. Give 'presidio', or an AnalyzerEngine."
        )
    try:
        from presidio_analyzer import AnalyzerEngine as Presidio
        from presidio_analyzer.nlp_engine import NoOpNlpEngine
    except ImportError as exc:
        raise MissingDependencyError("presidio-analyzer", extra="presidio") from exc
    no_model = NoOpNlpEngine([{"lang_code": language, "model_name": ""}])
    engine: AnalyzerEngine = Presidio(nlp_engine=no_model, supported_languages=[language])
    return engine
