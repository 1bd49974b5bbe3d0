"""Reading files as strangers write them: separators, quotes, encodings, and what is damaged."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import tracemalloc
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho.errors import MissingDependencyError
from phospho_server.errors import InvalidError
from phospho_server.files.reading import READERS, find_format
from phospho_server.files.reading.opening import open_file
from phospho_server.files.rows import Problem, Row
from tests.server.files.conftest import Importer, lines


def read(path: Path) -> list[Row | Problem]:
    with open_file(path, lambda _: None) as opened:
        return list(READERS[find_format(opened)](opened))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param('input,output\n"a, b","c\nd"\n', id="commas"),
        pytest.param('input;output\r\n"a, b";"c\nd"\r\n', id="semicolons"),
        pytest.param('\ufeffinput\toutput\n"a, b"\t"c\nd"\n', id="tabs-and-a-mark"),
        pytest.param('\n\ninput|output\n"a, b"|"c\nd"', id="bars-and-no-last-newline"),
    ],
)
def test_csv_is_read_whatever_separates_its_cells(importer: Importer, content: str) -> None:
    (row,) = importer.read(content, "a.csv")
    assert (row["input"], row["output"]) == ("a, b", "c\nd")


def test_a_row_is_named_by_the_line_it_begins_in(importer: Importer) -> None:
    report = importer.run('input,output\n"a\nb\nc",d\nx,y,z\n', "a.csv")
    (problem,) = report.problems
    assert (report.added, problem.number) == (1, 5)
    assert "3 cells, and the first row 2" in problem.reason


def test_bytes_that_are_no_utf8_are_named_by_their_line(importer: Importer) -> None:
    report = importer.run("input\nfine\nschön\n".encode() + "schön\n".encode("latin-1"), "a.csv")
    (problem,) = report.problems
    assert (report.added, problem.number) == (2, 4)
    assert "not UTF-8" in problem.reason
    report = importer.run(lines({"input": "a"}).encode() + b'{"input": "\xe9"}\n', "a.jsonl")
    assert (report.added, report.problems[0].number) == (1, 2)
    assert "not UTF-8: byte 0xe9" in report.problems[0].reason


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("Größe,Frage\n".encode("latin-1"), "not UTF-8: its first row"),
        ("input,output\n".encode("utf-16"), "is UTF-16"),
        (b"PK\x03\x04...", "ZIP file, or a spreadsheet"),
        (b"PAR1...", "no Parquet file"),
        (gzip.compress(b"PAR1...", mtime=0), "Unpack it first"),
        (b"\x1f\x8b...", "damaged from its beginning"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_says_what_to_do(
    importer: Importer, content: bytes, says: str
) -> None:
    with pytest.raises(InvalidError, match=says):
        importer.run(content, "a.csv")


def test_a_text_may_be_very_long(importer: Importer) -> None:
    (row,) = importer.read(f"input\n{'x' * 400_000}\n", "a.csv")
    assert row["input"] == "x" * 400_000


def test_a_quote_that_never_closes_costs_what_it_takes_in_and_no_more(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phospho_server.files.reading.csv_table._MAX_CELL", 1000)
    content = 'input\nfirst\n"open\n' + "".join(f"line {n}\n" for n in range(500))
    report = importer.run(content, "a.csv")
    assert (report.rows_left_out, report.problems[0].number) == (1, 3)
    assert "never close" in report.problems[0].reason
    assert report.added > 300


def test_a_list_of_objects_is_read_entry_by_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phospho_server.files.reading.json_values._CHUNK", 64 * 1024)
    path = tmp_path / "list.json"
    entry = {"input": "x" * 1000, "n": [1.5, {"a": ']},{\\"'}]}
    with path.open("w") as file:
        file.write("[" + ",\n ".join(json.dumps({**entry, "id": n}) for n in range(8_000)) + "]")
    tracemalloc.start()
    try:
        with open_file(path, lambda _: None) as opened:
            rows = READERS["json"](opened)
            ids = [row.value["id"] for row in rows if isinstance(row, Row)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ids == list(range(8_000))
    assert peak < path.stat().st_size / 2


@pytest.mark.parametrize(
    ("content", "numbers", "says"),
    [
        ('[{"a": 1}, {"a": 2} {"a": 3}]', [1, 2], "a comma should"),
        ('[{"a": 1}, {"a": nonsense}]', [1], "not JSON"),
        ('[{"a": 1}, {"a": 2}', [1, 2], "not closed"),
        ('[{"a": 1}, 5, {"a": 2}]', [1, 3], "no JSON object"),
        ('{\n"a": 1\n}\n{\n"a": 2\n}\n', [1, 2], ""),
        ("[]", [], ""),
    ],
)
def test_json_is_read_up_to_its_damage(
    tmp_path: Path, content: str, numbers: list[int], says: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    rows = read(path)
    assert [row.number for row in rows if isinstance(row, Row)] == numbers
    problems = [row.reason for row in rows if isinstance(row, Problem)]
    assert len(problems) == (says != "")
    assert all(says in reason for reason in problems)


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.lists(cells, min_size=2, max_size=2), max_size=5),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_table_that_csv_can_write_is_read_as_it_was(
    tmp_path: Path, table: list[list[str]], delimiter: str, newline: str
) -> None:
    text = io.StringIO()
    # Without it, a lone carriage return is left outside of quotes.
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([["first", "second"], *table])
    path = tmp_path / "a.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    kept = [
        [row.value["first"] or "", row.value["second"] or ""]
        for row in read(path)
        if isinstance(row, Row)
    ]
    assert kept == table


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=200)
    | st.text(alphabet='{}[]",:;\n\r\tinput1\\\u00e9', max_size=60).map(lambda t: t.encode()),
    st.sampled_from(["any.csv", "any.json", "any.jsonl", "any.txt", "any.parquet"]),
)
def test_any_bytes_are_read_or_named(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    try:
        rows = read(path)
    except InvalidError:
        return
    assert all(isinstance(row, Row | Problem) for row in rows)


def test_columns_of_parquet_are_read_whatever_their_type(
    importer: Importer, tmp_path: Path
) -> None:
    at = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
    table = pa.table(
        {
            "prompt": ["Hi"],
            "answer": pa.array(["Hello"]).dictionary_encode(),
            "timestamp": [at],
            "price": [Decimal("1.50")],
            "score": [float("nan")],
            "tags": [["a", "b"]],
            "facts": [{"n": 1, "at": at}],
            "bytes": [b"\xff"],
        }
    )
    pq.write_table(table, tmp_path / "source.parquet")
    (row,) = importer.read((tmp_path / "source.parquet").read_bytes(), "a.parquet")
    assert (row["input"], row["output"]) == ("Hi", "Hello")
    assert row["created_at"] == "2026-11-20T12:00:00.000Z"
    assert row["metadata"] == {
        "price": 1.5,
        "tags": ["a", "b"],
        "facts": {"n": 1, "at": "2026-11-20T12:00:00+00:00"},
        "bytes": "\ufffd",
    }


def test_damage_within_a_parquet_file_is_named(importer: Importer, tmp_path: Path) -> None:
    path = tmp_path / "source.parquet"
    pq.write_table(
        pa.table({"input": [f"text {n}" for n in range(5000)]}), path, row_group_size=500
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 200] = bytes(200)
    report = importer.run(bytes(content), "a.parquet")
    assert 0 < report.added < 5000
    assert "damaged from here on" in report.problems[-1].reason


def test_without_pyarrow_it_is_said_what_to_install(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'phospho\[parquet\]'"):
        importer.run(b"PAR1" + bytes(20), "a.parquet")
