from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import phospho
from phospho.detectors.registry import find_detector, load_detectors, route, run_detector
from phospho.detectors.semantic import SemanticDetector
from phospho.errors import DetectorError
from phospho.models import Detection, EventDefinition, Evidence, Turn
from phospho.plugins import Plugins
from tests.detectors.builders import event, turn


class Fixed:
    """A detector that answers what it is told to."""

    def __init__(self, name: str, answer: Callable[[], Any]) -> None:
        self.name = name
        self._answer = answer

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> Any:
        return self._answer()


class Embeds:
    id = "mine"
    dim = 2

    def encode(self, texts: Sequence[str]) -> Any:
        raise NotImplementedError


class Brings:
    def __init__(self, detectors: Sequence[Any] = (), embedders: Sequence[Any] = ()) -> None:
        self._detectors, self._embedders = detectors, embedders

    @phospho.hookimpl
    def phospho_register_detectors(self) -> Any:
        return self._detectors

    @phospho.hookimpl
    def phospho_register_embedders(self) -> Any:
        return self._embedders


class Raises:
    @phospho.hookimpl
    def phospho_register_detectors(self) -> Any:
        raise RuntimeError("broken")


def detection(**fields: Any) -> Detection:
    return Detection(**{"event_id": "e", "task_id": "t1", "detected": True, "score": 1, **fields})


def load(*plugins: object) -> dict[str, Any]:
    return dict(load_detectors(Plugins(plugins=plugins, entry_points=False)))


def test_the_built_in_detectors_come_by_the_same_hook() -> None:
    assert list(load()) == ["rules", "semantic", "llm", "auto", "sentiment", "language"]


def test_a_stranger_adds_a_detector_and_a_broken_one_costs_only_itself() -> None:
    assert list(load(Brings([Fixed("mine", list)]), Raises())) == [
        "rules",
        "semantic",
        "llm",
        "auto",
        "sentiment",
        "language",
        "mine",
    ]


def test_a_taken_name_is_reported_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="phospho"):
        found = load(Brings([Fixed("rules", list)]))
    assert not isinstance(found["rules"], Fixed)
    assert "already taken" in caplog.text


def test_the_embedder_registered_last_is_used() -> None:
    semantic = load(Brings(embedders=[Embeds()]))["semantic"]
    assert isinstance(semantic, SemanticDetector)
    assert isinstance(semantic.embedder, Embeds)


def test_definitions_are_grouped_by_their_detector() -> None:
    a, b, c = event("a"), event("b", detector="rules"), event("c", detector="semantic")
    wording, plugin = event("The user says 'd'"), event("e", detector="acme")
    assert route([a, b, c, wording, plugin]) == {
        "semantic": [a, c],
        "rules": [b, wording],
        "acme": [plugin],
    }


def test_an_unknown_detector_is_named_with_the_known_ones() -> None:
    with pytest.raises(DetectorError, match=r"'acme'.*Install.*: rules, semantic, llm, auto"):
        find_detector("acme", load())


def run(answer: Callable[[], Any]) -> list[Detection]:
    return run_detector(Fixed("mine", answer), [turn("hello")], [event("The user greets", id="e")])


def _raise() -> Any:
    raise ValueError("oh no")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(list, "gave no verdict", id="none"),
        pytest.param(lambda: [detection(), detection()], "two verdicts", id="twice"),
        pytest.param(lambda: [detection(task_id="?")], "nobody asked", id="unknown-task"),
        pytest.param(lambda: [detection(event_id="?")], "nobody asked", id="unknown-event"),
        pytest.param(lambda: [True], "returned bool", id="no-detection"),
        pytest.param(lambda: None, "failed", id="nothing"),
        pytest.param(_raise, "oh no", id="raises"),
    ],
)
def test_an_unusable_answer_is_refused(answer: Callable[[], Any], message: str) -> None:
    with pytest.raises(DetectorError, match=message):
        run(answer)


def test_a_name_is_filled_in_and_an_invented_quote_emptied() -> None:
    evidence = Evidence(side="input", quote="never said", reason="because")
    (found,) = run(lambda: [detection(evidence=evidence)])
    assert found.detector == "mine"
    assert found.evidence == Evidence(side="input", quote="", reason="because")


def test_a_quote_that_occurs_is_kept() -> None:
    evidence = Evidence(side="input", quote="ell")
    (found,) = run(lambda: [detection(evidence=evidence, detector="llm")])
    assert (found.evidence, found.detector) == (evidence, "llm")


def test_our_own_error_keeps_its_message() -> None:
    with pytest.raises(DetectorError, match="in quotes"):
        run_detector(load()["rules"], [turn("x")], [event("The user is happy")])


def test_nothing_to_do_asks_nobody() -> None:
    assert run_detector(Fixed("mine", _raise), [], []) == []
