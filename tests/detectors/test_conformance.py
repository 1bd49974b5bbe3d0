"""`phospho.testing.check_detector` and `check_embedder`: who keeps the promises, who does not."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from phospho.conformance.samples import MANY, PLAIN_TEXTS, hostile_turns
from phospho.detectors.auto import AutoDetector
from phospho.detectors.rules import RulesDetector
from phospho.detectors.semantic import SemanticDetector
from phospho.detectors.use_encoder import UseEncoder
from phospho.errors import DetectorError
from phospho.models import Detection, EventDefinition, Evidence, Turn
from phospho.testing import check_detector, check_embedder
from tests.detectors.builders import event, turn
from tests.processes import run_script

WORDING = [
    event("The user said 'order'"),
    event("The assistant asked a question"),
    event("The message is longer than 3 words"),
    event("keywords", keywords=("flight", "é")),
    event("pattern", pattern="[a-z]+ed"),
]


def judge(turn: Turn, event: EventDefinition) -> Detection:
    """Find a question mark, and quote it."""
    found = "?" in turn.interaction.input
    return Detection(
        event_id=event.id,
        task_id=turn.interaction.task_id,
        detected=found,
        score=float(found),
        evidence=Evidence(side="input", quote="?") if found else None,
    )


class Good:
    """Keeps all promises; the others below break one each."""

    name = "good"

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        return [judge(turn, event) for turn in batch for event in events]


def changing(change: Callable[[Detection], Any]) -> type[Good]:
    """Return a detector that changes each detection it gives."""

    class Changing(Good):
        name = "bad"

        def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
            return [change(detection) for detection in super().detect(batch, events)]

    return Changing


def unchecked(**fields: Any) -> Callable[[Detection], Detection]:
    """Return what sets fields, past the checks of `Detection`."""
    return lambda d: d.model_copy(update=fields)


class Forgets(Good):
    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        return super().detect(batch, events)[:-1]


class Repeats(Good):
    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        return super().detect(batch, events) * 2


class NeedsSomething(Good):
    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        return [max([judge(t, e) for t in batch], key=lambda d: d.score) for e in events] and (
            super().detect(batch, events)
        )


class FallsOver(Good):
    """Cannot encode a lone surrogate."""

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        for each in batch:
            each.interaction.input.encode()
        return super().detect(batch, events)


class NeedsAnAnswer(Good):
    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        for each in batch:
            assert each.interaction.output is not None
        return super().detect(batch, events)


class TooMany(Good):
    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        return super().detect(batch, events[: MANY - 1])


class Random(Good):
    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        return [
            d.model_copy(update={"score": random.random()}) for d in super().detect(batch, events)
        ]


class Ranks(Good):
    """Says how long an input is, beside the others of the batch."""

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        most = max((len(t.interaction.input) for t in batch), default=1) or 1
        scores = {t.interaction.task_id: len(t.interaction.input) / most for t in batch}
        return [
            d.model_copy(update={"score": scores[d.task_id]}) for d in super().detect(batch, events)
        ]


class Sorts(Good):
    def detect(self, batch: Any, events: Sequence[EventDefinition]) -> Any:
        batch.sort(key=lambda turn: turn.interaction.input)
        return super().detect(batch, events)


class Marks(Good):
    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        for each in batch:
            if isinstance(each.interaction.metadata, dict):
                each.interaction.metadata["seen"] = True
        return super().detect(batch, events)


class Shares(Good):
    """Keeps the batch on itself."""

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        self.batch = batch
        time.sleep(0.002)
        return super().detect(self.batch, events)


class Refuses(Good):
    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        raise DetectorError("I need keywords.")


class Nameless(Good):
    name = " "


BROKEN = [
    pytest.param(Nameless, "Give it a `name`", id="no-name"),
    pytest.param(object, "has the name None", id="no-detector"),
    pytest.param(Refuses, "refused: I need keywords.", id="refuses-plain-turns"),
    pytest.param(Forgets, "about plain turns, gave no verdict for", id="forgets-one"),
    pytest.param(Repeats, "gave two verdicts for", id="says-it-twice"),
    pytest.param(changing(lambda d: {"score": d.score}), "returned {'score'", id="dict"),
    pytest.param(changing(unchecked(event_id="x")), "nobody asked for", id="another-event"),
    pytest.param(changing(unchecked(score=float("nan"))), "the score nan", id="nan"),
    pytest.param(changing(unchecked(score=1.5)), "from 0 to 1", id="too-high"),
    pytest.param(changing(unchecked(score="high")), "A score is a number", id="no-number"),
    pytest.param(changing(unchecked(detected=1)), "Say True or False", id="no-bool"),
    pytest.param(
        changing(unchecked(evidence=Evidence(side="input", quote="Never said"))),
        "does not occur in the input",
        id="invented-quote",
    ),
    pytest.param(NeedsSomething, "about no turn, raised ValueError", id="empty-batch"),
    pytest.param(FallsOver, "a lone surrogate of the user, raised UnicodeEnc", id="surrogate"),
    pytest.param(NeedsAnAnswer, "raised AssertionError", id="no-answer"),
    pytest.param(TooMany, "with 200 definitions, gave no verdict", id="many-definitions"),
    pytest.param(Random, "asked again, said", id="random"),
    pytest.param(Ranks, "one turn alone, said", id="depends-on-the-batch"),
    pytest.param(Sorts, "changed what it was given", id="sorts-the-batch"),
    pytest.param(Marks, "changed what it was given", id="writes-metadata"),
    pytest.param(Shares, "by 2 threads at once, gave", id="threads"),
    pytest.param(changing(unchecked(value="ugly")), "Answer from 1.0 to 10.0", id="no-score"),
    pytest.param(changing(unchecked(value=3.0)), "Answer with one of", id="no-category"),
]


@pytest.mark.parametrize(("detector", "message"), BROKEN)
def test_a_broken_promise_is_named_with_what_to_do(detector: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message) as failed:
        check_detector(detector())
    assert str(failed.value).endswith((".", "by it.", "Detector."))


def test_who_keeps_all_promises_passes() -> None:
    check_detector(Good())


@pytest.mark.parametrize(
    ("detector", "switch"),
    [
        pytest.param(Random, "deterministic", id="random"),
        pytest.param(Ranks, "batch_independent", id="depends-on-the-batch"),
        pytest.param(Shares, "thread_safe", id="threads"),
    ],
)
def test_what_does_not_apply_can_be_switched_off(detector: type[Good], switch: str) -> None:
    check_detector(detector(), **{switch: False})  # type: ignore[arg-type]


class OnlyPlain(Good):
    """Refuses what it cannot read, as it may."""

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        known = {*PLAIN_TEXTS, "Hello"}
        if any(turn.interaction.input not in known for turn in batch):
            raise DetectorError("I cannot read this.")
        return super().detect(batch, events)


def test_a_detector_may_refuse_what_it_cannot_judge() -> None:
    check_detector(OnlyPlain())


def test_definitions_and_turns_of_ones_own_are_used() -> None:
    seen: set[tuple[str, str]] = set()

    class Watches(Good):
        def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
            seen.update((t.interaction.input, e.description) for t in batch for e in events)
            return super().detect(batch, events)

    check_detector(Watches(), definitions=[event("mine")], turns=[turn("my words")])
    assert ("my words", "mine") in seen
    assert {description for _, description in seen} == {"mine"}
    with pytest.raises(ValueError, match="at least one"):
        check_detector(Watches(), definitions=[])


def test_strangers_send_no_answer_history_and_long_texts() -> None:
    turns = hostile_turns().values()
    assert any(turn.interaction.output is None for turn in turns)
    assert max(len(turn.history) for turn in turns) == 100
    assert max(len(turn.interaction.input) for turn in turns) >= 99_000
    assert len({turn.interaction.task_id for turn in turns}) == len(turns)


def test_rules_keep_their_promises() -> None:
    check_detector(RulesDetector(), definitions=WORDING)


def test_semantic_keeps_its_promises(semantic: SemanticDetector) -> None:
    check_detector(semantic)


def test_auto_keeps_its_promises(semantic: SemanticDetector) -> None:
    auto = AutoDetector(rules=RulesDetector(), semantic=semantic)
    check_detector(auto, definitions=[*WORDING, event("The user wants a refund")])


def test_the_encoder_keeps_its_promises(encoder: UseEncoder) -> None:
    check_embedder(encoder)


class Embeds:
    """Counts letters; the others below break one promise each."""

    id = "letters/1"
    dim = 27

    def encode(self, texts: Sequence[str]) -> Any:
        counts = np.array(
            [[t.lower().count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for t in texts]
        )
        vectors = np.ones((len(texts), self.dim), dtype=np.float32)
        vectors[:, :26] += counts.reshape(len(texts), 26)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def embedding(change: Callable[[Any], Any], **attributes: Any) -> Any:
    class Changed(Embeds):
        def encode(self, texts: Sequence[str]) -> Any:
            return change(super().encode(texts))

    embedder = Changed()
    for name, value in attributes.items():
        setattr(embedder, name, value)
    return embedder


class LearnsItsDim(Embeds):
    """Knows how many numbers there are once its model was asked."""

    dim = 0

    def encode(self, texts: Sequence[str]) -> Any:
        self.dim = 27
        return super().encode(texts)


class NeverLearnsItsDim(Embeds):
    dim = 0

    def encode(self, texts: Sequence[str]) -> Any:
        return np.ones((len(texts), 27), dtype=np.float32)


def test_the_dim_may_be_known_once_the_model_was_asked() -> None:
    check_embedder(LearnsItsDim())


class Empties(Embeds):
    def encode(self, texts: Any) -> Any:
        vectors = super().encode(texts)
        texts.clear()
        return vectors


class Stumbles(Embeds):
    def encode(self, texts: Sequence[str]) -> Any:
        if "" in texts:
            raise IndexError("no tokens")
        return super().encode(texts)


class Centres(Embeds):
    def encode(self, texts: Sequence[str]) -> Any:
        vectors = super().encode(texts)
        if len(vectors):
            vectors = vectors - 0.5 * vectors.mean(axis=0)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def noisy(vectors: Any) -> Any:
    vectors = vectors + np.random.default_rng().normal(size=vectors.shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("embedder", "message"),
    [
        pytest.param(embedding(lambda v: v, id=""), "Give it an `id`", id="no-id"),
        pytest.param(embedding(lambda v: v, dim=None), "how many numbers", id="no-dim"),
        pytest.param(NeverLearnsItsDim(), "how many numbers", id="never-a-dim"),
        pytest.param(embedding(lambda v: v[:, 1:]), r"shape \(5, 27\)", id="other-shape"),
        pytest.param(embedding(lambda v: v.tolist()), "returned list", id="no-array"),
        pytest.param(embedding(lambda v: v.astype(np.float64)), "np.float32", id="doubles"),
        pytest.param(embedding(lambda v: v * np.float32(2)), "Divide each", id="not-unit"),
        pytest.param(embedding(lambda v: v * np.float32("nan")), "NaN", id="nan"),
        pytest.param(
            embedding(lambda v: v if len(v) > 0 else np.zeros(0, dtype=np.float32)),
            r"given no text, returned \(0,\)",
            id="empty-list",
        ),
        pytest.param(Stumbles(), "given an empty text, raised IndexError", id="empty-text"),
        pytest.param(embedding(noisy), "other vectors again", id="random"),
        pytest.param(Centres(), "when each is encoded alone", id="depends-on-the-batch"),
        pytest.param(Empties(), "changed the list", id="changes-the-list"),
    ],
)
def test_a_broken_promise_of_an_embedder_is_named(embedder: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_embedder(embedder)


def test_an_embedder_that_keeps_its_promises_passes() -> None:
    check_embedder(Embeds())
    check_embedder(Centres(), batch_independent=False)
    check_embedder(embedding(noisy), deterministic=False)


def test_threads_that_fail_leave_none_behind() -> None:
    before = threading.active_count()
    with pytest.raises(AssertionError):
        check_detector(Shares())
    assert threading.active_count() == before


def test_importing_phospho_testing_loads_no_detector_model_or_numpy() -> None:
    done = run_script(
        """
        import phospho.testing, sys
        heavy = ("pydantic", "numpy", "phospho.models", "phospho.detectors", "flask")
        print([name for name in heavy if name in sys.modules])
        """
    )
    assert done.stdout == "[]\n"
