"""The sessions list with its filters, and transcripts."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest

from phospho_server.clock import DAY_MS, now_ms
from phospho_server.store import detections, feedback
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import NOON_MS, add, define, interaction, verdict
from tests.server.views.conftest import Visitor, text_of

# Each tries to become something else than text.
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "{{ 7919 * 7907 }}",
    "javascript:alert(1)",
    "</textarea><svg onload=alert(1)>",
    "\u202egnirts\u202c \x1b[31m \u200b",
]


def detect(store: SqliteStore, project: Project, task_id: str, quoted: str, side: str) -> None:
    event = define(store, project, name="refund")
    found = verdict(
        store,
        project,
        interaction(task_id),
        detected=True,
        score=0.873,
        evidence=json.dumps({"side": side, "quote": quoted, "reason": f'contains "{quoted}"'}),
    )
    store.write(lambda db: detections.record(db, project.id, event, [found]))


def test_the_list_shows_the_events_of_each_session(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction("t1", input="I want a refund", user_id="ana", version_id="1.2"))
    detect(store, project, "t1", "refund", "input")
    page = visitor.get(f"{home}/sessions").get_data(as_text=True)
    row = page[page.index("<tbody") : page.index("</tbody>")]
    for words in ("I want a refund", ">refund<", "ana", "1.2", f'href="{home}/sessions/s1"'):
        assert words in row


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("sessions", "No sessions yet"),
        ("interactions", "No interactions yet"),
        ("users", "No users yet"),
        ("search", "Nothing to search yet"),
    ],
)
def test_without_interactions_a_list_says_what_to_do(
    visitor: Visitor, home: str, page: str, title: str
) -> None:
    text = text_of(visitor.get(f"{home}/{page}"))
    assert title in text
    assert "phospho.log(" in text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"one", "two", "three"}),
        ("event=refund", {"one"}),
        ("flag=failure", {"two"}),
        ("flag=success", set()),
        ("user=ana", {"one"}),
        ("version=2.0", {"three"}),
        ("q=parrot", {"two"}),
        ("q=%22%20OR%20*", set()),
        ("period=24h", {"three"}),
        ("period=all", {"one", "two", "three"}),
        ("event=refund&user=bob", set()),
    ],
)
def test_filters_stand_in_the_address(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, query: str, shown: set[str]
) -> None:
    past = now_ms() - 3 * DAY_MS
    add(
        store,
        project,
        interaction("t1", session_id="s1", input="message one", user_id="ana", created_at_ms=past),
        interaction("t2", session_id="s2", input="message two parrot", created_at_ms=past),
        interaction(
            "t3", session_id="s3", input="message three", version_id="2.0", created_at_ms=now_ms()
        ),
    )
    detect(store, project, "t1", "one", "input")
    store.write(
        lambda db: feedback.add_feedback(
            db, project.id, "t2", flag="failure", notes=None, source=None
        )
    )
    response = visitor.get(f"{home}/sessions?{query}")
    assert response.status_code == 200
    page = text_of(response)
    assert {name for name in ("one", "two", "three") if f"message {name}" in page} == shown
    assert ("No session matches" in page) == (not shown)


def test_the_list_goes_on_with_older_sessions(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(
        store,
        project,
        *(
            interaction(f"t{n}", session_id=f"s{n}", input=f"message {n:03d}", user_id="ana",
                        created_at_ms=NOON_MS + n)
            for n in range(60)
        ),
    )  # fmt: skip
    first = visitor.get(f"{home}/sessions?user=ana").get_data(as_text=True)
    assert "message 059" in first
    assert "message 009" not in first
    older = next(part for part in first.split('"') if "cursor=" in part).replace("&amp;", "&")
    assert "user=ana" in older
    second = text_of(visitor.get(older))
    assert "message 009" in second
    assert "message 010" not in second


@pytest.mark.parametrize("cursor", ["nonsense", "9" * 250 + ".x", "1" * 5000 + ".a", "-1.s"])
def test_a_broken_cursor_is_explained(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, cursor: str
) -> None:
    add(store, project, interaction())
    response = visitor.get(f"{home}/sessions?cursor={cursor}")
    assert response.status_code == 422
    assert "first page" in text_of(response)


def test_a_filter_that_is_too_long_is_left_out_with_a_notice(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction())
    page = text_of(visitor.get(f"{home}/sessions?user={'u' * 513}"))
    assert "has 513 characters" in page
    assert "Book me a flight" in page


def test_an_event_without_evidence_stands_at_the_answer(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction("t1"), interaction("t2", output=None, session_id="s2"))
    event = define(store, project, name="mood")
    found = [
        verdict(store, project, interaction("t1"), detected=True),
        verdict(store, project, interaction("t2", session_id="s2"), detected=True),
    ]
    store.write(lambda db: detections.record(db, project.id, event, found))
    answered = text_of(visitor.get(f"{home}/sessions/s1"))
    assert answered.index("Which date?") < answered.rindex("mood")
    unanswered = text_of(visitor.get(f"{home}/sessions/s2"))
    assert unanswered.rindex("mood") < unanswered.index("No answer was logged")


def test_a_transcript_marks_the_evidence_at_its_message(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction("t1", input="Hello", output="Here is your refund, Ana."))
    detect(store, project, "t1", "refund", "output")
    page = visitor.get(f"{home}/sessions/s1").get_data(as_text=True)
    answer = page[page.index('class="message assistant"') :]
    assert ">refund</mark>, Ana." in answer
    assert "contains &#34;refund&#34;" in answer
    assert "87\u202f% sure" in answer
    assert "<mark" not in page[: page.index('class="message assistant"')]


def test_a_transcript_shows_what_was_logged_with_it(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(
        store,
        project,
        interaction(
            "t1",
            output=None,
            metadata=json.dumps({"model": "gpt-x", "nested": {"a": [1, None]}}),
            raw_input=json.dumps({"messages": ["raw words"]}),
        ),
    )
    store.write(
        lambda db: feedback.add_feedback(
            db, project.id, "t1", flag="failure", notes="too slow", source="user"
        )
    )
    page = text_of(visitor.get(f"{home}/sessions/s1"))
    for words in ("No answer was logged", "gpt-x", "raw words", "too slow", "Negative feedback"):
        assert words in page


def step(name: str = "search", **facts: object) -> dict[str, object]:
    return {"kind": "tool", "name": name, **facts}


@pytest.mark.parametrize(
    ("steps", "summary"),
    [
        pytest.param([step()], "1 step", id="one"),
        pytest.param([step(duration_ms=5)], "1 step", id="no-start"),
        pytest.param([step(started_at_ms=5, duration_ms=340.4)], "1 step · 340 ms", id="length"),
        pytest.param(
            [step(started_at_ms=5, duration_ms=900), step(started_at_ms=405, duration_ms=800)],
            "2 steps · 1.2 s",
            id="side-by-side",
        ),
        pytest.param(
            [step(), step(error={"type": "E", "message": "no"}), step(started_at_ms=5)],
            "3 steps, 1 failed",
            id="failed",
        ),
    ],
)
def test_steps_are_summed_up_before_they_are_unfolded(
    visitor: Visitor,
    store: SqliteStore,
    project: Project,
    home: str,
    steps: list[dict[str, object]],
    summary: str,
) -> None:
    add(store, project, interaction(steps=json.dumps(steps)))
    page = visitor.get(f"{home}/sessions/s1").get_data(as_text=True)
    folded = page[page.index('<details class="more"') : page.index('<ol class="calls"')]
    assert " ".join(re.sub(r"<[^>]+>", "", folded).split()) == summary
    assert " open" not in folded


def test_a_step_says_what_it_was_given_and_what_came_of_it(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    facts = {
        "kind": "llm",
        "duration_ms": 1234,
        "model": "gpt-x-1",
        "usage": {"prompt_tokens": 1200, "completion_tokens": 34},
        "error": {"type": "TimeoutError", "message": "too late"},
        "input": "Which?",
        "output": "This.",
        "other": {"plan": ["pro"]},
    }
    add(store, project, interaction(steps=json.dumps([step("gpt-x", **facts)])))
    page = text_of(visitor.get(f"{home}/sessions/s1"))
    assert (
        "Model gpt-x · 1.2 s · gpt-x-1 · 1,234 tokens TimeoutError: too late "
        'Input Which? Output This. plan ["pro"]'
    ) in page


def test_a_page_of_very_many_steps_shows_the_first_and_counts_the_others(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    steps = json.dumps([step(f"number {n}") for n in range(100)])
    add(store, project, *(interaction(f"t{n:02d}", steps=steps) for n in range(12)))
    page = text_of(visitor.get(f"{home}/sessions/s1"))
    assert page.count("100 steps") == 12
    assert page.count("Tool number 99") == 10
    assert page.count("100 more are stored but not shown here.") == 2


@pytest.mark.parametrize(
    ("metadata", "line"),
    [
        pytest.param({"status": "incomplete"}, "The answer ended early.", id="incomplete"),
        pytest.param({"status": "cancelled"}, "The answer was cancelled.", id="cancelled"),
        pytest.param(
            {"status": "error", "error": {"type": "RateLimitError", "message": "slow down"}},
            "Failed: RateLimitError: slow down",
            id="error",
        ),
        pytest.param({"status": "error"}, "Failed: no reason was logged.", id="no-reason"),
        pytest.param({"status": "error", "error": "slow"}, "Failed: slow", id="error-text"),
    ],
)
def test_an_answer_that_is_not_whole_says_why(
    visitor: Visitor,
    store: SqliteStore,
    project: Project,
    home: str,
    metadata: dict[str, object],
    line: str,
) -> None:
    add(store, project, interaction(metadata=json.dumps(metadata)))
    page = text_of(visitor.get(f"{home}/sessions/s1"))
    assert line in page[: page.index("Details")]


@pytest.mark.parametrize("status", ["ok", "shipped", ["error"], 5, None])
def test_another_status_is_only_among_the_details(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, status: object
) -> None:
    add(store, project, interaction(metadata=json.dumps({"status": status})))
    page = text_of(visitor.get(f"{home}/sessions/s1"))
    assert "Assistant Which date? + Add a note Details" in page


def test_a_long_transcript_comes_in_parts(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(
        store,
        project,
        *(interaction(f"t{n}", input=f"number {n:03d}", created_at_ms=NOON_MS + n)
          for n in range(41)),
    )  # fmt: skip
    first = text_of(visitor.get(f"{home}/sessions/s1"))
    assert "number 039" in first
    assert "number 040" not in first
    assert "Part 1 of 2" in first
    for page in ("2", "99999"):
        assert "number 040" in text_of(visitor.get(f"{home}/sessions/s1?page={page}"))
    for page in ("x", "-1", "9" * 5000, "²"):
        assert visitor.get(f"{home}/sessions/s1?page={page}").status_code == 200


def test_a_long_message_is_cut_and_can_be_shown_whole(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction("t1", input="word " * 1000 + "END", output="x" * 70_000))
    page = visitor.get(f"{home}/sessions/s1")
    assert "Show all: 3,40" in text_of(page)
    assert "END" in text_of(page)
    assert "Another 50,000 characters are stored" in text_of(page)


def test_sessions_are_neighbours_in_time(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(
        store,
        project,
        *(interaction(f"t{n}", session_id=f"s{n}", created_at_ms=NOON_MS + n) for n in range(3)),
    )
    page = visitor.get(f"{home}/sessions/s1").get_data(as_text=True)
    assert f'data-key="k" href="{home}/sessions/s2"' in page
    assert f'data-key="j" href="{home}/sessions/s0"' in page


@pytest.mark.parametrize(
    "session_id",
    ["a/b", "/etc/passwd", "..", ".", "a//b", "a?b#c", "100%", "a b", "né", "a\nb", "x\\y", "-"],
)
def test_any_session_id_has_an_address(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, session_id: str
) -> None:
    add(store, project, interaction("t1", session_id=session_id, input="found me"))
    page = visitor.get(f"{home}/sessions").get_data(as_text=True)
    body = page[page.index("<tbody") :]
    address = body.split('href="')[1].split('"')[0].replace("&amp;", "&")
    response = visitor.get(address, follow_redirects=True)
    assert response.status_code == 200
    assert "found me" in text_of(response)


def test_a_session_of_another_project_is_not_found(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    other = store.write(lambda db: create_project(db, "Other"))
    add(store, project, interaction("t1", session_id="mine"))
    assert visitor.get(f"{home}/sessions/mine").status_code == 200
    assert visitor.get(f"{home}/sessions/none").status_code == 404
    assert visitor.get(f"{home}/session").status_code == 404
    for page in ("sessions/mine", "session?id=mine"):
        response = visitor.get(f"/projects/{other.id}/{page}")
        assert response.status_code == 404
        assert "Book me a flight" not in text_of(response)


@pytest.mark.parametrize("payload", HOSTILE)
def test_what_strangers_wrote_stays_text(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, payload: str
) -> None:
    error = {"type": payload, "message": payload}
    texts = {"input": payload, "output": payload, "other": {payload: payload}}
    add(
        store,
        project,
        interaction(
            f"t{payload}",
            session_id=f"s{payload}",
            input=payload,
            output=payload,
            user_id=payload,
            version_id=payload,
            metadata=json.dumps({payload: payload, "status": "error", "error": error}),
            steps=json.dumps([step(payload, model=f"{payload}2", error=error, **texts)]),
            raw_input=json.dumps({payload: payload}),
            raw_output=json.dumps([payload]),
            created_at_ms=now_ms(),
        ),
    )
    define(store, project, name=payload, description=payload, keywords=(payload,))
    store.write(
        lambda db: feedback.add_feedback(
            db, project.id, f"t{payload}", flag=None, notes=payload, source=payload
        )
    )
    address = quote(f"s{payload}", safe="")
    for page in (
        "dashboard",
        "sessions",
        f"sessions?q={quote(payload)}&user={quote(payload)}&event={quote(payload)}&period=30d",
        f"session?id={address}",
        "settings",
    ):
        response = visitor.get(f"{home}/{page}")
        shown = response.get_data(as_text=True)
        assert response.status_code == 200
        for live in ("<script>alert", "<img src=x", "<svg onload", 'href="javascript:', "62615533"):
            assert live not in shown
        for hidden in ("\u202e", "\x1b", "\u200b"):
            assert hidden not in shown.replace(f'value="{payload}"', "")
