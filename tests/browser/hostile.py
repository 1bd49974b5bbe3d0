"""A project in which every text that people or programs write is hostile."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from phospho.detectors import Detector
from phospho.models import EventDefinition
from phospho.snapshot import MAX_ID_CHARS, clean_text
from phospho_server.clock import now_ms
from phospho_server.defining import make_definition
from phospho_server.errors import ConflictError, InvalidError
from phospho_server.incoming import read_interaction
from phospho_server.store import (
    Connection,
    accounts,
    alerts,
    audit_log,
    deliveries,
    detections,
    erasures,
    feedback,
    invitations,
    jobs,
    leases,
    llm,
    memberships,
    message_facts,
    reviews,
    webhooks,
)
from phospho_server.store.alert_rules import Terms, add_rule
from phospho_server.store.definitions import create_definition, edit_definition
from phospho_server.store.interactions import find_ids
from phospho_server.store.llm import LlmSettings
from phospho_server.store.projects import create_key, create_project
from phospho_server.store.rows import NewInteraction, Project
from phospho_server.store.saved_views import MOST_VIEWS, save_view
from phospho_server.store.sign_ins import Browser, create_sign_in
from phospho_server.store.sqlite import SqliteStore
from phospho_server.views.filters import write_query
from tests.browser import payloads
from tests.server.builders import add, verdict

MAX_NAME = 100
EVERYTHING = "everything"

# As they are stored, whoever sends them: see `clean_text`.
PAYLOADS = [clean_text(each) for each in payloads.PAYLOADS]


def packed(most_chars: int) -> Iterator[str]:
    return payloads.packed(most_chars, PAYLOADS)


@dataclass(frozen=True)
class Hostile:
    """What the pages of a hostile project are asked for.

    Args:
        session_ids: One session with all payloads, and some whose ids hold all of them.
        user_ids: The same of users.
        event_ids: Events that hold all payloads, one of each kind of answer.
        webhook_id: A webhook that failed with all of them.
        rule_id: A rule that fires, on an event that holds all of them.
        erasure_id: Somebody with such an id is to be erased, as somebody with such a name asked.
    """

    project: Project
    session_ids: Sequence[str]
    user_ids: Sequence[str]
    event_ids: Sequence[str]
    webhook_id: str
    rule_id: str
    erasure_id: str


def fill(store: SqliteStore, detectors: Mapping[str, Detector]) -> Hostile:
    """Put every payload into every text there is."""
    for name in packed(MAX_NAME):
        store.write(lambda db, n=name: create_project(db, n))  # type: ignore[misc]
    project = store.write(lambda db: create_project(db, PAYLOADS[0]))
    new = _interactions()
    add(store, project, *new)
    events = _define(store, project, detectors)
    _detect(store, project, new, events)
    store.write(lambda db: _say(db, project.id, new, events))
    store.write(lambda db: _set(db, project.id))
    store.write(lambda db: _let_in(db, project.id))
    webhook_id = store.write(lambda db: _tell_others(db, project.id, events[0].id))
    rule_id = store.write(lambda db: _alert(db, project.id, events[0].id))
    ids = list(packed(MAX_ID_CHARS))
    who = next(packed(MAX_NAME))
    erasure = store.write(lambda db: erasures.ask(db, project.id, "user", ids[0], who=who))
    return Hostile(
        project,
        [EVERYTHING, *ids],
        ids,
        [event.id for event in events[:3]],
        webhook_id,
        rule_id,
        erasure.id,
    )


def _interactions() -> list[NewInteraction]:
    """Return each payload in a session of its own and in one with all, and as a part of ids."""
    at_ms = now_ms() - 10_000_000
    texts = [(payload, payload, payload) for payload in PAYLOADS]
    texts += [(f"{n} {payload}", EVERYTHING, payload) for n, payload in enumerate(PAYLOADS)]
    texts += [(pack, pack, pack) for pack in packed(MAX_ID_CHARS)]
    return [
        read_interaction(_event(*each, at_ms + n * 1000), received_at_ms=now_ms())
        for n, each in enumerate(texts)
    ]


def _event(task_id: str, session_id: str, text: str, at_ms: int) -> dict[str, Any]:
    step = {"kind": "tool", "name": text, "input": text, "output": {text: [text]}, "model": text}
    return {
        "task_id": task_id,
        "session_id": session_id,
        "user_id": text,
        "version_id": text,
        "input": text,
        "output": text,
        "created_at_ms": at_ms,
        "metadata": {
            text: text,
            "model": text,
            "short": text[:60],
            "status": "error",
            "error": {"type": text, "message": text},
            "deep": {text: [{text: text}]},
        },
        "raw_input": {text: text},
        "raw_output": [text],
        "steps": [step, {**step, "kind": text, "error": {"type": text, "message": text}, text: 1}],
    }


def _define(
    store: SqliteStore, project: Project, detectors: Mapping[str, Detector]
) -> list[EventDefinition]:
    """Define an event of each payload, after some that have all of them; edit each once."""
    descriptions = itertools.cycle(packed(1_900))
    names = [*packed(MAX_NAME)]
    examples = [{"input": each, "output": each} for each in PAYLOADS[:60]]
    kinds: list[dict[str, Any]] = [
        {"keywords": list(packed(200))},
        {"answer": "category", "categories": list(packed(100))[:50]},
        {"answer": "score", "score_range": (0, 10)},
    ]
    drafts = [
        {"name": names[n], "description": next(descriptions), "examples": examples, **kind}
        for n, kind in enumerate(kinds)
    ]
    drafts += [
        {
            "name": payload[:MAX_NAME],
            "description": payload,
            "pattern": payload,
            "keywords": [payload[:200]],
            "examples": [{"input": payload}],
            "settings": {payload: payload},
        }
        for payload in PAYLOADS
    ]
    return [event for draft in drafts if (event := _define_one(store, project, detectors, draft))]


def _define_one(
    store: SqliteStore, project: Project, detectors: Mapping[str, Detector], draft: dict[str, Any]
) -> EventDefinition | None:
    draft = {"id": "new", **draft}
    try:
        made = make_definition(draft, detectors)
    except InvalidError:
        made = make_definition({**draft, "pattern": None}, detectors)
    try:
        created = store.write(lambda db: create_definition(db, project.id, made))
    except ConflictError:  # two payloads that begin alike
        return None
    edited = created.model_copy(update={"description": f"{created.description} again"})
    return store.write(lambda db: edit_definition(db, project.id, edited))


def _detect(
    store: SqliteStore,
    project: Project,
    new: Sequence[NewInteraction],
    events: Sequence[EventDefinition],
) -> None:
    """Find each event in some interactions, with hostile words about the reason."""
    for number, event in enumerate(events):
        found = []
        # Each category is an option at each place: a few are enough.
        mine = (new, new[::20], new)[number] if number < 3 else new[number - 3 :: len(PAYLOADS)]
        for each in mine:
            said = {"side": "input", "quote": each.input[:200], "reason": each.input[:200]}
            value = {"category": json.dumps(each.input), "score": "4.5"}.get(event.answer)
            more = {"value": value, "evidence": json.dumps(said), "detector": each.input[:80]}
            found.append(verdict(store, project, each, detected=True, score=0.7, **more))
        store.write(
            lambda db, e=event, f=found: detections.record(db, project.id, e, f)  # type: ignore[misc]
        )
    answers = [verdict(store, project, each, detected=True) for each in new]
    told = {
        "language": [
            replace(answer, value=json.dumps(each.input[:60]))
            for answer, each in zip(answers, new, strict=True)
        ],
        "sentiment": [replace(answer, value="-0.7") for answer in answers],
    }
    store.write(lambda db: message_facts.record(db, project.id, told))


def _say(
    db: Connection,
    project_id: str,
    new: Sequence[NewInteraction],
    events: Sequence[EventDefinition],
) -> None:
    """Let people give feedback, reject what was found, and have jobs fail."""
    ids = find_ids(db, project_id, [each.task_id for each in new])
    for each in new:
        text = each.input
        feedback.add_feedback(
            db, project_id, each.task_id, flag="failure", notes=text, source=text[:80]
        )
    for each, category in zip(new[::7], itertools.cycle(events[1].categories)):
        row = ids[each.task_id]
        reviews.review(db, project_id, events[0].id, row, occurred=False, source="audit")
        reviews.review(
            db, project_id, events[1].id, row, occurred=True, source="events", value=category
        )
    for job in leases.claim(db, most=100_000):
        jobs.finish(db, job)
    for event, payload in zip(events, itertools.cycle(PAYLOADS)):
        jobs.add_failed(
            db,
            project_id,
            [ids[new[0].task_id]],
            definition_id=event.id,
            attempts=9,
            reason=payload,
        )


def _set(db: Connection, project_id: str) -> None:
    """Give keys, views and the LLM hostile names."""
    for name in packed(MAX_NAME):
        create_key(db, project_id, name)
    names = list(packed(MAX_NAME))
    for page in ("sessions", "interactions"):
        names, rest = names[:MOST_VIEWS], names[MOST_VIEWS:]
        for name in names:
            query = write_query([("user", name), ("metadata", f"a={name[:80]}")])
            save_view(db, project_id, page=page, name=name, query=query)
        names = rest or names
    pack = next(packed(200))
    llm.save_settings(
        db,
        project_id,
        LlmSettings(base_url="https://llm.example.org/v1", model=pack, currency="<b xss>"),
    )
    llm.pause(db, project_id, " ".join(PAYLOADS)[:4000])


def _let_in(db: Connection, project_id: str) -> None:
    """Have accounts, invitations, browsers and acts of hostile names, also impossible ones."""
    for number, payload in enumerate(PAYLOADS):
        account = accounts.create_account(db, f"a{number}@example.com", "no hash")
        memberships.add_member(db, project_id, account.id, "viewer")
        db.execute(
            "update accounts set email = :email where id = :id",
            {"email": payload, "id": account.id},
        )
    for text in packed(300):
        invitations.create_invitation(db, project_id, "editor", invited_by=text)
        create_sign_in(db, None, Browser(text, text))
        for place in (project_id, None):
            audit_log.record(db, place, who=text, action="key created", what=text)


def _tell_others(db: Connection, project_id: str, event_id: str) -> str:
    """Have a webhook whose receiver is hostile, and return its id."""
    texts = list(packed(400))
    hook = webhooks.add_webhook(
        db,
        project_id,
        url="sealed:x",
        shown_url=f"https://example.com/{texts[0]}",
        format_name="json",
        secret="sealed:x",
        definition_ids=[event_id],
        page_url="http://127.0.0.1",
    )
    for text in texts:
        delivery = deliveries.add_delivery(db, hook, definition_id=event_id, interaction_id=1)
        tried = replace(delivery, attempts=10)
        deliveries.note_failed(db, tried, text, status=500, duration_ms=5)
    webhooks.note_failure(db, replace(hook, failures=99), " ".join(texts), is_gone=False)
    return hook.id


def _alert(db: Connection, project_id: str, event_id: str) -> str:
    """Fire an alert, and return the id of its rule."""
    rule = add_rule(db, project_id, event_id, Terms(60, 1))
    alerts.fire(db, rule, count=1, usual=0.5, at_ms=now_ms())
    return rule.id
