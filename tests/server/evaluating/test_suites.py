from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.errors import ConfigurationError
from phospho_server.evaluating.judged import Verdict, pair_up
from phospho_server.evaluating.predictions import look_up, read_predictions
from phospho_server.evaluating.suites import read_suite, read_suites
from tests.server.evaluating.builders import suite, write_suite

EVENTS: list[dict[str, Any]] = [
    {"name": "sorry", "description": "The assistant said 'sorry'"},
    {
        "name": "thanks",
        "description": "The user thanked the agent",
        "examples": [{"input": "ta", "output": ""}, {"input": "cheers", "output": ""}],
    },
]
ROWS: list[dict[str, Any]] = [
    {"id": "a", "session_id": "s", "input": "hi", "output": "Sorry", "events": ["sorry"]},
    {"id": "b", "session_id": "s", "input": "ta", "events": ["thanks"], "ignore": ["sorry"]},
]


def test_a_suite_is_definitions_turns_and_labels(tmp_path: Path) -> None:
    read = read_suite(write_suite(tmp_path / "small", EVENTS, ROWS))
    assert read.name == "small"
    assert [len(d.examples) for d in read.definitions] == [0, 2]
    assert [len(d.examples) for d in read.with_examples(1).definitions] == [0, 1]
    assert [t.interaction.task_id for t in read.turns[1:]] == ["b"]
    assert read.turns[1].history == (read.turns[0].interaction,)
    sorry, thanks = (d.id for d in read.definitions)
    assert read.labels == {("a", sorry): True, ("a", thanks): False, ("b", thanks): True}
    assert not read.is_about_wording


def test_each_suite_of_a_folder_is_read_by_name(tmp_path: Path) -> None:
    for name in ("two", "one"):
        write_suite(tmp_path / name, EVENTS[:1], [{**ROWS[0]}])
    (tmp_path / "notes").mkdir()
    assert [each.name for each in read_suites(tmp_path)] == ["one", "two"]
    assert [each.name for each in read_suites(tmp_path / "one")] == ["one"]
    assert all(each.is_about_wording for each in read_suites(tmp_path))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param({"id": "a"}, 'line 2: "events" must be a list', id="no-labels"),
        pytest.param({"id": "a", "events": "sorry"}, "must be a list", id="no-list"),
        pytest.param({"id": "a", "events": ["sory"]}, "names 'sory'", id="unknown-event"),
        pytest.param({"id": "a", "events": [], "ignore": ["x"]}, '"ignore" names', id="ignored"),
    ],
)
def test_a_label_that_cannot_be_meant_is_named(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    first = {"id": "0", "events": []}
    with pytest.raises(ConfigurationError, match=message):
        read_suite(write_suite(tmp_path / "s", EVENTS, [first, row]))


def test_folders_without_suites_or_interactions_say_what_a_suite_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"events\.json and interactions\.jsonl"):
        read_suites(tmp_path)
    with pytest.raises(ConfigurationError, match="holds no interaction"):
        read_suite(write_suite(tmp_path / "s", EVENTS, []))


def test_what_has_no_verdict_is_a_no_and_what_has_no_label_does_not_count() -> None:
    of = suite(["x", "y"], a={"x"}, b=set())
    labels = {("x", "id-a"): True, ("y", "id-a"): False}
    of = type(of)(of.name, of.definitions, of.turns, labels)
    pairs = pair_up(of, {("y", "id-a"): Verdict(True, 0.9)})
    assert list(pairs) == ["a"]
    assert [(p.occurred, p.detected, p.score) for p in pairs["a"]] == [
        (True, False, None),
        (False, True, 0.9),
    ]


def written(folder: Path, *lines: Any) -> Path:
    path = folder / "predictions.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_predictions_belong_to_the_suite_they_name_or_to_any(tmp_path: Path) -> None:
    of = suite(["x", "y"], a={"x"})
    path = written(
        tmp_path,
        {"id": "x", "event": "a", "detected": False, "score": 0.1},
        {"id": "x", "event": "a", "detected": True, "score": 0.7, "suite": "suite"},
        {"id": "y", "event": "a", "detected": True, "suite": "another"},
    )
    pairs = look_up(of, read_predictions(path)).pairs["a"]
    assert [(p.detected, p.score) for p in pairs] == [(True, 0.7), (False, None)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param({"id": "x", "detected": True}, '"event" must be', id="no-event"),
        pytest.param({"id": "x", "event": "a"}, '"detected" must be', id="no-verdict"),
        pytest.param({"id": "x", "event": "a", "detected": 1}, '"detected" must', id="number"),
        pytest.param({"id": "x", "event": "a", "detected": True, "score": 7}, "0 to 1", id="score"),
        pytest.param(
            {"id": "x", "event": "a", "detected": True, "score": True}, "0 to 1", id="bool"
        ),
        pytest.param(
            {"id": "x", "event": "a", "detected": True, "score": float("nan")}, "0 to 1", id="nan"
        ),
    ],
)
def test_a_prediction_that_cannot_be_read_is_named(
    tmp_path: Path, line: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"line 1: .*{message}"):
        read_predictions(written(tmp_path, line))


def test_predictions_of_something_else_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, {"id": "other", "event": "a", "detected": True})
    with pytest.raises(ConfigurationError, match="about 'suite'"):
        look_up(suite(["x"], a={"x"}), read_predictions(path))


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5)
    | st.sampled_from(["sorry", "thanks", "\ud83d", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)  # fmt: skip
keys = ["id", "session_id", "input", "output", "events", "ignore", "event", "detected", "score"]
lines = st.dictionaries(st.sampled_from(keys), values).map(json.dumps) | st.text(max_size=20)


@given(st.lists(lines, max_size=4))
def test_whatever_stands_in_a_file_it_is_read_or_refused_with_its_line(
    tmp_path_factory: pytest.TempPathFactory, content: list[str]
) -> None:
    folder = write_suite(tmp_path_factory.mktemp("s"), EVENTS, [])
    path = folder / "interactions.jsonl"
    path.write_bytes("\n".join(content).encode("utf-8", "surrogatepass"))
    try:
        read = read_suite(folder)
        assert {task_id for task_id, _ in read.labels} <= {
            turn.interaction.task_id for turn in read.turns
        }
    except ConfigurationError as exc:
        assert "line" in str(exc) or "holds no interaction" in str(exc)
    try:
        assert all(0 <= (v.score or 0) <= 1 for v in read_predictions(path).values())
    except ConfigurationError as exc:
        assert "line" in str(exc)
