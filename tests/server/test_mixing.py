"""No figure mixes versions or models silently."""

from __future__ import annotations

import pytest

from phospho.models import EventDefinition, Example
from phospho_server.changes import Change, list_changes
from phospho_server.mixing import Mix, find_marks
from phospho_server.store.rows import Series
from phospho_server.store.versions import VerdictCount
from tests.server.builders import definition


def count(version: int, verdicts: int, detector: str = "rules", embedder: str = "") -> VerdictCount:
    return VerdictCount(version, detector, embedder, verdicts)


SO_FAR = "Version {} so far for the newest {} interactions; older ones are of {}."


@pytest.mark.parametrize(
    ("mix", "sentence"),
    [
        pytest.param(Mix(1, [count(1, 9)]), "", id="one-version"),
        pytest.param(
            Mix(3, [count(3, 12_000), count(2, 50_000), count(1, 3_000)]),
            SO_FAR.format(3, "12,000 of 65,000", "versions 2 and 1"),
            id="three-versions",
        ),
        pytest.param(
            Mix(2, [count(1, 7)]),
            "Version 2 has looked at no interaction yet; all 7 verdicts are of version 1.",
            id="not-begun",
        ),
        pytest.param(
            Mix(1, [count(1, 6, "semantic"), count(1, 2, "llm")]),
            "Its verdicts come from the detectors semantic (6) and llm (2).",
            id="detectors",
        ),
        pytest.param(
            Mix(1, [count(1, 6, "semantic", "use-1"), count(1, 2, "semantic", "use-2")]),
            "Its scores come from different models: use-1 (6) and use-2 (2).",
            id="models",
        ),
        pytest.param(
            Mix(2, [count(2, 6, "semantic", "new"), count(1, 2, "rules")]),
            SO_FAR.format(2, "6 of 8", "version 1"),
            id="a-version-with-another-detector",
        ),
    ],
)
def test_a_figure_says_where_it_comes_from(mix: Mix, sentence: str) -> None:
    assert mix.sentences == [sentence][: bool(sentence)]


def changed(**fields: object) -> list[Change]:
    old = definition(keywords=("one",), examples=(Example(input="book it"),))
    return list_changes(old, EventDefinition(**{**old.model_dump(), **fields}))


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        pytest.param(
            {"description": "New"},
            Change("Description", "The user is trying to book a flight", "New"),
            id="description",
        ),
        pytest.param(
            {"scope": "session"},
            Change("Where to look", "As the description says", "Session (once in each)"),
            id="scope",
        ),
        pytest.param({"detector": "rules"}, Change("Detector", "auto", "rules"), id="detector"),
        pytest.param({"keywords": ("a", "b")}, Change("Keywords", "one", "a, b"), id="keywords"),
        pytest.param({"pattern": "a+"}, Change("Pattern", "", "a+"), id="pattern"),
        pytest.param({"examples": ()}, Change("Examples", "book it", ""), id="examples"),
        pytest.param({"settings": {"k": 1}}, Change("Settings", "", '{"k": 1}'), id="settings"),
        pytest.param(
            {"answer": "score", "score_range": (0, 10)},
            Change("Scores", "", "0 to 10"),
            id="scores",
        ),
    ],
)
def test_what_differs_between_versions_is_told_in_words(
    fields: dict[str, object], change: Change
) -> None:
    assert change in changed(**fields)


def test_versions_that_are_equal_differ_in_nothing() -> None:
    assert changed() == []


def test_a_chart_is_marked_where_each_newer_version_begins() -> None:
    mixed = Mix(3, [count(3, 1), count(2, 1), count(1, 1)], {3: 250, 2: 100})
    other = Mix(2, [count(2, 1), count(1, 1)], {2: 299})
    series = Series([0, 100, 200])
    assert find_marks({"mood": mixed, "topic": other}, series) == {
        1: "mood: version 2 from here, older ones before",
        2: "mood: version 3 from here, older ones before; "
        "topic: version 2 from here, older ones before",
    }
    assert find_marks({"": mixed}, Series([110])) == {0: "version 3 from here, older ones before"}
