"""Runs over suites: settings, fitting without the suite that is judged, and what is reported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from phospho.detectors import Detector
from phospho.errors import ConfigurationError
from phospho.models import EventDefinition, Example, Turn
from phospho_server.evaluating.as_json import to_json
from phospho_server.evaluating.report import make_report
from phospho_server.evaluating.running import leave_one_out, run_settings
from phospho_server.evaluating.showing import show
from phospho_server.evaluating.suites import Suite
from tests.server.evaluating.builders import Scores, suite

TEXTS = [f"text {i}" for i in range(10)]


def sure(turn: Turn, event: EventDefinition) -> float:
    return int(turn.interaction.input.split()[1]) / 10


def counts_examples(turn: Turn, event: EventDefinition) -> float:
    return len(event.examples) / 10


def test_each_detector_meets_each_number_of_examples() -> None:
    given = suite(TEXTS, a=set(TEXTS))
    shown = given.definitions[0].model_copy(update={"examples": (Example(input="x"),) * 8})
    given = replace(given, definitions=[shown])
    detectors = {"one": Scores(counts_examples, "one"), "two": Scores(counts_examples, "two")}
    told: list[int] = []
    runs = run_settings(
        [given],
        lambda _: detectors,
        detectors=["one", "two"],
        examples=[0, 3, None],
        on_progress=told.append,
    )
    assert [run.label for run in runs] == [
        f"{name}, {many}"
        for name in ("one", "two")
        for many in ("0 examples", "3 examples", "all examples")
    ]
    assert [run.judged[0].pairs["a"][0].score for run in runs] == [0.0, 0.3, 0.8] * 2
    assert [run.versus for run in runs] == [None, 0, 0, 0, 0, 0]
    assert sum(told) == 6 * len(TEXTS)
    # Texts that were seen before are judged faster than new ones are.
    assert [run.per_cpu_s is not None for run in runs] == [True, *[False] * 5]


def named(name: str, **events: set[str]) -> Suite:
    return replace(suite(TEXTS, **events), name=name)


def test_weights_are_fitted_once_for_each_suite_on_all_the_others_about_meaning() -> None:
    wording = replace(
        named("wording", w=set()),
        definitions=[EventDefinition(id="id-w", name="w", description="The user said 'text 1'")],
    )
    suites = [named("a", x=set()), named("b", x=set()), named("c", x=set()), wording]
    fitted: list[list[str]] = []

    def make(training: Sequence[Suite]) -> Mapping[str, Detector]:
        fitted.append([each.name for each in training])
        return {"semantic": Scores(sure), "rules": Scores(sure)}

    run_settings(suites, leave_one_out(suites, make), examples=[0, 1])
    assert fitted == [["b", "c"], ["a", "c"], ["a", "b"], ["a", "b", "c"]]


def test_a_single_suite_cannot_be_left_out() -> None:
    suites = [named("a", x=set())]
    with pytest.raises(ConfigurationError, match="at least two"):
        leave_one_out(suites, lambda _: {})(suites[0])


@pytest.fixture
def reported() -> list[Any]:
    """Two runs over two suites: found exactly, and found in half of the cases."""
    first = named("first", good=set(TEXTS[5:]), bad=set(TEXTS[:5]))
    second = named("second", good=set(TEXTS[5:]))
    detectors = {"one": Scores(sure, "one"), "two": Scores(lambda _, __: 0.7, "two")}
    runs = run_settings([first, second], lambda _: detectors, detectors=["one", "two"])
    return make_report(runs, show=1)


def test_a_report_has_means_of_events_then_of_suites(reported: list[Any]) -> None:
    run = reported[0]
    assert [event.figures.f1 for event in run.suites[0].events] == [1.0, 0.0]
    assert run.suites[0].summary.f1 == 0.5
    assert run.mean.f1 == pytest.approx((0.5 + 1.0) / 2)
    assert run.mean.f1_interval.low < run.mean.f1 < run.mean.f1_interval.high
    assert run.mean_of_meaning is None
    assert reported[1].comparison.suites["second"].f1 == pytest.approx(2 / 3 - 1)
    assert reported[1].versus == "one, 0 examples"


def test_the_surest_errors_are_shown(reported: list[Any]) -> None:
    bad = reported[0].suites[0].events[1]
    assert (bad.wrong_yes[0].task_id, bad.wrong_yes[0].score) == ("text 9", 0.9)
    assert (bad.wrong_no[0].task_id, bad.wrong_no[0].score) == ("text 0", 0.0)


def test_a_report_is_json_and_lines_that_hold_the_same(reported: list[Any]) -> None:
    value = json.loads(json.dumps(to_json(reported), allow_nan=False))
    run = value["runs"][0]
    assert run["suites"]["first"]["macro_f1"] == 0.5
    assert run["suites"]["first"]["events"]["good"]["f1"] == 1.0
    assert run["suites"]["first"]["events"]["bad"]["wrong_no"][0]["input"] == "text 0"
    assert sum(b["pairs"] for b in run["reliability"]) == 30
    lines = list(show(reported))
    assert any(line.split()[:2] == ["first", "0.500"] for line in lines)
    assert any("bad: a wrong no (0.000) on text 0" in line for line in lines)
    assert any("F1 against 'one, 0 examples'" in line for line in lines)


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    hostile = "\x1b[2Jgone\nnext\ud83d"
    given = replace(suite([hostile], **{hostile: {hostile}}), name=hostile)
    runs = run_settings([given], lambda _: {"semantic": Scores(lambda _, __: 0.0)})
    lines = list(show(make_report(runs, show=1)))
    assert "    user: [2Jgone next" in lines
    assert [line for line in lines if not line.isprintable()] == []
