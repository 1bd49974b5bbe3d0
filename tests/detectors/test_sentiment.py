"""How a message sounds, from -1, cross, to 1, glad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phospho.detectors.registry import load_detectors, run_detector
from phospho.detectors.sentiment import SentimentDetector, feeling_of
from phospho.detectors.use_encoder import UseEncoder
from phospho.errors import DetectorError, MissingDependencyError
from phospho.plugins import Plugins
from tests.detectors.builders import event, turn

GLAD = "That was so kind of you, what a great day"
CROSS = "This is a disgrace, everything you sold me is broken"
PLAIN = "What time does the ferry to the island leave"


@pytest.fixture(scope="module")
def detector(encoder: UseEncoder) -> SentimentDetector:
    return SentimentDetector(encoder)


def feeling(detector: SentimentDetector, text: str) -> str | None:
    (found,) = detector.sentiment([text])
    return None if found is None else feeling_of(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GLAD, "positive"),
        (CROSS, "negative"),
        (PLAIN, "neutral"),
        ("qué alegría, funciona de maravilla", "positive"),
        ("c'est une honte, rien ne marche", "negative"),
        ("wo ist die nächste Bushaltestelle", "neutral"),
        ("这个产品很差我要投诉", "negative"),
        ("ありがとうございます、最高でした", "positive"),
        ("", None),
        ("👍", None),
        ("12345", None),
    ],
)
def test_a_message_sounds_as_people_hear_it(
    detector: SentimentDetector, text: str, expected: str | None
) -> None:
    assert feeling(detector, text) == expected


@pytest.mark.parametrize(
    ("sentiment", "expected"),
    [(-1.0, "negative"), (-0.3, "neutral"), (0.0, "neutral"), (0.3, "neutral"), (0.31, "positive")],
)
def test_the_cuts_are_clear(sentiment: float, expected: str) -> None:
    assert feeling_of(sentiment) == expected


@given(st.lists(st.text(max_size=50), max_size=5))
@settings(deadline=None, max_examples=30)
def test_any_text_has_a_bounded_sentiment_that_does_not_depend_on_its_neighbours(
    detector: SentimentDetector, texts: list[str]
) -> None:
    together = detector.sentiment(texts)
    assert together == [detector.sentiment([text])[0] for text in texts]
    assert all(found is None or -1 <= found <= 1 for found in together)


def test_the_detector_answers_on_the_range_it_is_asked_for(detector: SentimentDetector) -> None:
    asked = event("How glad?", answer="score", score_range=(0.0, 10.0), detector="sentiment")
    batch = [turn(GLAD, task_id="t1"), turn(CROSS, task_id="t2"), turn("", task_id="t3")]
    glad, cross, none = run_detector(detector, batch, [asked], settles=False)
    assert isinstance(glad.value, float)
    assert isinstance(cross.value, float)
    assert glad.value > 8
    assert cross.value < 2
    assert (none.value, none.detected) == (None, False)


def test_the_detector_asked_yes_or_no_needs_a_feeling(detector: SentimentDetector) -> None:
    negative = event("The user's message is negative", detector="sentiment")
    reply = event("The assistant's answer is positive", detector="sentiment")
    batch = [turn(CROSS, GLAD, task_id="t1"), turn(PLAIN, PLAIN, task_id="t2")]
    found = run_detector(detector, batch, [negative, reply])
    assert [f.detected for f in found] == [True, True, False, False]
    for description in ("The user wants a refund", "The user is positive or negative"):
        with pytest.raises(DetectorError, match="which feeling"):
            detector.detect(batch, [event(description, detector="sentiment")])


def test_the_sentiment_is_fitted_on_whatever_embedder_there_is() -> None:
    class Letters:
        id = "letters"
        dim = 26

        def encode(self, texts: Sequence[str]) -> Any:
            counts = [[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts]
            return np.array(counts, dtype=np.float32)

    found = SentimentDetector(Letters()).sentiment([GLAD, ""])
    assert found[0] is not None
    assert found[1] is None


def test_without_an_embedder_there_is_no_sentiment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDependencyError, match=r"phospho\[semantic\]"):
        SentimentDetector(None).sentiment(["hello there"])
    monkeypatch.setattr("phospho.detectors.use_encoder.is_installed", lambda: False)
    assert "sentiment" not in load_detectors(Plugins(entry_points=False))
