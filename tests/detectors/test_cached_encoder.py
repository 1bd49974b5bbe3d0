from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from phospho.detectors.cached_encoder import CachedEncoder
from phospho.errors import DetectorError


class Letters(CachedEncoder):
    """Counts three letters, and remembers what it was asked."""

    max_chars = 10
    max_batch = 2

    def __init__(self, *, max_cached: int = 100) -> None:
        super().__init__("letters", 0, max_cached=max_cached)
        self.asked: list[list[str]] = []

    def _embed(self, texts: list[str]) -> NDArray[np.float64]:
        self.asked.append(texts)
        if "fail" in texts:
            raise DetectorError("It failed. Try again.")
        self.dim = 3
        vectors = np.array([[text.count(c) + 0.5 for c in "abc"] for text in texts])
        unit: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def test_the_model_is_asked_for_each_text_once_and_for_a_few_at_a_time() -> None:
    encoder = Letters()
    first = encoder.encode(["a", "b", "a", "c"])
    assert (first[0] == first[2]).all()
    assert (encoder.encode(["c", "a"]) == first[[3, 0]]).all()
    assert encoder.asked == [["a", "b"], ["c"]]


def test_a_vector_is_the_same_from_the_model_and_from_memory() -> None:
    encoder = Letters()
    assert (encoder.encode(["abb"]) == encoder.encode(["abb"])).all()
    assert encoder.encode(["abb"]).dtype == np.float32


def test_what_was_used_longest_ago_is_forgotten() -> None:
    encoder = Letters(max_cached=2)
    vectors = encoder.encode(["a", "b", "c", "a", "\ud800"])
    assert vectors.shape == (5, encoder.dim)
    encoder.asked.clear()
    assert (vectors[0] == encoder.encode(["a"])[0]).all()
    assert encoder.asked == []
    encoder.encode(["b"])
    assert encoder.asked == [["b"]]


def test_what_is_remembered_keeps_nothing_that_is_forgotten() -> None:
    class Wide(Letters):
        max_batch = 1_000

        def _embed(self, texts: list[str]) -> NDArray[np.float64]:
            self.dim = 1_000
            return np.ones((len(texts), self.dim))

    encoder = Wide(max_cached=200)
    often = [f"often {i}" for i in range(40)]
    tracemalloc.start()
    for i, text in enumerate(often):
        encoder.encode([text, *(f"once {i} {j}" for j in range(100))])
        encoder.encode(often[: i + 1])
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 200 vectors are 400 kB; with all that came with the first 40 of them, they would be 8 MB.
    assert taken < 1_000_000


def test_what_the_model_answered_before_it_failed_is_kept() -> None:
    encoder = Letters()
    with pytest.raises(DetectorError):
        encoder.encode(["a", "b", "fail"])
    encoder.asked.clear()
    encoder.encode(["a", "b"])
    assert encoder.asked == []


def test_long_texts_are_cut_and_lone_surrogates_replaced() -> None:
    encoder = Letters()
    encoder.encode(["a" * 30, "\ud83d"])
    assert encoder.asked == [["a" * 10, "?"]]


def test_no_text_is_no_vector_whether_or_not_the_model_was_asked() -> None:
    encoder = Letters()
    assert encoder.encode([]).shape == (0, 0)
    encoder.encode(["a"])
    assert encoder.encode([]).shape == (0, 3)


def test_threads_share_an_encoder() -> None:
    encoder = Letters(max_cached=5)
    texts = [f"{'ab' * (i % 4)}{i}" for i in range(40)]
    expected = Letters().encode(texts)
    answers: list[NDArray[np.float32]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(encoder.encode(texts))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all((answer == expected).all() for answer in answers)
