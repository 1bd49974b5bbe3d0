"""Which column is which field: by the usual names, by option, and by refusing to guess."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho_server.errors import InvalidError
from phospho_server.files.mapping import read_options
from phospho_server.files.values import read_time
from tests.server.files.conftest import Importer, lines

NOON = "2026-11-20T12:00:00.000Z"


@pytest.mark.parametrize(
    ("column", "value", "field", "kept"),
    [
        ("response", "out", "output", "out"),
        ("Completion", "out", "output", "out"),
        ("conversationId", "c1", "session_id", "c1"),
        ("Thread ID", "c1", "session_id", "c1"),
        ("chat_id", 7, "session_id", "7"),
        ("email", "ana@example.com", "user_id", "ana@example.com"),
        ("timestamp", "2026-11-20 12:00:00", "created_at", NOON),
        ("date", "2026-11-20", "created_at", "2026-11-20T00:00:00.000Z"),
        ("time", 1795176000, "created_at", NOON),
        ("created", "1795176000000", "created_at", NOON),
        ("feedback", "thumbs-up", "flag", "success"),
        ("thumbs", 0, "flag", "failure"),
        ("thumbs", "👎", "flag", "failure"),
        ("rating", "bad", "flag", "failure"),
        ("app_version", "1.2", "version_id", "1.2"),
    ],
)
def test_the_usual_names_are_understood_and_said(
    importer: Importer, column: str, value: object, field: str, kept: str
) -> None:
    (row,) = importer.read(lines({"question": "in", column: value}), "a.jsonl")
    assert (row["input"], row[field]) == ("in", kept)
    assert f"Column “{column}” is read as {field}." in importer.said
    assert "metadata" not in row


@pytest.mark.parametrize(
    ("column", "value"),
    [("rating", 4), ("rating", 1), ("feedback", "it was slow"), ("date", "yesterday"),
     ("time", 12), ("user", {"name": "Ana"}), ("id", "7")],
)  # fmt: skip
def test_what_is_not_clear_stays_metadata(importer: Importer, column: str, value: object) -> None:
    (row,) = importer.read(lines({"question": "in", column: value}), "a.jsonl")
    assert row["metadata"] == {column: value}


def test_options_go_before_guesses_and_the_rest_is_metadata(importer: Importer) -> None:
    table = "Frage;Antwort;prompt;user;Sterne\nWo?;Hier.;system;ana;5\n"
    asked = read_options(["input=Frage", "output=Antwort"])
    (row,) = importer.read(table, "fragen.csv", **asked)
    assert (row["input"], row["output"], row["user_id"]) == ("Wo?", "Hier.", "ana")
    assert row["metadata"] == {"prompt": "system", "Sterne": "5"}
    assert importer.said[-1] == "All others become metadata: prompt, Sterne."


def test_a_file_without_an_input_says_what_to_type(importer: Importer) -> None:
    table = "Datum,Was gefragt wurde,Antwort\n2026-11-20,Wo ist meine Bestellung?,Unterwegs.\n"
    with pytest.raises(InvalidError) as refused:
        importer.run(table, "fragen.csv")
    assert "It has: Datum, Was gefragt wurde, Antwort." in str(refused.value)
    assert "--map 'input=Was gefragt wurde' --map output=Antwort" in str(refused.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["input"], "--map FIELD=COLUMN"),
        (["prompt=a"], "one of the fields task_id, session_id"),
        (["input=a", "input=b"], "twice"),
        (["input=missing"], "no column “missing”. The file has: a, b."),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(
    importer: Importer, options: list[str], says: str
) -> None:
    with pytest.raises(InvalidError, match=says):
        importer.run("a,b\n1,2\n", "a.csv", **read_options(options))


def test_a_row_that_cannot_be_read_is_named_and_the_others_are_kept(importer: Importer) -> None:
    table = "question,created_at\nfine,2026-11-20\nlate,tomorrow\n,2026-11-20\nalso fine,\n"
    report = importer.run(table, "a.csv")
    assert (report.added, report.rows_left_out) == (2, 2)
    late, empty = report.problems
    assert (late.number, "“tomorrow” is no time" in late.reason) == (3, True)
    assert (empty.number, empty.reason) == (4, "Its column “question” is empty.")


def test_of_very_many_bad_rows_the_first_are_named(importer: Importer) -> None:
    report = importer.run("input\n" + "a,b\n" * 300, "a.csv")
    assert (len(report.problems), report.rows_left_out) == (20, 300)
    assert [problem.number for problem in report.problems] == list(range(2, 22))


def test_objects_in_the_place_of_texts_are_read_as_log_reads_them(importer: Importer) -> None:
    asked = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Where?"}]
    (row,) = importer.read(lines({"prompt": asked, "completion": {"text": "Here"}}), "a.jsonl")
    assert (row["input"], row["output"], row["raw_input"]) == ("Where?", "Here", asked)


def test_a_table_may_have_conversations_and_metadata_as_json(importer: Importer) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    cells = ["s1", json.dumps(turns), '{"plan": "pro"}']
    quoted = "\t".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    (row,) = importer.read(f"session_id\tmessages\tmetadata\n{quoted}\n", "a.tsv")
    assert (row["input"], row["output"], row["session_id"]) == ("Hi", "Hello", "s1")
    assert row["metadata"] == {"plan": "pro"}


def test_tool_calls_of_a_conversation_are_steps_with_what_the_tool_said(
    importer: Importer,
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"id":7}'}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Where is 7?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "on its way"},
        {"role": "assistant", "content": "On its way."},
        {"role": "user", "content": "Thanks"},
        {"role": "assistant", "refusal": "I can't.", "content": None},
    ]
    first, second = importer.read(lines({"messages": messages}), "finetuning.jsonl")
    assert (first["input"], first["output"]) == ("Where is 7?", "On its way.")
    assert first["steps"] == [
        {"kind": "tool", "name": "find", "input": '{"id":7}', "output": "on its way"}
    ]
    assert first["metadata"] == {"system_prompt": "Be brief."}
    assert (second["output"], "steps" in second) == ("I can't.", False)


def test_messages_go_before_what_else_is_called_a_prompt(importer: Importer) -> None:
    row = {"prompt": "v7", "messages": [{"role": "user", "content": "Hi"}], "chat_id": "c"}
    (kept,) = importer.read(lines(row), "a.jsonl")
    assert (kept["input"], kept["session_id"]) == ("Hi", "c")
    assert kept["metadata"] == {"prompt": "v7"}


def test_text_that_only_looks_guarded_is_left_as_it_is(importer: Importer) -> None:
    (row,) = importer.read("input,output\n'=1+1,'-5\n", "strangers.csv")
    assert (row["input"], row["output"]) == ("'=1+1", "'-5")


def test_an_export_of_the_pages_is_known_and_what_is_found_again_is_not_kept(
    importer: Importer,
) -> None:
    header = (
        "\ufefftask_id,session_id,created_at,user_id,version_id,flag,notes,language,sentiment,"
        "tokens,events,input,output,metadata\r\n"
    )
    row = 't1,s1,2026-11-20T12:00:00.000Z,ana,,success,,en,0.5,12,"{""refund"": 1}",\'=1,ok,\r\n'
    (kept,) = importer.read(header + row, "interactions.csv")
    assert kept == {
        "task_id": "t1",
        "session_id": "s1",
        "user_id": "ana",
        "created_at": NOON,
        "input": "=1",
        "output": "ok",
        "flag": "success",
    }


@pytest.mark.parametrize(
    ("value", "at_ms"),
    [
        (1795176000, 1795176000000),
        (1795176000.007, 1795176000007),
        ("1795176000007", 1795176000007),
        (1795176000007000, 1795176000007),
        ("1795176000007000000", 1795176000007),
        ("2026-11-20T12:00:00.007Z", 1795176000007),
        ("2026-11-20T13:00:00.007+01:00", 1795176000007),
        ("2026-11-20 12:00:00.007000 UTC", 1795176000007),
        (0, 0),
        (True, None),
        ("soon", None),
        ("9" * 400, None),
        (10**400, None),
        (float("nan"), None),
        ([], None),
    ],
)
def test_a_time_is_read_in_all_its_usual_forms(value: object, at_ms: int | None) -> None:
    assert read_time(value) == at_ms


names = st.sampled_from(
    ["input", "prompt", "output", "created_at", "time", "flag", "rating", "user", "session_id",
     "task_id", "metadata", "steps", "messages", "turns", "raw_input", "notes", "phospho_guarded"]
) | st.text(max_size=5)  # fmt: skip
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.dictionaries(names, junk, max_size=5), min_size=1, max_size=4), st.booleans())
def test_any_objects_are_read_or_named(
    importer: Importer, rows: list[dict[str, Any]], is_list: bool
) -> None:
    content = json.dumps(rows) if is_list else lines(*rows).encode("utf-8", "surrogatepass")
    try:
        report = importer.run(content, "any.json" if is_list else "any.jsonl")
    except InvalidError:
        return
    assert report.added <= report.read
