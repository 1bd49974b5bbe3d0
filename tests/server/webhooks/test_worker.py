"""Events reach their webhooks: at least once, whatever happens in between."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Receiver

from phospho.detectors import Detector
from phospho.models import EventDefinition
from phospho.plugins import Plugins
from phospho_server.clock import DAY_MS, now_ms
from phospho_server.detection import DetectionWorker
from phospho_server.errors import StorageFullError
from phospho_server.llm.sealing import Sealer
from phospho_server.store import definitions, deliveries, erasing, reviews, webhooks
from phospho_server.store.deliveries import PAUSES_S, Delivery
from phospho_server.store.interactions import find_ids
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.webhooks import Webhook
from phospho_server.webhooks.messages import make_secret
from phospho_server.webhooks.worker import Sender, WebhookWorker
from tests.loopback import Loopback, Reply, Request, serve_phospho
from tests.server.builders import add, define, interaction
from tests.server.databases import on_sqlite
from tests.waiting import HELD_S, PATIENCE_S, wait_until

SECRET = make_secret()


@pytest.fixture
def receiver() -> Iterator[Loopback]:
    with serve_phospho() as loopback:
        yield loopback


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Sealer(tmp_path / "phospho.db")


@pytest.fixture
def worker(store: SqliteStore, sealer: Sealer) -> Iterator[WebhookWorker]:
    worker = WebhookWorker(store, Sender(sealer, allow_private=True, timeout_s=PATIENCE_S))
    yield worker
    worker.stop()


@pytest.fixture
def detection(store: SqliteStore, detectors: Mapping[str, Detector]) -> DetectionWorker:
    return DetectionWorker(store, detectors, Plugins(entry_points=False))


@pytest.fixture
def event(store: SqliteStore, project: Project) -> EventDefinition:
    return define(store, project, description="The user mentions 'flight'")


AddHook = Callable[..., Webhook]


@pytest.fixture
def add_hook(store: SqliteStore, project: Project, sealer: Sealer, receiver: Loopback) -> AddHook:
    def add_one(**changes: Any) -> Webhook:
        fields: dict[str, Any] = {
            "url": sealer.seal(f"{receiver.url}/hook"),
            "shown_url": "http://…",
            "format_name": "json",
            "secret": sealer.seal(SECRET),
            "definition_ids": None,
            "page_url": "http://here",
            **changes,
        }
        return store.write(lambda db: webhooks.add_webhook(db, project.id, **fields))

    return add_one


def log_of(store: SqliteStore, hook: Webhook) -> list[Delivery]:
    with store.read() as db:
        return deliveries.list_log(db, hook.project_id, hook.id)


def hook_now(store: SqliteStore, hook: Webhook) -> Webhook:
    with store.read() as db:
        return webhooks.get_webhook(db, hook.project_id, hook.id)


def tasks(requests: list[Request]) -> list[str]:
    return [each.body["data"]["interaction"]["task_id"] for each in requests]


def later(store: SqliteStore, ms: int = DAY_MS) -> None:
    """Let so much time have passed for everything that waits."""

    def pass_by(db: Any) -> None:
        db.execute("update webhook_deliveries set run_at_ms = run_at_ms - :ms", {"ms": ms})
        db.execute("update webhooks set rests_until_ms = 0, failing_since_ms = "
                   "failing_since_ms - :ms", {"ms": ms})  # fmt: skip

    store.write(pass_by)


def test_a_receiver_hears_of_an_event_and_can_check_who_says_so(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
) -> None:
    hook = add_hook()
    add(store, project, interaction("t1"), interaction("t2", input="Hello"))
    detection.run_until_done()
    worker.run_until_done()
    (request,) = receiver.requests
    assert request.path == "/hook"
    assert request.body["data"]["event"] == {
        "id": event.id,
        "name": "booking",
        "description": event.description,
        "version": 1,
    }
    assert tasks([request]) == ["t1"]
    content = json.dumps(request.body, separators=(",", ":"))
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert Receiver(SECRET).verify(content, headers) == request.body
    (entry,) = log_of(store, hook)
    assert (entry.state, entry.status, entry.event, entry.error) == ("sent", 200, "booking", None)
    assert entry.id == headers["webhook-id"]


def test_a_webhook_hears_of_its_own_events_alone(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
) -> None:
    other = define(store, project, name="date", description="The assistant mentions 'date'")
    elsewhere = store.write(lambda db: create_project(db, "Other"))
    define(store, elsewhere, description="The user mentions 'flight'")
    hook = add_hook(definition_ids=[other.id])
    add_hook(definition_ids=[])
    add(store, project, interaction())
    add(store, elsewhere, interaction())
    detection.run_until_done()
    worker.run_until_done()
    assert [each.body["data"]["event"]["name"] for each in receiver.requests] == ["date"]
    store.write(lambda db: webhooks.choose_events(db, project.id, hook.id, [event.id]))
    add(store, project, interaction("t2"))
    detection.run_until_done()
    worker.run_until_done()
    assert receiver.requests[-1].body["data"]["event"]["name"] == "booking"


def test_what_is_found_in_the_past_is_not_told(
    store: SqliteStore,
    project: Project,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
) -> None:
    add_hook()
    add(store, project, interaction("old"), interaction("waits"))

    def age(db: Any) -> None:
        db.execute(
            "update interactions set received_at_ms = received_at_ms - :day where task_id = 'old'",
            {"day": DAY_MS},
        )
        db.execute("update webhooks set created_at_ms = created_at_ms - :day", {"day": 2 * DAY_MS})

    store.write(age)
    define(store, project, description="The user mentions 'flight'")
    detection.run_until_done()
    worker.run_until_done()
    # What waited to be looked at when the event was defined is not the past.
    assert tasks(receiver.requests) == ["waits"]


def test_what_was_logged_before_the_webhook_was_made_is_not_told(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
) -> None:
    add(store, project, interaction("before"))
    time.sleep(0.002)
    add_hook()
    add(store, project, interaction("after"))
    detection.run_until_done()
    worker.run_until_done()
    assert tasks(receiver.requests) == ["after"]


@pytest.mark.parametrize(
    "reply",
    [Reply(status=500), Reply(misbehaviour="hang"), Reply(misbehaviour="trickle_headers"),
     Reply(status=302, headers={"Location": "http://127.0.0.1:9/"}), Reply(misbehaviour="reset")],
    ids=["500", "hangs", "drips", "redirects", "resets"],
)  # fmt: skip
def test_what_fails_is_sent_again_under_the_same_id(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
    reply: Reply,
) -> None:
    receiver.replies.append(reply)
    if reply.misbehaviour in {"hang", "trickle_headers"}:
        worker.sender = replace(worker.sender, timeout_s=0.5)
    hook = add_hook()
    add(store, project, interaction())
    detection.run_until_done()
    began_ms = now_ms()
    assert worker.run_once() == 1
    (entry,) = log_of(store, hook)
    assert (entry.state, entry.attempts) == ("waiting", 1)
    assert entry.error is not None
    assert began_ms + 3_000 < entry.run_at_ms < now_ms() + 7_000
    assert hook_now(store, hook).failures == 1
    assert worker.run_once() == 0
    later(store)
    worker.sender = replace(worker.sender, timeout_s=PATIENCE_S)
    worker.run_until_done()
    (entry,) = log_of(store, hook)
    assert (entry.state, entry.attempts, entry.error) == ("sent", 2, None)
    assert len({each.headers["webhook-id"] for each in receiver.requests}) == 1
    assert hook_now(store, hook).failures == 0


def test_the_pauses_grow_from_seconds_to_hours_and_then_a_person_is_asked(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
) -> None:
    receiver.decide = lambda _: Reply(status=500)
    hook = add_hook()
    add(store, project, interaction())
    detection.run_until_done()
    for pause_s in PAUSES_S:
        assert worker.run_once() == 1
        (entry,) = log_of(store, hook)
        assert entry.state == "waiting"
        assert 0.7 * pause_s < (entry.run_at_ms - now_ms()) / 1000 <= 1.2 * pause_s
        later(store, pause_s * 1200)
    assert worker.run_once() == 1
    (entry,) = log_of(store, hook)
    assert (entry.state, entry.attempts) == ("parked", 11)
    assert 18 < sum(PAUSES_S) / 3600 < 24
    receiver.decide = lambda _: None
    store.write(lambda db: deliveries.send_again(db, project.id, hook.id, entry.id))
    later(store)
    worker.run_until_done()
    (entry,) = log_of(store, hook)
    assert entry.state == "sent"
    assert {each.headers["webhook-id"] for each in receiver.requests} == {entry.id}


def test_a_receiver_that_fails_is_left_alone_for_longer_and_longer(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
) -> None:
    receiver.decide = lambda _: Reply(status=500)
    hook = add_hook()
    add(store, project, *(interaction(f"t{n}", session_id=f"s{n}") for n in range(30)))
    detection.run_until_done()
    for rest_s in (5, 10, 20, 40):
        # One is tried, and none of the others.
        assert worker.run_once() == 1
        assert worker.run_once() == 0
        rests_s = (hook_now(store, hook).rests_until_ms - now_ms()) / 1000
        assert rest_s - 2 < rests_s <= rest_s
        store.write(lambda db: db.execute("update webhooks set rests_until_ms = 0"))
    receiver.decide = lambda _: None
    later(store)
    worker.run_until_done()
    assert len(set(tasks(receiver.requests[4:]))) == 30


@pytest.mark.parametrize(
    ("reply", "failures", "days", "says"),
    [
        pytest.param(Reply(status=500), 99, 0, "100 times in a row", id="often"),
        pytest.param(Reply(status=500), 3, 5, "for five days", id="long"),
        pytest.param(Reply(status=410), 0, 0, "hear nothing more", id="gone"),
    ],
)
def test_a_webhook_that_keeps_failing_is_switched_off_until_somebody_turns_it_on(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
    reply: Reply,
    failures: int,
    days: int,
    says: str,
) -> None:
    receiver.replies.append(reply)
    hook = add_hook()
    add(store, project, interaction("t1"))
    detection.run_until_done()
    since = now_ms() - days * DAY_MS
    store.write(
        lambda db: db.execute(
            "update webhooks set failures = :n, failing_since_ms = :since",
            {"n": failures, "since": since},
        )
    )
    worker.run_once()
    off = hook_now(store, hook)
    assert not off.is_on
    assert says in (off.disabled_reason or "")
    add(store, project, interaction("t2"))
    detection.run_until_done()
    later(store)
    assert worker.run_once() == 0
    store.write(lambda db: webhooks.enable_webhook(db, project.id, hook.id, enabled=True))
    worker.run_until_done()
    assert tasks(receiver.requests) == ["t1", "t1"]


def test_a_slow_receiver_holds_up_no_other(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
    sealer: Sealer,
) -> None:
    with serve_phospho() as slow:
        slow.decide = lambda _: Reply(misbehaviour="hang")
        add_hook(url=sealer.seal(slow.url))
        add_hook()
        add(store, project, *(interaction(f"t{n}", session_id=f"s{n}") for n in range(20)))
        detection.run_until_done()
        running = threading.Thread(target=worker.run_once)
        running.start()
        wait_until(lambda: len(receiver.requests) == 20, what="the other one has heard all")
        assert running.is_alive()
        slow.released.set()
        running.join()
        assert len(slow.requests) == 1


def test_a_server_that_stops_does_not_wait_for_a_receiver(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    sealer: Sealer,
    receiver: Loopback,
) -> None:
    receiver.decide = lambda _: Reply(misbehaviour="hang")
    hook = add_hook()
    add(store, project, interaction())
    detection.run_until_done()
    worker = WebhookWorker(store, Sender(sealer, allow_private=True, timeout_s=HELD_S))
    worker.start()
    wait_until(lambda: bool(receiver.requests))
    worker.stop()
    assert worker.is_running
    # It is sent again by the next process, when it is claimed no longer.
    assert [entry.state for entry in log_of(store, hook)] == ["waiting"]
    receiver.released.set()
    wait_until(lambda: not worker.is_running, what="its thread ends")


def test_a_full_disk_does_not_have_a_message_sent_over_and_over(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = add_hook()
    add(store, project, interaction("t1"), interaction("t2", session_id="s2"))
    detection.run_until_done()
    write, writes, room = store.write, 0, 1

    def write_while_there_is_room(change: Callable[..., Any]) -> Any:
        nonlocal writes
        writes += 1
        if writes > room:
            raise StorageFullError("full")
        return write(change)

    monkeypatch.setattr(store, "write", write_while_there_is_room)
    for _ in range(5):
        with pytest.raises(StorageFullError):
            worker.run_once()
    assert len(receiver.requests) == 1
    room = 100
    worker.run_until_done()
    later(store)
    worker.run_until_done()
    assert sorted(tasks(receiver.requests)) == ["t1", "t1", "t2"]
    assert [entry.state for entry in log_of(store, hook)] == ["sent", "sent"]


def test_two_servers_on_one_database_send_each_message_once(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    sealer: Sealer,
    receiver: Loopback,
) -> None:
    hook = add_hook()
    add(store, project, *(interaction(f"t{n}", session_id=f"s{n}") for n in range(15)))
    detection.run_until_done()
    other = WebhookWorker(store, Sender(sealer, allow_private=True))
    at_work = [threading.Thread(target=each.run_until_done) for each in (worker, other)]
    for thread in at_work:
        thread.start()
    for thread in at_work:
        thread.join()
    other.stop()
    assert sorted(tasks(receiver.requests)) == sorted(f"t{n}" for n in range(15))
    assert [entry.state for entry in log_of(store, hook)] == ["sent"] * 15


def test_what_does_not_stand_any_more_is_not_sent(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
) -> None:
    hook = add_hook()
    add(store, project, interaction("rejected"), interaction("removed", session_id="s2"))
    detection.run_until_done()
    with store.read() as db:
        ids = find_ids(db, project.id, ["rejected", "removed"])
    store.write(
        lambda db: (
            reviews.review(
                db, project.id, event.id, ids["rejected"], occurred=False, source="events"
            ),
            erasing.remove_interactions(db, project.id, [ids["removed"]]),
        )
    )
    worker.run_until_done()
    assert receiver.requests == []
    assert [entry.state for entry in log_of(store, hook)] == ["dropped"] * 2


def test_the_log_keeps_the_newest(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
) -> None:
    hook = add_hook()
    add(store, project, *(interaction(f"t{n}", session_id=f"s{n}") for n in range(70)))
    detection.run_until_done()
    worker.run_until_done()
    assert len(set(tasks(receiver.requests))) == 70
    with store.read() as db:
        assert deliveries.count_states(db, project.id, hook.id) == {"sent": 50}
    sent = [each.headers["webhook-id"] for each in receiver.requests]
    assert [entry.id for entry in log_of(store, hook)] == sent[:-51:-1]


@on_sqlite
def test_a_lost_key_is_a_problem_that_is_told(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    tmp_path: Path,
) -> None:
    hook = add_hook()
    (tmp_path / "phospho.db.key").write_text("another")
    add(store, project, interaction())
    detection.run_until_done()
    worker.run_once()
    assert "sealed with another key" in (log_of(store, hook)[0].error or "")


def test_nothing_is_sent_to_private_addresses_unless_it_is_allowed(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    sealer: Sealer,
    receiver: Loopback,
) -> None:
    hook = add_hook()
    add(store, project, interaction())
    detection.run_until_done()
    worker = WebhookWorker(store, Sender(sealer))
    worker.run_once()
    worker.stop()
    assert receiver.requests == []
    assert "PHOSPHO_ALLOW_PRIVATE_WEBHOOKS=1" in (log_of(store, hook)[0].error or "")


def test_a_webhook_that_is_deleted_meanwhile_is_told_no_more(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
) -> None:
    hook = add_hook()
    add(store, project, interaction())
    detection.run_until_done()

    def delete(_: Request) -> Reply | None:
        store.write(lambda db: webhooks.delete_webhook(db, project.id, hook.id))
        return Reply(status=500)

    receiver.decide = delete
    worker.run_until_done()
    assert len(receiver.requests) == 1
    with store.read() as db:
        assert not db.rows("select 1 from webhook_deliveries")


def test_an_edit_and_a_deleted_event_leave_nothing_undone(
    store: SqliteStore,
    project: Project,
    event: EventDefinition,
    add_hook: AddHook,
    detection: DetectionWorker,
    worker: WebhookWorker,
    receiver: Loopback,
) -> None:
    hook = add_hook()
    add(store, project, interaction())
    detection.run_until_done()
    store.write(lambda db: definitions.delete_definition(db, project.id, event.id))
    worker.run_until_done()
    assert receiver.requests == []
    assert [entry.state for entry in log_of(store, hook)] == ["dropped"]
