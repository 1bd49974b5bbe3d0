"""Filters: what an address asks a list for, and how the page says it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho_server.clock import DAY_MS, HOUR_MS, now_ms
from phospho_server.store import detections, feedback, message_facts
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.views import exports
from phospho_server.views.filters import NAMES
from tests.server.builders import add, define, interaction, verdict
from tests.server.views.conftest import Visitor, text_of

PAGE = (Path(__file__).parents[3] / "docs" / "lists.md").read_text(encoding="utf-8")

# Of each session: its name is its only word, its interactions as (time, facts).
NOW_MS = now_ms()
# 2020-10-11 12:00 UTC.
DAN_MS = 1_602_417_600_000
DAY_AGO_MS, WEEKS_AGO_MS = NOW_MS - DAY_MS - HOUR_MS, NOW_MS - 20 * DAY_MS


@pytest.fixture
def told(store: SqliteStore, project: Project) -> None:
    """Five sessions, the first heard of last; `dan` and `eve` years ago, at noon."""
    told: dict[str, list[dict[str, Any]]] = {
        "ada": [
            {"at": NOW_MS, "user_id": "u1", "version_id": "1", "events": {"refund"}},
            {"at": NOW_MS, "user_id": "u1", "version_id": "2", "events": {"thanks"}},
        ],
        "bob": [{"at": DAY_AGO_MS, "flag": "failure", "notes": "slow", "language": "fr"}],
        "cleo": [
            {"at": WEEKS_AGO_MS, "metadata": {"plan": "pro", "beta": True}, "events": {"refund"}},
            {"at": WEEKS_AGO_MS, "metadata": {"plan": "free", "model": "gpt-x"}},
            {"at": WEEKS_AGO_MS, "flag": "success", "sentiment": -0.8},
        ],
        "dan": [{"at": DAN_MS, "output": "Café \u00e0 la carte"}],
        "eve": [{"at": DAN_MS - 10 * DAY_MS, "metadata": {"a=b": "c=d", "n": 7}}] * 4,
    }
    ids = {name: define(store, project, name=name) for name in ("refund", "thanks", "never")}
    for name, lines in reversed(told.items()):
        for number, line in enumerate(lines):
            _tell(store, project, f"{name}{number}", line | {"session": name}, ids)


def _tell(
    store: SqliteStore, project: Project, task_id: str, line: Mapping[str, Any], ids: Any
) -> None:
    known = {k: v for k, v in line.items() if k in {"user_id", "version_id", "flag", "output"}}
    new = interaction(
        task_id,
        session_id=line["session"],
        input=f"name {line['session']}",
        created_at_ms=line["at"],
        metadata=json.dumps(line.get("metadata", {})),
        **known,
    )
    add(store, project, new)
    found = verdict(store, project, new, detected=True)
    if notes := line.get("notes"):
        store.write(
            lambda db: feedback.add_feedback(
                db, project.id, task_id, flag=None, notes=notes, source=None
            )
        )
    for event in line.get("events", ()):
        store.write(lambda db, e=event: detections.record(db, project.id, ids[e], [found]))  # type: ignore[misc]
    said = {
        name: [replace(found, value=json.dumps(line[name]))]
        for name in ("language", "sentiment")
        if name in line
    }
    if said:
        store.write(lambda db: message_facts.record(db, project.id, said))


def named(visitor: Visitor, address: str) -> Sequence[str]:
    """Return the sessions on a page, in its order."""
    page = visitor.get(address)
    assert page.status_code == 200
    body = page.get_data(as_text=True).partition("<tbody")[2].partition("</tbody>")[0]
    return list(dict.fromkeys(re.findall(r"name (\w+)", body)))


SESSIONS = [
    ("", "ada bob cleo dan eve"),
    ("q=cafe", "dan"),
    ("q=CAF%C3%89+name", "dan"),
    ("q=cafe+name+bob", ""),
    ("event=refund", "ada cleo"),
    ("event=refund&event=thanks", "ada"),
    ("event=refund&event=refund", "ada cleo"),
    ("event=never", ""),
    ("without=refund", "bob dan eve"),
    ("without=refund&without=thanks&without=never", "bob dan eve"),
    ("event=refund&without=thanks", "cleo"),
    ("event=refund&without=refund", ""),
    ("flag=success", "cleo"),
    ("flag=failure", "bob"),
    ("notes=yes", "bob"),
    ("user=u1", "ada"),
    ("user=u", ""),
    ("user=%20u1%20", "ada"),
    ("version=1", "ada"),
    ("version=1&user=u1&event=thanks", "ada"),
    ("model=gpt-x", "cleo"),
    ("metadata=model%3Dgpt-x", "cleo"),
    ("metadata=plan%3Dpro", "cleo"),
    ("metadata=plan%3Dpro&metadata=plan%3Dfree", "cleo"),
    ("metadata=plan%3Dpro&metadata=plan%3Dbasic", ""),
    ("metadata=beta%3Dtrue", "cleo"),
    ("metadata=n%3D7", "eve"),
    ("metadata=a%3Db%3Dc%3Dd", ""),
    ("language=fr", "bob"),
    ("sentiment=negative", "cleo"),
    ("sentiment=positive", ""),
    ("period=24h", "ada"),
    ("period=7d", "ada bob"),
    ("period=30d", "ada bob cleo"),
    ("period=all", "ada bob cleo dan eve"),
    ("since=2020-10-11&until=2020-10-11", "dan"),
    ("since=2020-10-01&until=2020-10-11", "dan eve"),
    ("since=2020-10-02&until=2020-10-11", "dan"),
    ("until=2020-10-01", "eve"),
    ("until=2020-09-30", ""),
    ("since=2020-10-11T12:00Z&until=2020-10-11T12:01Z", "dan"),
    ("since=2020-10-11T12:01Z&until=2020-10-12", ""),
    ("since=2020-10-11&until=2020-10-11T12:00Z", ""),
    ("since=2020-10-11T14:00%2B02:00&until=2020-10-11", "dan"),
    ("since=2020-10-11T12:00&until=2020-10-11", "dan"),
    ("until=2020-10-11&period=24h", "dan eve"),
    ("length=1", "bob dan"),
    ("length=2", "ada"),
    ("length=2-3", "ada cleo"),
    ("length=3-", "cleo eve"),
    ("length=0", ""),
    ("length=5-", ""),
    ("length=3-2", ""),
    ("sort=newest", "ada bob cleo dan eve"),
    ("sort=oldest", "eve dan cleo bob ada"),
    ("sort=longest", "eve cleo ada"),
    ("sort=oldest&event=refund", "cleo ada"),
    ("sort=longest&event=refund", "cleo ada"),
    ("q=name&event=refund", "ada cleo"),
    ("q=+", "ada bob cleo dan eve"),
    ("event=&flag=&length=&metadata=", "ada bob cleo dan eve"),
]

INTERACTIONS = [
    ("", "ada bob cleo dan eve"),
    ("event=refund&event=thanks", ""),
    ("event=refund", "ada cleo"),
    ("without=refund", "ada bob cleo dan eve"),
    ("metadata=plan%3Dpro&metadata=plan%3Dfree", ""),
    ("metadata=plan%3Dpro&metadata=beta%3Dtrue", "cleo"),
    ("version=2&user=u1", "ada"),
    ("notes=yes&flag=failure&language=fr", "bob"),
    ("sentiment=negative&flag=success", "cleo"),
    ("since=2020-10-11&until=2020-10-11", "dan"),
    ("since=2020-10-11T12:01Z&until=2020-10-12", ""),
    ("period=24h", "ada"),
    ("sort=oldest", "eve dan cleo bob ada"),
    ("q=cafe", "dan"),
    ("length=1", "ada bob cleo dan eve"),
    ("position=1", "ada bob cleo dan eve"),
    ("position=2", "ada cleo eve"),
    ("position=2&event=thanks", "ada"),
    ("position=1&event=thanks", ""),
    ("position=3-", "cleo eve"),
    ("position=4-9", "eve"),
    ("position=3-2", ""),
    ("position=2&q=name&version=2", "ada"),
]


@pytest.mark.usefixtures("told")
def test_whatever_is_asked_for_has_to_hold(visitor: Visitor, home: str) -> None:
    for kind, table in (("sessions", SESSIONS), ("interactions", INTERACTIONS)):
        for query, expected in table:
            found = named(visitor, f"{home}/{kind}?{query}")
            # Sessions of one length may stand in any order.
            found = found[:3] if query == "sort=longest" else found
            assert found == expected.split(), f"{kind}?{query}"


LEFT_OUT = [
    ("event=nothing", "Left out: “nothing” is not a choice of “event”. Choose one of: "),
    ("without=nothing", "“nothing” is not a choice of “without”"),
    ("event=refund&event=nothing", "“nothing” is not a choice of “event”"),
    ("flag=great", "“great” is not a choice of “flag”. Choose one of: success, failure."),
    ("notes=no", "“no” is not a choice of “notes”"),
    ("language=tlh", "“tlh” is not a choice of “language”"),
    ("sentiment=angry", "“angry” is not a choice of “sentiment”"),
    ("period=1y", "“1y” is not a choice of “period”"),
    ("sort=best", "“best” is not a choice of “sort”"),
    ("metadata=plan", "“plan” needs a key and a value, as in plan=pro"),
    ("metadata=%3Dpro", "“=pro” needs a key and a value"),
    ("since=yesterday", "“yesterday” is no day. Write it as in 2026-11-27"),
    ("until=2020-02-30", "“2020-02-30” is no day"),
    ("since=99999-01-01", "is no day"),
    ("length=many", "“many” is no length. Write a number, or two as in 3-5"),
    ("length=-3", "is no length"),
    ("length=1-2-3", "is no length"),
    ("length=\u0663", "is no length"),
    ("length=1234567", "is no length"),
    ("position=first", "“first” is no position. Write a number, or two as in 3-5"),
    ("position=0", "“0” is no position"),
    ("position=1000", "“1000” is no position"),
    (f"user={'u' * 513}", "The value of “user” has 513 characters"),
    (f"q={'x' * 301}", "The value of “q” has 301 characters"),
    ("event=%E2%80%AEevil", "“⟦U+202E⟧evil” is not a choice"),
    ("flag=%00", "“⟦U+0000⟧” is not a choice"),
]


@pytest.mark.usefixtures("told")
def test_what_cannot_be_meant_is_left_out_with_a_notice(visitor: Visitor, home: str) -> None:
    for query, notice in LEFT_OUT:
        for kind in ("sessions", "interactions"):
            if query.startswith("length" if kind == "interactions" else "position"):
                continue
            page = visitor.get(f"{home}/{kind}?{query}")
            said = text_of(page)
            for part in notice.split(". Choose"):
                assert part in said, f"{kind}?{query}"
            left = 2 if query.startswith("event=refund") else 5
            assert len(named(visitor, f"{home}/{kind}?{query}")) == left, f"{kind}?{query}"


@pytest.mark.usefixtures("told")
def test_a_filter_may_be_given_ten_times_and_no_more(visitor: Visitor, home: str) -> None:
    query = "&".join(f"metadata=k{n}%3Dv" for n in range(40))
    page = visitor.get(f"{home}/sessions?{query}").get_data(as_text=True)
    assert page.count('class="chip"') == 10


def chips_of(page: str) -> dict[str, str]:
    """Return the filters in use, each with the address without it."""
    found = re.findall(r'<a class="chip" href="([^"]*)">(.*?)</a>', page, re.DOTALL)
    return {
        re.sub(
            r"<[^>]+>|Remove the filter:|\u00d7", "", html.unescape(text)
        ).strip(): html.unescape(address)
        for address, text in found
    }


EVERYTHING = (
    "q=name&event=refund&event=thanks&without=never&flag=failure&notes=yes&user=u1&version=1"
    "&model=gpt-x&metadata=plan%3Dpro&metadata=beta%3Dtrue&language=fr&sentiment=negative"
    "&since=2020-10-01&until=2020-11-27&length=3-5&sort=oldest"
)


@pytest.mark.usefixtures("told")
def test_a_chip_takes_one_filter_away_and_keeps_the_rest(visitor: Visitor, home: str) -> None:
    chips = chips_of(visitor.get(f"{home}/sessions?{EVERYTHING}").get_data(as_text=True))
    assert list(chips) == [
        "“name”", "with refund", "with thanks", "without never", "negative feedback", "with notes",
        "French", "negative", "user u1", "version 1", "model gpt-x", "plan=pro", "beta=true",
        "length 3-5", "from 2020-10-01", "to 2020-11-27",
    ]  # fmt: skip
    every = parse_qs(EVERYTHING)
    for said, address in chips.items():
        assert urlsplit(address).path == f"{home}/sessions"
        left = parse_qs(urlsplit(address).query)
        gone = {(n, v) for n in every for v in every[n]} - {(n, v) for n in left for v in left[n]}
        assert len(gone) == 1, said
        assert {(n, v) for n in left for v in left[n]} < {(n, v) for n in every for v in every[n]}
        ((_, value),) = gone
        assert value.partition("-")[0] in said or value in {"failure", "yes", "fr"}


@pytest.mark.usefixtures("told")
def test_chips_of_a_period_by_name_and_of_hostile_values_are_text(
    visitor: Visitor, home: str
) -> None:
    hostile = '"><img src=x onerror=alert(1)>\u202e'
    page = visitor.get(
        f"{home}/interactions?period=7d&user={quote_plus(hostile)}&q={quote_plus(hostile)}"
    ).get_data(as_text=True)
    assert "<img" not in page
    chips = chips_of(page)
    assert "last 7 days" in chips
    assert any("⟦U+202E⟧" in said for said in chips)
    assert parse_qs(urlsplit(chips["last 7 days"]).query)["user"] == [hostile]


@pytest.mark.usefixtures("told")
def test_what_is_offered_can_be_asked_for(visitor: Visitor, home: str) -> None:
    page = visitor.get(f"{home}/sessions").get_data(as_text=True)
    offered = re.findall(r'<option value="([^"]+=[^"]+)">', page)
    assert offered == ["beta=true", "n=7", "plan=free", "plan=pro"]
    for pair in offered:
        assert named(visitor, f"{home}/sessions?metadata={quote_plus(pair)}")


@pytest.mark.usefixtures("told")
def test_links_within_a_list_keep_the_filters(visitor: Visitor, home: str) -> None:
    page = visitor.get(f"{home}/sessions?event=refund&sort=oldest").get_data(as_text=True)
    assert f'href="{home}/sessions?event=refund&amp;sort=longest"' in page  # by the header
    assert "/export/sessions?format=csv&amp;event=refund&amp;sort=oldest" in page
    assert f'href="{home}/sessions/cleo?event=refund&amp;sort=oldest"' in page
    transcript = visitor.get(f"{home}/sessions/cleo?event=refund").get_data(as_text=True)
    assert f'href="{home}/sessions/ada?event=refund"' in transcript
    assert 'data-key="j"' not in transcript
    assert f'href="{home}/sessions?event=refund"' in transcript


@pytest.mark.usefixtures("told")
def test_what_is_asked_for_is_chosen_in_the_form(visitor: Visitor, home: str) -> None:
    page = visitor.get(f"{home}/sessions?{EVERYTHING}").get_data(as_text=True)
    assert page.count('<option value="refund" selected>') == 1
    assert page.count('<option value="thanks" selected>') == 1
    assert '<option value="never" selected>' in page
    for value in ("u1", "plan=pro", "beta=true", "2020-10-01", "3-5"):
        assert f'value="{value}"' in page
    for kind, lacking in (("sessions", "position"), ("interactions", "length")):
        page = visitor.get(f"{home}/{kind}").get_data(as_text=True)
        fields = set(re.findall(r'<(?:input|select)[^>]* name="([a-z]+)"', page))
        assert fields - {"csrf_token", "name"} == NAMES - {lacking}


NAMES_OR_NOT = st.sampled_from([*sorted(NAMES), "cursor", "page", "_anchor", "_external", "x"])
VALUES = st.text(max_size=12) | st.sampled_from(
    ["refund", "success", "yes", "24h", "2020-10-11", "plan=pro", "3-5", "0.1", "oldest", "%00"]
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.lists(st.tuples(NAMES_OR_NOT, VALUES), max_size=6))
def test_any_address_shows_a_page_whose_links_lead_to_pages(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, query: list[tuple[str, str]]
) -> None:
    add(store, project, interaction("t1"), interaction("t2", session_id="s2"))
    for kind in ("sessions", "interactions", "search", "users"):
        response = visitor.get(f"{home}/{kind}", query_string=query)
        assert response.status_code in {200, 422}
        for address in chips_of(response.get_data(as_text=True)).values():
            assert visitor.get(address).status_code == 200


def _column(table: str, number: int) -> list[str]:
    """Return the names in a column of the first table after a heading or a text of the page."""
    lines = PAGE.partition(table)[2].splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(line.split("|")[number])
    return [", ".join(re.findall(r"`([a-z_]+)`", row)) for row in rows]


def test_the_page_of_lists_names_every_filter() -> None:
    named = [name for row in _column("# Lists", 1) for name in row.split(", ")]
    assert sorted(named) == sorted(NAMES)


def test_the_page_of_lists_names_every_column_of_an_export() -> None:
    assert _column("## Export", 1) == ["sessions", "interactions", "users"]
    columns = [exports._SESSION, exports._INTERACTION, exports._USER]
    assert _column("## Export", 2) == [", ".join(names) for names in columns]
