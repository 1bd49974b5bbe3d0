"""The sample conversations are whole, tell their stories, and always end at "now"."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phospho_server.demo import sample_definitions, sample_interactions

NOON_MS = int(datetime(2026, 11, 25, 12, tzinfo=timezone.utc).timestamp() * 1000)
DAY_MS = 24 * 60 * 60 * 1000
LABELS: Mapping[str, Mapping[str, list[str]]] = json.loads(
    Path(__file__).with_name("labels.json").read_text(encoding="utf-8")
)
"""What really occurs: `{task_id: {"events": [names], "ignore": [arguable names]}}`."""

any_now_ms = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 (made aware below)
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
).map(lambda now: int(now.replace(tzinfo=timezone.utc).timestamp() * 1000))


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return list(sample_interactions(NOON_MS))


def by_session(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    sessions = defaultdict(list)
    for row in rows:
        sessions[row["session_id"]].append(row)
    return sessions


def weekday(at_ms: int) -> int:
    return datetime.fromtimestamp(at_ms / 1000, tz=timezone.utc).weekday()


def test_the_demo_has_some_200_sessions_of_some_70_users(rows: list[dict[str, Any]]) -> None:
    sessions = by_session(rows)
    assert 200 <= len(sessions) <= 220
    assert 650 <= len(rows) <= 800
    assert 65 <= len({row["user_id"] for row in rows}) <= 80
    assert {row["version_id"] for row in rows} == {"2026.10", "2026.11-rc", "2026.11"}
    lengths = {len(turns) for turns in sessions.values()}
    assert min(lengths) == 1
    assert max(lengths) >= 10


def test_files_are_small_enough_to_ship() -> None:
    package = files("phospho_server.demo")
    for name in ("conversations.jsonl", "events.json"):
        assert len(package.joinpath(name).read_bytes()) < 290_000


def test_every_interaction_is_a_whole_log_event(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert set(row) == {
            "task_id", "session_id", "user_id", "version_id", "input", "output", "metadata",
            "flag", "notes", "client_created_at_ms",
        }  # fmt: skip
        assert row["input"].strip() == row["input"] != ""
        assert row["output"] is None or row["output"].strip() == row["output"] != ""
        assert row["flag"] in {None, "success", "failure"}
        assert row["notes"] is None or row["flag"] is not None
        assert row["metadata"]["channel"] in {"web", "ios", "android"}
        assert row["metadata"]["plan"] in {"free", "plus"}
        assert row["metadata"]["usage"]["prompt_tokens"] > 0


def test_ids_are_unique_and_the_same_in_every_call(rows: list[dict[str, Any]]) -> None:
    ids = [row["task_id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert all(each.startswith("demo_") for each in ids)
    later = sample_interactions(NOON_MS + 3 * DAY_MS + 12_345)
    assert {row["task_id"]: row["input"] for row in rows} == {
        row["task_id"]: row["input"] for row in later
    }


@settings(deadline=None, max_examples=50)  # a slow machine is not a defect
@given(now_ms=any_now_ms)
def test_interactions_are_ordered_and_fill_the_30_days_before_now(now_ms: int) -> None:
    rows = list(sample_interactions(now_ms))
    times = [row["client_created_at_ms"] for row in rows]
    assert times == sorted(times)
    assert now_ms - DAY_MS <= times[-1] <= now_ms
    assert now_ms - 30 * DAY_MS <= times[0]
    for turns in by_session(rows).values():
        positions = [row["task_id"] for row in turns]
        assert positions == sorted(positions)


@pytest.mark.parametrize("days", range(7))
def test_weekends_are_quieter_whatever_day_it_is(days: int) -> None:
    now_ms = NOON_MS + days * DAY_MS
    counts = Counter(weekday(row["client_created_at_ms"]) for row in sample_interactions(now_ms))
    weekend = (counts[5] + counts[6]) / 2
    working_day = sum(counts[day] for day in range(5)) / 5
    assert weekend < 0.7 * working_day


def test_people_talk_by_day_and_traffic_grows(rows: list[dict[str, Any]]) -> None:
    hours = Counter((row["client_created_at_ms"] // 3_600_000) % 24 for row in rows)
    assert sum(hours[hour] for hour in range(1, 6)) < 0.05 * len(rows)
    days_ago = [(NOON_MS - row["client_created_at_ms"]) // DAY_MS for row in rows]
    assert sum(day < 10 for day in days_ago) > 1.3 * sum(day >= 20 for day in days_ago)


def test_the_release_candidate_brings_a_burst_of_failures_that_ends() -> None:
    now = datetime(2026, 11, 25, 23, 59, 59, tzinfo=timezone.utc)
    share: dict[bool, list[bool]] = {True: [], False: []}
    for row in sample_interactions(int(now.timestamp() * 1000)):
        at = datetime.fromtimestamp(row["client_created_at_ms"] / 1000, tz=timezone.utc)
        is_burst = timedelta(days=11) <= now - at < timedelta(days=14)
        share[is_burst].append(row["flag"] == "failure")
    assert sum(share[True]) / len(share[True]) > 5 * sum(share[False]) / len(share[False])


def test_users_return_and_versions_roll_over(rows: list[dict[str, Any]]) -> None:
    sessions = by_session(rows)
    visits = Counter(turns[0]["user_id"] for turns in sessions.values())
    assert sum(count > 1 for count in visits.values()) > 40
    mean_time = {
        version: sum(times) / len(times)
        for version in ("2026.10", "2026.11-rc", "2026.11")
        if (times := [row["client_created_at_ms"] for row in rows if row["version_id"] == version])
    }
    assert sorted(mean_time, key=mean_time.__getitem__) == ["2026.10", "2026.11-rc", "2026.11"]


def test_some_interactions_carry_feedback_of_both_kinds(rows: list[dict[str, Any]]) -> None:
    flags = Counter(row["flag"] for row in rows)
    assert 0.10 * len(rows) < flags["success"] + flags["failure"] < 0.20 * len(rows)
    assert min(flags["success"], flags["failure"]) > 30
    assert sum(row["notes"] is not None for row in rows) > 20


@pytest.mark.parametrize(
    ("event", "at_least"),
    [
        ("book_flight", 30),
        ("financial_advice", 10),
        ("ai_disclaimer", 10),
        ("slang_not_understood", 8),
        ("user_thanks", 90),
        ("stop_request", 8),
        ("wants_human", 15),
        ("refund_request", 15),
        ("lost_card", 10),
        ("card_number", 3),
        ("change_or_cancel", 10),
    ],
)
def test_each_event_really_occurs(event: str, at_least: int) -> None:
    assert sum(event in label["events"] for label in LABELS.values()) >= at_least


def test_labels_name_existing_interactions_and_events(rows: list[dict[str, Any]]) -> None:
    names = {definition.name for definition in sample_definitions()}
    assert set(LABELS) <= {row["task_id"] for row in rows}
    for label in LABELS.values():
        assert set(label["events"]) | set(label.get("ignore", [])) <= names


@pytest.mark.parametrize(
    ("side", "pattern", "at_least"),
    [
        pytest.param("output", r"^As an AI language model", 10, id="disclaimer"),
        pytest.param("output", r"^(Sorry, I did not understand|Désolé, je n'ai)", 9, id="lost"),
        pytest.param("output", r"Something went wrong on my side", 10, id="tool-error"),
        pytest.param("input", r"4111[ -]?1111[ -]?1111[ -]?1111", 3, id="card-number"),
        pytest.param("input", r"(?i)ignore all previous instructions", 1, id="injection"),
        pytest.param("input", r"(?s)^.{1200}", 1, id="very-long"),
        pytest.param("output", r"```python", 2, id="code"),
        pytest.param("output", r"(?m)^\|---", 1, id="table"),
        pytest.param("output", r"https://\w+\.example\.com", 8, id="url"),
        pytest.param("input", r"[\u0600-\u06ff]", 2, id="right-to-left"),
        pytest.param("input", r"[\u3040-\u30ff\u4e00-\u9fff]", 1, id="japanese"),
        pytest.param("input", r"[\U0001F300-\U0001FAFF]", 8, id="emoji"),
        pytest.param("input", r"(?i)\b(je|bonjour|merci)\b", 8, id="french"),
        pytest.param("input", r"(?i)\b(hola|gracias|puedo|vuelos)\b", 5, id="spanish"),
        pytest.param("input", r"(?i)\b(ich|danke|guten|bitte)\b", 8, id="german"),
    ],
)
def test_each_kind_of_text_occurs(
    rows: list[dict[str, Any]], side: str, pattern: str, at_least: int
) -> None:
    assert sum(bool(re.search(pattern, row[side] or "")) for row in rows) >= at_least


def test_the_app_crashed_a_few_times(rows: list[dict[str, Any]]) -> None:
    crashed = [row for row in rows if row["output"] is None]
    assert 1 <= len(crashed) <= 5
    assert all(row["metadata"]["error"] for row in crashed)


def test_no_real_address_or_card_is_in_the_texts(rows: list[dict[str, Any]]) -> None:
    text = json.dumps(rows, ensure_ascii=False)
    domains = re.findall(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)", text)
    hosts = re.findall(r"https?://([\w-]+(?:\.[\w-]+)+)", text)
    assert domains
    for name in [*domains, *hosts]:
        assert re.fullmatch(r"(?:[\w-]+\.)*example\.(?:com|org)", name), name
    for digits in re.findall(r"(?:\d[ -]?){15}\d", text):
        assert re.sub(r"\D", "", digits) == "4111111111111111"


def test_no_exchange_is_repeated_word_for_word(rows: list[dict[str, Any]]) -> None:
    pairs = Counter((row["input"].lower(), row["output"]) for row in rows)
    assert [pair for pair, count in pairs.items() if count > 1] == []
    outputs = Counter(row["output"] for row in rows if row["output"] and len(row["output"]) > 20)
    repeated = [text for text, count in outputs.items() if count > 1]
    assert all("went wrong on my side" in text for text in repeated)


def test_definitions_are_well_formed() -> None:
    definitions = sample_definitions()
    names = [definition.name for definition in definitions]
    assert len(set(names)) == len(names)
    assert 10 <= len(names) <= 12
    for definition in definitions:
        assert definition.id == f"demo_{definition.name}"
        assert re.fullmatch(r"[a-z_]+", definition.name)
        assert re.match(r"The (user|assistant) ", definition.description)
        assert definition.pattern is None or re.compile(definition.pattern)
        assert len(definition.examples) <= 6


def test_examples_are_not_copied_from_the_conversations(rows: list[dict[str, Any]]) -> None:
    said = {text.lower() for row in rows for text in (row["input"], row["output"] or "")}
    examples = [example for each in sample_definitions() for example in each.examples]
    assert examples
    for example in examples:
        assert not said & {example.input.lower(), example.output.lower()} - {""}


def test_the_card_number_pattern_finds_exactly_the_pasted_cards(
    rows: list[dict[str, Any]],
) -> None:
    (definition,) = (each for each in sample_definitions() if each.name == "card_number")
    assert definition.pattern is not None
    found = {row["task_id"] for row in rows if re.search(definition.pattern, row["input"])}
    assert found == {task for task, label in LABELS.items() if "card_number" in label["events"]}
