"""Confirm, reject, add and undo on the pages; an event's own page; and labelling ten."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.test import TestResponse

from phospho.models import EventDefinition
from phospho_server.clock import now_ms
from phospho_server.store import Connection, detections, reviews
from phospho_server.store.interactions import find_ids
from phospho_server.store.projects import create_project
from phospho_server.store.reviews import Source
from phospho_server.store.rows import Project, StoredDetection
from phospho_server.store.sqlite import SqliteStore
from tests.browser.conversations import HOSTILE
from tests.server.builders import add, define, interaction, totals
from tests.server.views.conftest import Visitor, text_of


def ids_of(store: SqliteStore, project: Project, *task_ids: str) -> list[int]:
    with store.read() as db:
        found = find_ids(db, project.id, task_ids)
    return [found[task_id] for task_id in task_ids]


def judge(
    store: SqliteStore, project: Project, event: EventDefinition, scores: dict[str, float]
) -> None:
    """Add an interaction for each task; from 0.5 on the event is found in it."""
    now = now_ms()
    add(
        store,
        project,
        *(interaction(t, created_at_ms=now, input=f"Fly me, {t}") for t in scores),
    )
    evidence = json.dumps({"side": "input", "quote": "Fly me", "reason": "close to a wish"})
    said = [
        StoredDetection(at, "s1", now, score >= 0.5, score, "semantic", evidence)
        for at, score in zip(ids_of(store, project, *scores), scores.values(), strict=True)
    ]
    store.write(lambda db: detections.record(db, project.id, event, said))


def click(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    tasks: list[str],
    *,
    occurred: bool,
    source: Source = "audit",
) -> None:
    def change(db: Connection) -> None:
        for at in ids_of(store, project, *tasks):
            reviews.review(db, project.id, event.id, at, occurred=occurred, source=source)

    store.write(change)


def say(visitor: Visitor, home: str, word: str, it: str, **fields: str) -> TestResponse:
    """Press a button of a transcript."""
    fields = {"source": "transcript", **fields}
    return visitor.post(f"{home}/reviews", click=f"{word} {it}", **fields)


@pytest.fixture
def event(store: SqliteStore, project: Project) -> EventDefinition:
    return define(store, project)


@pytest.fixture
def found(store: SqliteStore, project: Project, event: EventDefinition) -> str:
    """Return an event that was found, as buttons name it."""
    judge(store, project, event, {"t1": 0.9})
    (at,) = ids_of(store, project, "t1")
    return f"{event.id} {at}"


def test_a_rejected_event_can_be_taken_back_where_it_was_rejected(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, found: str
) -> None:
    back = f"{home}/sessions/s1"
    transcript = visitor.get(back).get_data(as_text=True)
    assert f'value="no {found}"' in transcript
    assert 'aria-label="Reject booking"' in transcript
    response = say(visitor, home, "no", found, back=f"{back}#i1")
    anchor = "t" + found.split()[1]
    assert (response.status_code, response.location) == (303, f"{back}#{anchor}")
    assert f'id="{anchor}"' in transcript
    assert totals(store, project).events == 0
    page = visitor.get(back)
    assert "Rejected: booking Undo" in text_of(page)
    assert "✗ Rejected" in text_of(page)
    assert 'class="note hue-0 rejected"' in page.get_data(as_text=True)
    assert "Rejected: booking Undo" not in text_of(visitor.get(back))

    say(visitor, home, "undo", found, back=back)
    assert totals(store, project).events == 1
    assert "Taken back: booking" in text_of(visitor.get(back))


def test_a_confirmed_event_says_so(visitor: Visitor, home: str, found: str) -> None:
    say(visitor, home, "yes", found)
    page = text_of(visitor.get(f"{home}/sessions/s1"))
    assert "✓ Confirmed" in page
    assert "90 % sure · semantic" in page


def test_an_event_is_added_where_none_was_found(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, event: EventDefinition
) -> None:
    add(store, project, interaction())
    define(store, project, name="other")
    page = visitor.get(f"{home}/sessions/s1").get_data(as_text=True)
    assert "<select" not in page
    link = re.search(r'href="([^"]+)" data-in-place>\+ Add an event', page)
    assert link is not None
    page = visitor.get(link[1]).get_data(as_text=True)
    option = re.search(r'<option value="([^"]+)">booking</option>', page)
    assert option is not None
    assert "other</option>" in page
    back = f"{home}/sessions/s1"
    visitor.post(f"{home}/reviews", click=option[1], source="transcript", back=back)
    page = visitor.get(f"{home}/sessions/s1").get_data(as_text=True)
    assert "✓ Added by hand" in page
    assert "booking</option>" not in visitor.get(link[1]).get_data(as_text=True)
    assert page.index("Added by hand") < page.index("Which date?"), "it is about the user"


@pytest.mark.parametrize(
    ("click", "source", "status"),
    [
        pytest.param("perhaps IT", "transcript", 422, id="word"),
        pytest.param("no IT", "dream", 422, id="source"),
        pytest.param("", "transcript", 422, id="nothing"),
        pytest.param("no EVENT", "transcript", 422, id="no-interaction"),
        pytest.param("no EVENT ²", "transcript", 422, id="no-number"),
        pytest.param("no EVENT 9999999999999999999", "transcript", 422, id="number-too-long"),
        pytest.param("no EVENT 99999", "transcript", 404, id="unknown-interaction"),
        pytest.param("no event_none 1", "transcript", 404, id="unknown-event"),
    ],
)
def test_a_form_that_means_nothing_changes_nothing(
    visitor: Visitor,
    store: SqliteStore,
    project: Project,
    home: str,
    found: str,
    click: str,
    source: str,
    status: int,
) -> None:
    text = click.replace("IT", found).replace("EVENT", found.split(maxsplit=1)[0])
    response = visitor.post(f"{home}/reviews", click=text, source=source)
    assert response.status_code == status
    assert totals(store, project).events == 1


@pytest.mark.parametrize("back", ["https://evil.example", "//evil.example", "/\\evil", "no-path"])
def test_a_form_leads_nowhere_else(visitor: Visitor, home: str, found: str, back: str) -> None:
    response = say(visitor, home, "no", found, back=back)
    event_id, interaction_id = found.split()
    assert response.location == f"{home}/events/{event_id}#t{interaction_id}"


def test_a_click_without_its_token_is_refused(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, found: str
) -> None:
    for path in ("reviews", f"events/{found.split(maxsplit=1)[0]}/review"):
        data = {"click": f"no {found}", "source": "transcript"}
        assert visitor.client.post(f"{home}/{path}", data=data).status_code == 403
    assert totals(store, project).events == 1


def test_a_stranger_sees_and_changes_nothing(
    stranger: Visitor, store: SqliteStore, project: Project, home: str, found: str
) -> None:
    event = f"{home}/events/{found.split(maxsplit=1)[0]}"
    for path in (f"{home}/events", event, f"{event}/review"):
        assert "/login" in stranger.get(path).location
    say(stranger, home, "no", found)
    assert totals(store, project).events == 1


def test_ids_of_another_project_are_not_found(
    visitor: Visitor, store: SqliteStore, project: Project, found: str
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    add(store, other, interaction("theirs"))
    theirs = define(store, other)
    home = f"/projects/{other.id}"
    address = f"{home}/events/{found.split(maxsplit=1)[0]}"
    for path in (address, f"{address}/review"):
        assert visitor.get(path).status_code == 404
    assert visitor.post(f"{address}/review", click=f"no {found}").status_code == 404
    assert say(visitor, home, "no", found).status_code == 404
    mixed = f"/projects/{project.id}/events/{found.split(maxsplit=1)[0]}/review"
    (at,) = ids_of(store, other, "theirs")
    assert visitor.get(f"{mixed}?of={at}").status_code == 404
    assert visitor.post(mixed, click=f"yes {found.split(maxsplit=1)[0]} {at}").status_code == 404
    assert visitor.post(mixed, click=f"yes {theirs.id} {at}").status_code == 422
    assert visitor.get(f"{home}/events/{theirs.id}").status_code == 200
    assert totals(store, project).events == 1


def test_an_events_page_shows_where_it_was_found_newest_first(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, event: EventDefinition
) -> None:
    judge(store, project, event, {f"t{n}": 0.9 for n in range(25)} | {"none": 0.1})
    address = f"{home}/events/{event.id}"
    page = visitor.get(address).get_data(as_text=True)
    assert re.findall(r"</mark>, (\w+)", page) == [f"t{n}" for n in range(24, 4, -1)]
    assert "label 10 to know</a> the precision" in page
    assert "close to a wish" in page
    older = re.search(r'href="([^"]+\?before=\d+)', page)
    assert older is not None
    assert re.findall(r"</mark>, (\w+)", visitor.get(older[1]).get_data(as_text=True)) == [
        f"t{n}" for n in range(4, -1, -1)
    ]
    in_transcript = re.search(r'href="([^"]+\?at=\d+)"', page)
    assert in_transcript is not None
    assert visitor.get(in_transcript[1]).location.endswith("/sessions/s1#i25")


def test_an_events_page_tells_how_well_it_is_found(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, event: EventDefinition
) -> None:
    judge(store, project, event, {f"y{n}": 0.9 for n in range(20)})
    judge(store, project, event, {f"n{n}": 0.1 for n in range(40)})
    click(store, project, event, [f"y{n}" for n in range(12)], occurred=True)
    click(store, project, event, ["y12", "y13", "y14"], occurred=False)
    address = f"{home}/events/{event.id}"
    page = text_of(visitor.get(address))
    assert "12 of 15 confirmed; precision 0.80 (0.55 to 0.93)" in page
    assert "label 10 to know the recall" in page
    assert "Found 17" not in page, "counts are not corrected from one side"
    listed = text_of(visitor.get(f"{home}/events"))
    assert "17 12 of 15 0.80 (0.55 to 0.93)" in listed

    click(store, project, event, [f"n{n}" for n in range(30)], occurred=False)
    response = visitor.get(address)
    page = text_of(response)
    assert re.search(r"0 of 30 drawn had it; recall 1\.00 \(0\.\d\d to 1\.00\)", page)
    assert re.search(r"Found 17; corrected 16 \(\d+ to \d+\)", page)
    assert "from 45 clicks" in page
    assert 'class="error"' in response.get_data(as_text=True)
    assert "95 % interval" in page


def test_the_page_of_a_new_event_says_what_happens(
    visitor: Visitor, home: str, event: EventDefinition
) -> None:
    page = text_of(visitor.get(f"{home}/events/{event.id}"))
    assert "It has not been found yet" in page
    assert "nothing, so far" in page
    assert "booking" in text_of(visitor.get(f"{home}/events"))


def test_a_project_without_events_offers_to_define_one(visitor: Visitor, home: str) -> None:
    assert "No event is defined yet" in text_of(visitor.get(f"{home}/events"))


def test_an_events_page_is_linked_from_settings_and_the_dashboard(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, event: EventDefinition
) -> None:
    judge(store, project, event, {"t1": 0.9})
    for page in ("settings", "dashboard", "events"):
        assert f'href="{home}/events/{event.id}' in visitor.get(f"{home}/{page}").text


def test_texts_of_strangers_stay_texts(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    event = define(store, project, name=HOSTILE[:90], description=HOSTILE)
    add(store, project, interaction("t1", input=HOSTILE, output=HOSTILE))
    (at,) = ids_of(store, project, "t1")
    evidence = json.dumps({"side": "input", "quote": HOSTILE[:30], "reason": HOSTILE})
    said = [StoredDetection(at, "s1", now_ms(), True, 0.9, HOSTILE, evidence)]
    store.write(lambda db: detections.record(db, project.id, event, said))
    say(visitor, home, "yes", f"{event.id} {at}", source="events")
    for path in ("events", f"events/{event.id}", f"events/{event.id}/review?of={at}"):
        page = visitor.get(f"{home}/{path}").get_data(as_text=True)
        assert "<img" not in page
        assert "<script>alert" not in page


def follow(visitor: Visitor, response: TestResponse) -> str:
    assert response.status_code in {302, 303}
    return visitor.get(response.location).get_data(as_text=True)


def asked(page: str) -> str:
    """Return what a page of an audit asks about: an event and an interaction."""
    found = re.search(r'value="yes (\w+ \d+)"', page)
    assert found is not None
    return found[1]


@pytest.fixture
def audit(store: SqliteStore, project: Project, home: str, event: EventDefinition) -> str:
    """Return the address of an audit of an event with verdicts of both words."""
    judge(store, project, event, {f"y{n}": 0.9 for n in range(30)})
    judge(store, project, event, {f"n{n}": 0.1 for n in range(30)})
    return f"{home}/events/{event.id}/review"


def test_an_audit_asks_ten_and_then_tells_what_is_known(visitor: Visitor, audit: str) -> None:
    address = visitor.get(audit).location
    sample = parse_qs(urlsplit(address).query)["of"][0]
    page = visitor.get(address).get_data(as_text=True)
    for position in range(1, 11):
        assert f"{position} of 10" in page
        at = asked(page)
        assert at.split()[1] == sample.split("-")[position - 1]
        page = follow(visitor, visitor.post(audit, click=f"yes {at}", of=sample))
    assert "What is now known" in page
    assert "You answered 10 of 10; the detector agrees with 5." in page
    assert "5 of 5 confirmed" in page
    assert "5 of 5 drawn had it" in page
    assert "Label 10 more" in page


def test_an_audit_hides_what_the_detector_said_until_it_is_answered(
    visitor: Visitor, audit: str
) -> None:
    page = follow(visitor, visitor.get(audit))
    for word in ("sure", "close to a wish", "semantic", "<mark"):
        assert word not in page
    sample = parse_qs(urlsplit(visitor.get(audit).location).query)["of"][0]
    at = asked(page)
    page = follow(visitor, visitor.post(audit, click=f"no {at}", of=sample))
    assert re.search(
        r"You said no\.\s+The detector (agrees, 10|had said yes, 90)\u202f% sure", page
    )


def test_an_audit_stays_the_same_when_it_is_opened_again(visitor: Visitor, audit: str) -> None:
    address = visitor.get(audit).location
    assert visitor.get(audit).location == address
    assert asked(visitor.get(address).text) == asked(visitor.get(address).text)


def test_an_answer_of_an_audit_can_be_taken_back_and_a_question_skipped(
    visitor: Visitor, store: SqliteStore, project: Project, audit: str
) -> None:
    address = visitor.get(audit).location
    sample = parse_qs(urlsplit(address).query)["of"][0]
    at = asked(visitor.get(address).text)
    visitor.post(audit, click=f"yes {at}", of=sample)
    page = follow(visitor, visitor.post(audit, click=f"undo {at}", of=sample))
    assert "1 of 10" in page
    assert asked(page) == at
    skip = re.search(r'href="([^"]+)" data-key="s"', page)
    assert skip is not None
    page = visitor.get(skip[1].replace("&amp;", "&")).text
    assert "2 of 10" in page
    assert "You said" not in page
    with store.read() as db:
        assert db.rows("select 1 from reviews where undone_at_ms is null") == []


def test_an_audit_shows_what_was_said_before(
    visitor: Visitor, store: SqliteStore, project: Project, audit: str
) -> None:
    (third,) = ids_of(store, project, "y3")
    page = text_of(visitor.get(f"{audit}?of={third}"))
    assert "What was said before" in page
    assert page.index("Fly me, y1") < page.index("Fly me, y2") < page.index("Fly me, y3")
    assert "Fly me, y0" not in page


@pytest.mark.parametrize("of", ["", "x", "1-", "-".join("1" * 11), "9" * 19, "1-2-<b>"])
def test_a_sample_that_cannot_be_meant_is_drawn_anew(visitor: Visitor, audit: str, of: str) -> None:
    assert visitor.get(audit, query_string={"of": of}).status_code == 302


def test_an_audit_of_nothing_says_so(visitor: Visitor, home: str, event: EventDefinition) -> None:
    page = text_of(visitor.get(f"{home}/events/{event.id}/review"))
    assert "Nothing is left to label" in page


def test_an_audit_that_is_done_asks_about_others(
    visitor: Visitor, audit: str, event: EventDefinition
) -> None:
    seen: set[str] = set()
    for _ in range(6):
        address = visitor.get(audit).location
        sample = parse_qs(urlsplit(address).query)["of"][0]
        for at in sample.split("-"):
            assert at not in seen
            seen.add(at)
            visitor.post(audit, click=f"no {event.id} {at}", of=sample)
    assert len(seen) == 60
    assert "Nothing is left to label" in text_of(visitor.get(audit))


def test_an_address_too_long_for_a_cookie_costs_the_message_only(
    visitor: Visitor, home: str, found: str
) -> None:
    back = f"{home}/sessions?q=" + "x" * 3_000
    response = say(visitor, home, "no", found, back=back)
    assert response.location == f"{back}#t{found.split()[1]}"
    assert len(response.headers.get("Set-Cookie", "")) < 4_000
    assert "Rejected: booking" not in text_of(visitor.get(f"{home}/dashboard"))
    assert "Rejected" in text_of(visitor.get(f"{home}/sessions/s1"))


def test_the_dashboard_shows_the_course_of_one_event_corrected(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, event: EventDefinition
) -> None:
    judge(store, project, event, {f"y{n}": 0.9 for n in range(20)})
    judge(store, project, event, {f"n{n}": 0.1 for n in range(40)})
    define(store, project, name="quiet")
    everything = visitor.get(f"{home}/dashboard?show=events").get_data(as_text=True)
    assert f'<option value="{event.id}">booking</option>' in everything
    address = f"{home}/dashboard?show=events&event={event.id}"
    assert "corrected" not in text_of(visitor.get(address))
    click(store, project, event, [f"y{n}" for n in range(20)], occurred=True)
    click(store, project, event, [f"n{n}" for n in range(20)], occurred=False)
    response = visitor.get(address)
    assert "Found 20; corrected 20 (20 to" in text_of(response)
    assert 'class="error"' in response.get_data(as_text=True)
    assert f'<option value="{event.id}" selected>' in response.get_data(as_text=True)
    other = text_of(visitor.get(f"{home}/dashboard?show=events&event=event_none"))
    assert "is not a choice of \u201cevent\u201d" in other


def test_an_event_found_too_seldom_to_know_says_so(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, event: EventDefinition
) -> None:
    judge(store, project, event, {"y1": 0.9, "y2": 0.9, "n1": 0.1})
    click(store, project, event, ["y1", "y2"], occurred=True)
    page = text_of(visitor.get(f"{home}/events/{event.id}"))
    assert "2 of 2 confirmed; too few to know the precision" in page


@pytest.fixture
def topic(store: SqliteStore, project: Project) -> str:
    """Return an event of categories that was found, as buttons name it."""
    event = define(
        store, project, name="topic", answer="category", categories=("Billing & tax", "refund")
    )
    add(store, project, interaction("t1"))
    (at,) = ids_of(store, project, "t1")
    said = StoredDetection(at, "s1", now_ms(), True, 0.8, "semantic", None, value='"refund"')
    store.write(lambda db: detections.record(db, project.id, event, [said]))
    return f"{event.id} {at}"


def test_another_category_is_chosen_in_a_transcript(
    visitor: Visitor, home: str, topic: str
) -> None:
    page = visitor.get(f"{home}/sessions/s1").text
    assert f'<option value="yes {topic} Billing &amp; tax">' in page
    assert f'<option value="yes {topic} refund">' not in page
    assert say(visitor, home, "yes", f"{topic} Billing & tax").status_code == 303
    text = text_of(visitor.get(f"{home}/sessions/s1"))
    assert "Corrected" in text
    assert "detected: refund" in text
    assert "Confirmed: topic , Billing & tax" in text
    say(visitor, home, "undo", topic)
    text = text_of(visitor.get(f"{home}/sessions/s1"))
    assert "Corrected" not in text


def test_a_category_is_added_in_a_transcript(
    visitor: Visitor, home: str, store: SqliteStore, project: Project
) -> None:
    event = define(store, project, name="topic", answer="category", categories=("billing", "tax"))
    add(store, project, interaction("t1"))
    (at,) = ids_of(store, project, "t1")
    page = visitor.get(f"{home}/sessions/s1?add={at}").text
    assert f'<option value="yes {event.id} {at} tax">' in page
    refused = say(visitor, home, "yes", f"{event.id} {at}")
    assert (refused.status_code, "Choose the category" in text_of(refused)) == (422, True)
    say(visitor, home, "yes", f"{event.id} {at} tax")
    text = text_of(visitor.get(f"{home}/sessions/s1"))
    assert "Added by hand" in text


@pytest.mark.parametrize(
    ("typed", "status", "is_event"),
    [("4.5", 303, True), ("2,5", 303, False), ("9", 422, True), ("nan", 422, True)],
)
def test_another_score_is_typed_in_a_transcript(
    visitor: Visitor,
    home: str,
    store: SqliteStore,
    project: Project,
    typed: str,
    status: int,
    *,
    is_event: bool,
) -> None:
    event = define(store, project, name="urgency", answer="score", score_range=(1, 5))
    add(store, project, interaction("t1", created_at_ms=now_ms()))
    (at,) = ids_of(store, project, "t1")
    said = StoredDetection(at, "s1", now_ms(), True, 0.8, "semantic", None, value="4.2")
    store.write(lambda db: detections.record(db, project.id, event, [said]))
    assert 'name="score"' in visitor.get(f"{home}/sessions/s1").text
    answer = say(visitor, home, "yes", f"{event.id} {at}", score=typed)
    assert answer.status_code == status
    assert totals(store, project).events == is_event


def test_labelling_ten_of_an_event_of_categories_asks_which_it_is(
    visitor: Visitor, home: str, topic: str
) -> None:
    event_id, at = topic.split()
    address = f"{home}/events/{event_id}/review"
    page = visitor.get(f"{address}?of={at}&at=1").text
    assert "Which is it here?" in page
    assert "None of them" in page
    answered = visitor.post(address, click=f"yes {topic} Billing & tax", of=at)
    assert answered.status_code == 303
    text = text_of(visitor.get(answered.headers["Location"]))
    assert "You said Billing & tax" in text
    assert "had said refund" in text
    assert "the detector agrees with 0" in text
