"""Vectors are kept in a quarter of the bytes, and give the same verdicts as new ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from phospho.detectors.packing import pack, packed_size, unpack
from phospho.detectors.semantic import SemanticDetector
from phospho.detectors.use_encoder import UseEncoder
from phospho.models import Turn
from tests.detectors.builders import event, turn

THANKS = event("The user thanked the agent")
FLIGHT = event("The user is trying to book a flight")
REFUSED = event("The assistant refused to answer the user's request")
EVENTS = [THANKS, FLIGHT, REFUSED]

BATCH = [
    turn("Thank you so much! What a day. I need a flight to Rome.", "Sure.", task_id="t1"),
    turn("", None, task_id="t2"),
    turn("The cat sleeps", "I'm sorry, but I can't assist with that.", task_id="t3"),
]


@given(
    arrays(np.float32, array_shapes(min_dims=2, max_dims=2), elements=st.floats(-1, 1, width=32))
)
def test_a_packed_vector_is_off_by_less_than_a_step_and_packs_to_itself(
    vectors: NDArray[np.float32],
) -> None:
    packed = pack(vectors)
    assert packed.nbytes == len(vectors) * packed_size(vectors.shape[1])
    back = unpack(packed)
    steps = np.abs(vectors).max(axis=1, initial=0.0)[:, None] / 127
    assert (np.abs(back - vectors) <= 0.51 * steps + 1e-6).all()
    assert (pack(back)["steps"] == packed["steps"]).all()


class Forgetful:
    """Encodes as another embedder does, and tells what it was asked for."""

    def __init__(self, encoder: UseEncoder) -> None:
        self.id, self.dim = encoder.id, encoder.dim
        self._encoder = encoder
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return self._encoder.encode(texts)


def with_vectors(semantic: SemanticDetector, batch: Sequence[Turn]) -> list[Turn]:
    return [
        one.model_copy(update={"embedded": embedded})
        for one, embedded in zip(batch, semantic.embed(batch), strict=True)
    ]


@pytest.mark.parametrize("kept", [{"t1", "t2", "t3"}, {"t2"}, {"t1", "t3"}])
def test_kept_vectors_give_the_same_verdicts_and_are_not_made_again(
    semantic: SemanticDetector, kept: set[str]
) -> None:
    assert isinstance(semantic.embedder, UseEncoder)
    known = with_vectors(semantic, BATCH)
    batch = [
        with_them if with_them.interaction.task_id in kept else without
        for with_them, without in zip(known, BATCH, strict=True)
    ]
    embedder = Forgetful(semantic.embedder)
    other = SemanticDetector(embedder)
    other.detect([turn("something else", "entirely")], EVENTS)
    embedder.asked.clear()
    assert other.detect(batch, EVENTS) == semantic.detect(BATCH, EVENTS)
    said = " ".join(embedder.asked)
    assert ("flight to Rome" in said) == ("t1" not in kept)


def test_vectors_of_another_model_are_made_again(semantic: SemanticDetector) -> None:
    foreign = [
        one.model_copy(update={"embedded": one.embedded.model_copy(update={"made_by": "another"})})
        for one in with_vectors(semantic, [BATCH[2], BATCH[0]])
        if one.embedded
    ]
    mixed = [
        one.model_copy(update={"interaction": turn_.interaction})
        for one, turn_ in zip(foreign, [BATCH[0], BATCH[2]], strict=True)
    ]
    plain = [BATCH[0], BATCH[2]]
    assert semantic.detect(mixed, EVENTS) == semantic.detect(plain, EVENTS)


def test_the_kept_vectors_are_those_of_the_messages(semantic: SemanticDetector) -> None:
    first, blank, last = semantic.embed(BATCH)
    size = packed_size(512)
    # The whole, and its three sentences.
    assert (len(first.input), len(first.output)) == (1 + 4 * size, 1 + size)
    assert (blank.input, blank.output) == (b"", b"")
    assert first.made_by == last.made_by == semantic.makes_vectors_as
    assert semantic.embed(BATCH[1:2]) == [blank]


def test_a_definition_among_rivals_is_judged_as_if_all_were_asked_about(
    semantic: SemanticDetector,
) -> None:
    category = event(
        "What the user wants", answer="category", categories=("flight", "refund"), id="wants"
    )
    everything = [*EVENTS, category]
    found = semantic.detect(BATCH, everything)
    for one in everything:
        rivals = [other for other in everything if other is not one]
        expected = [detection for detection in found if detection.event_id == one.id]
        assert semantic.detect_among(BATCH, [one], rivals) == expected
    alone = semantic.detect(BATCH, [FLIGHT])
    assert alone != [detection for detection in found if detection.event_id == FLIGHT.id]
