from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from phospho.detectors import Detector
from phospho.detectors.rules import RulesDetector
from phospho.detectors.semantic import SemanticDetector
from phospho.errors import (
    ConfigurationError,
    DefinitionError,
    DetectorError,
    MissingDependencyError,
    PhosphoError,
)
from phospho_server.detect_files import detect_files, read_turns
from phospho_server.judging_files import BATCH

RULES: Mapping[str, Detector] = {"auto": RulesDetector(), "rules": RulesDetector()}
EVENT = {"name": "hi", "description": "The user says 'hi'"}


def write(path: Path, content: Any) -> Path:
    if isinstance(content, list) and path.suffix == ".jsonl":
        content = "".join(json.dumps(row) + "\n" for row in content)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def run(folder: Path, events: Any, rows: Any, **options: Any) -> list[dict[str, Any]]:
    out = folder / "out.jsonl"
    detect_files(
        write(folder / "events.json", events),
        write(folder / "rows.jsonl", rows),
        out,
        **{"detectors": RULES, **options},
    )
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_each_interaction_meets_each_definition(tmp_path: Path) -> None:
    rows = [{"id": 1, "session_id": "s", "input": "Hi", "output": None}, {"id": "b", "input": "ho"}]
    assert run(tmp_path, [EVENT, {"name": "n", "description": "The user says 'ho'"}], rows) == [
        {"id": "1", "event": "hi", "detected": True, "score": 1.0},
        {"id": "1", "event": "n", "detected": False, "score": 0.0},
        {"id": "b", "event": "hi", "detected": False, "score": 0.0},
        {"id": "b", "event": "n", "detected": True, "score": 1.0},
    ]


def test_progress_is_told_after_each_batch(tmp_path: Path) -> None:
    told: list[int] = []
    rows = [{"id": str(i), "input": "x"} for i in range(BATCH + 1)]
    run(tmp_path, [EVENT], rows, on_progress=told.append)
    assert told == [BATCH, BATCH + 1]


def test_history_is_the_earlier_rows_of_the_session(tmp_path: Path) -> None:
    rows = [{"id": i, "session_id": s, "input": i} for i, s in (("a", "1"), ("b", "2"), ("c", "1"))]
    turns = list(read_turns(write(tmp_path / "rows.jsonl", rows)))
    assert [[h.task_id for h in t.history] for t in turns] == [[], [], ["a"]]


def test_examples_are_used_as_many_as_asked(tmp_path: Path, semantic: SemanticDetector) -> None:
    texts = ["my bike has a flat", "the tyre of my bicycle burst", "puncture on my front wheel"]
    definition = {
        "name": "seven",
        "description": "The user has issue type 7",
        "examples": [{"input": text, "output": None} for text in texts],
    }
    rows = [{"id": "a", "input": "I've got a flat tyre on my bike"}]
    detectors = {"semantic": semantic}
    verdicts = [
        run(tmp_path, [definition], rows, examples=n, detector="semantic", detectors=detectors)[0]
        for n in (0, 3)
    ]
    assert [v["detected"] for v in verdicts] == [False, True]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param('{"id": "a"}\n{oops\n', "line 2", id="not-json"),
        pytest.param("[]\n", 'an "id"', id="no-object"),
        pytest.param([{"input": "x"}], 'an "id"', id="no-id"),
        pytest.param([{"id": "a"}, {"id": "a"}], "twice", id="same-id"),
        pytest.param([{"id": "a", "input": 7}], "line 1: input", id="not-text"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, rows: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        run(tmp_path, [EVENT], rows)
    assert not list(tmp_path.glob("*out.jsonl*"))


@pytest.mark.parametrize(
    ("events", "options", "error", "message"),
    [
        pytest.param("{", {}, ConfigurationError, "not JSON", id="not-json"),
        pytest.param({}, {}, ConfigurationError, "a list", id="no-list"),
        pytest.param([7], {}, DefinitionError, "event 1", id="no-object"),
        pytest.param([{"name": "x"}], {}, DefinitionError, "description", id="no-description"),
        pytest.param([EVENT, EVENT], {}, DefinitionError, "twice", id="same-name"),
        pytest.param([{**EVENT, "pattern": "("}], {}, DefinitionError, "event 1", id="pattern"),
        pytest.param([{**EVENT, "examples": [7]}], {"examples": 1}, DefinitionError, "examples",
                     id="examples"),
        pytest.param([EVENT], {"examples": -1}, ConfigurationError, "0 or more", id="negative"),
        pytest.param([EVENT], {"detector": "acme"}, DetectorError, "Install", id="unknown"),
    ],
)  # fmt: skip
def test_bad_definitions_are_refused_with_advice(
    tmp_path: Path, events: Any, options: dict[str, Any], error: type[PhosphoError], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(tmp_path, events, [{"id": "a"}], **options)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    events, rows = write(tmp_path / "e.json", [EVENT]), write(tmp_path / "r.jsonl", [{"id": "a"}])
    out = tmp_path / "out.jsonl"
    with pytest.raises(ConfigurationError, match=r"nowhere\.json"):
        detect_files(tmp_path / "nowhere.json", rows, out, detectors=RULES)
    with pytest.raises(ConfigurationError, match=r"nowhere\.jsonl"):
        detect_files(events, tmp_path / "nowhere.jsonl", out, detectors=RULES)
    with pytest.raises(ConfigurationError, match="Choose a folder"):
        detect_files(events, rows, tmp_path / "no" / "out.jsonl", detectors=RULES)


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    rows = tmp_path / "r.jsonl"
    rows.write_bytes(b'{"id": "a"}\n\xff\xfe\n')
    with pytest.raises(ConfigurationError, match="UTF-8"):
        detect_files(write(tmp_path / "e.json", [EVENT]), rows, tmp_path / "o", detectors=RULES)


def test_halves_of_characters_are_written_as_json_escapes_them(tmp_path: Path) -> None:
    (verdict,) = run(tmp_path, [EVENT], [{"id": "half \ud83d", "input": "hi"}])
    assert verdict["id"] == "half \ud83d"


def test_an_event_of_a_session_is_written_once_and_a_score_with_its_value(
    tmp_path: Path, semantic: SemanticDetector
) -> None:
    event = {**EVENT, "scope": "session"}
    rows = [{"id": n, "session_id": s, "input": "hi"} for n, s in enumerate("aabab")]
    found = run(tmp_path, [event], rows)
    assert [row["detected"] for row in found] == [True, False, True, False, False]
    assert "value" not in found[0]
    scored = run(tmp_path, [{**EVENT, "answer": "score"}], rows, detectors={"semantic": semantic})
    assert all(row["value"] == pytest.approx(1 + 4 * row["score"]) for row in scored)


def test_a_language_is_detected_or_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [{"name": "spanish", "description": "The user writes in Spanish"}]
    rows = [
        {"id": "a", "input": "quiero hablar con una persona"},
        {"id": "b", "input": "hello you"},
    ]
    assert [row["detected"] for row in run(tmp_path, events, rows)] == [True, False]
    monkeypatch.setattr("phospho.detectors.language_wording.is_installed", lambda: False)
    with pytest.raises(MissingDependencyError, match=r"phospho\[language\]"):
        run(tmp_path, events, rows)
