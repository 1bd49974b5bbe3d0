"""Exports of Langfuse and LangSmith, in the forms in which they give them."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho_server.errors import InvalidError
from phospho_server.files.forms import traces
from tests.server.files.conftest import Importer, lines

# As `GET /api/public/traces/{id}` and the download of a trace give it.
TRACE: dict[str, Any] = {
    "id": "trace-1",
    "timestamp": "2026-11-20T09:00:00.000Z",
    "name": "support",
    "input": {"messages": [{"role": "user", "content": "Where is my order?"}]},
    "output": {"role": "assistant", "content": "On its way."},
    "sessionId": "chat-1",
    "userId": "ana",
    "release": "v2",
    "version": None,
    "metadata": {"plan": "pro"},
    "tags": ["web"],
    "public": False,
    "htmlPath": "/project/p/traces/trace-1",
    "latency": 1.5,
    "totalCost": 0.01,
    "observations": [
        {
            "id": "obs-2",
            "traceId": "trace-1",
            "type": "TOOL",
            "name": "find_order",
            "startTime": "2026-11-20T09:00:00.500Z",
            "endTime": "2026-11-20T09:00:00.700Z",
            "parentObservationId": "obs-1",
            "input": {"id": 7},
            "output": "found",
        },
        {
            "id": "obs-1",
            "traceId": "trace-1",
            "type": "GENERATION",
            "name": "answer",
            "model": "gpt-x",
            "startTime": "2026-11-20T09:00:00.100Z",
            "endTime": "2026-11-20T09:00:01.100Z",
            "parentObservationId": None,
            "usageDetails": {"input": 10, "output": 5, "total": 15},
            "level": "DEFAULT",
        },
    ],
    "scores": [{"name": "user-feedback", "value": 1, "dataType": "NUMERIC", "comment": "quick"}],
}


def flat(row: dict[str, Any]) -> dict[str, str]:
    """Return a row as an export in CSV has it: what is no text is JSON."""
    return {
        name: value if isinstance(value, str) else "" if value is None else json.dumps(value)
        for name, value in row.items()
    }


def as_csv(*rows: dict[str, Any]) -> str:
    text = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, columns, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(map(flat, rows))
    return text.getvalue()


ANSWERED = {
    "task_id": "trace-1",
    "session_id": "chat-1",
    "user_id": "ana",
    "version_id": "v2",
    "created_at": "2026-11-20T09:00:00.000Z",
    "input": "Where is my order?",
    "output": "On its way.",
    "flag": "success",
}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(lines(TRACE), "traces.jsonl", id="jsonl"),
        pytest.param(json.dumps([TRACE], indent=2), "traces.json", id="list"),
        pytest.param(json.dumps(TRACE, indent=2), "trace-1.json", id="download-of-one"),
        pytest.param(
            json.dumps({"data": [TRACE], "meta": {"page": 1}}),
            "answer.json",
            id="answer-of-the-api",
        ),
        pytest.param(as_csv(TRACE), "traces.csv", id="csv"),
    ],
)
def test_traces_of_langfuse_become_interactions(
    importer: Importer, content: str, name: str
) -> None:
    (row,) = importer.read(content, name)
    assert row.items() >= ANSWERED.items()
    assert row["notes"] == "quick"
    assert row["metadata"].items() >= {"plan": "pro", "model": "gpt-x", "tags": ["web"]}.items()
    assert row["metadata"]["usage"] == {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
    }
    generation, tool = row["steps"]
    assert (generation["kind"], generation["model"]) == ("llm", "gpt-x")
    assert (tool["kind"], tool["name"], tool["duration_ms"]) == ("tool", "find_order", 200)
    assert row["raw_input"] == TRACE["input"]
    assert importer.said == ["These are traces of Langfuse: each is an interaction."]


def test_the_table_of_traces_of_langfuse_has_a_column_for_each_score(importer: Importer) -> None:
    row = {
        "id": "t1",
        "timestamp": "2026-11-20T09:00:00.000Z",
        "name": "support",
        "userId": "ana",
        "sessionId": "",
        "release": "",
        "version": "3",
        "environment": "default",
        "input": "Hi",
        "output": "Hello",
        "usage": {"promptTokens": 3, "completionTokens": 2, "totalTokens": 5},
        "level": "DEFAULT",
        "observationCount": 2,
        "user-feedback": [0],
        "helpfulness": [0.7],
    }
    (kept,) = importer.read(as_csv(row), "1764240000-lf-traces-export-p.csv")
    assert (kept["input"], kept["output"], kept["flag"]) == ("Hi", "Hello", "failure")
    assert (kept["session_id"], kept["version_id"]) == ("t1", "3")
    assert kept["metadata"]["helpfulness"] == [0.7]
    assert kept["metadata"]["usage"]["total_tokens"] == 5


def observation(number: int, parent: str | None, **more: Any) -> dict[str, Any]:
    """Return a row of Langfuse's blob storage, in snake case."""
    return {
        "id": f"o{number}",
        "trace_id": "t1",
        "type": "SPAN",
        "name": f"call {number}",
        "start_time": f"2026-11-20 09:00:0{number}.000000",
        "end_time": f"2026-11-20 09:00:0{number}.500000",
        "parent_observation_id": parent,
        "user_id": "ana",
        "session_id": "chat-1",
        "input": f"in {number}",
        "output": f"out {number}",
        **more,
    }


def test_observations_of_langfuse_are_put_together_by_their_trace(importer: Importer) -> None:
    rows = [
        observation(2, "o1", type="GENERATION", provided_model_name="gpt-x"),
        observation(1, None, metadata='{"plan": "pro"}'),
        observation(3, "o9", trace_id="other"),
    ]
    report = importer.run(lines(*rows), "observations.jsonl")
    assert (report.added, report.runs_left_out, report.problems) == (1, 1, [])
    (row,) = importer.read(lines(*rows), "again.jsonl")
    assert (row["task_id"], row["session_id"], row["input"]) == ("t1", "chat-1", "in 1")
    assert row["created_at"] == "2026-11-20T09:00:01.000Z"
    assert [step["name"] for step in row["steps"]] == ["call 2"]
    assert row["metadata"].items() >= {"plan": "pro", "model": "gpt-x"}.items()


def test_a_trace_that_only_holds_others_says_what_they_say(importer: Importer) -> None:
    rows = [
        observation(1, None, input=None, output=None),
        observation(2, "o1", type="RETRIEVER"),
        observation(3, "o1", type="GENERATION"),
    ]
    (row,) = importer.read(lines(*rows), "observations.jsonl")
    assert (row["input"], row["output"]) == ("in 2", "out 3")
    report = importer.run(lines(observation(4, None, input=None, output="")), "more.jsonl")
    assert report.problems[0].reason == "It has neither an input nor an output."


def run(number: int, parent: int | None, **more: Any) -> dict[str, Any]:
    """Return a run as LangSmith's API gives it."""
    return {
        "id": f"run-{number}",
        "trace_id": "run-1",
        "parent_run_id": None if parent is None else f"run-{parent}",
        "name": f"call {number}",
        "run_type": "chain",
        "start_time": f"2026-11-20T09:00:0{number}.000000",
        "end_time": f"2026-11-20T09:00:0{number}.250000",
        "inputs": {"question": f"in {number}"},
        "outputs": {"output": f"out {number}"},
        "session_id": "id-of-the-project",
        "error": None,
        **more,
    }


ROOT = run(
    1,
    None,
    extra={"metadata": {"thread_id": "chat-1", "user_id": "ana", "plan": "pro"}},
    feedback_stats={"user_score": {"n": 1, "avg": 1.0}, "length": {"n": 1, "avg": 0.4}},
    tags=["web"],
)
MODEL = run(
    2,
    1,
    run_type="llm",
    inputs={"messages": [[{"lc": 1, "type": "constructor", "kwargs": {"content": "in 2"},
                           "id": ["langchain", "schema", "messages", "HumanMessage"]}]]},
    outputs={"generations": [[{"text": "out 2", "type": "ChatGeneration"}]]},
    prompt_tokens=10, completion_tokens=5, total_tokens=15,
    extra={"metadata": {"ls_model_name": "gpt-x"}},
)  # fmt: skip
TOOL = run(3, 2, run_type="tool", error="ToolError('no')", outputs=None)
LOST = run(4, 7, trace_id="run-7")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(lines(LOST, TOOL, ROOT, MODEL), "runs.jsonl", id="jsonl"),
        pytest.param(json.dumps({"runs": [LOST, ROOT, MODEL, TOOL]}), "runs.json", id="answer"),
        pytest.param(as_csv(ROOT, MODEL, TOOL, LOST), "runs.csv", id="csv"),
        pytest.param(
            lines({**ROOT, "child_runs": [{**MODEL, "child_runs": [TOOL]}]}, LOST),
            "runs.jsonl",
            id="within",
        ),
    ],
)
def test_runs_of_langsmith_are_put_together_by_their_trace(
    importer: Importer, content: str, name: str
) -> None:
    report = importer.run(content, name)
    assert (report.added, report.runs_left_out, report.problems) == (1, 1, [])
    (row,) = importer.read(content, name)
    assert (row["task_id"], row["session_id"], row["user_id"]) == ("run-1", "chat-1", "ana")
    assert (row["input"], row["output"], row["flag"]) == ("in 1", "out 1", "success")
    assert row["metadata"].items() >= {"plan": "pro", "model": "gpt-x", "tags": ["web"]}.items()
    assert row["metadata"]["usage"]["total_tokens"] == 15
    model, tool = row["steps"]
    assert (model["kind"], model["input"], model["output"]) == ("llm", "in 2", "out 2")
    assert (tool["kind"], tool["error"]["message"]) == ("tool", "ToolError('no')")


def test_what_is_far_from_its_trace_is_left_out_and_counted(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "MOST_WAITING", 10)
    between = [run(1, None, id=f"x{n}", trace_id=f"x{n}") for n in range(20)]
    report = importer.run(lines(ROOT, *between, MODEL), "runs.jsonl")
    assert (report.added, report.runs_left_out) == (21, 1)


def spoil(row: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """Return a row with a few of its values replaced by anything."""
    names = data.draw(st.sets(st.sampled_from(sorted(row)), max_size=4))
    return {**row, **{name: data.draw(junk) for name in names}}


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.sampled_from([TRACE, ROOT, MODEL, TOOL, observation(1, None), observation(2, "o1")]),
        min_size=1,
        max_size=4,
    ),
    st.data(),
    st.sampled_from(["jsonl", "csv"]),
)
def test_whatever_stands_in_a_foreign_export_is_read_or_named(
    importer: Importer, rows: list[dict[str, Any]], data: st.DataObject, ending: str
) -> None:
    spoilt = [spoil(row, data) for row in rows]
    content = as_csv(*spoilt) if ending == "csv" else lines(*spoilt)
    try:
        report = importer.run(content, f"any.{ending}")
    except InvalidError:
        return
    assert report.added <= report.read
