"""Alerts from the interactions to the receiver: fired once, ended once, whatever happens."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from standardwebhooks import Webhook as Receiver

from phospho.models import EventDefinition
from phospho_server.alerts.judging import decide
from phospho_server.alerts.worker import AlertWorker
from phospho_server.clock import DAY_MS, HOUR_MS, MINUTE_MS, hour_of, now_ms
from phospho_server.housekeeping import Housekeeping
from phospho_server.llm.sealing import Sealer
from phospho_server.store import (
    Connection,
    alert_changes,
    alert_rules,
    alerts,
    counters,
    definitions,
    deliveries,
    detections,
    erasing,
    jobs,
    telling,
    webhooks,
    windows,
)
from phospho_server.store.alert_rules import AlertRule, Terms
from phospho_server.store.alerts import Alert
from phospho_server.store.deleting import delete_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.webhooks import Webhook
from phospho_server.webhooks.messages import make_secret
from phospho_server.webhooks.worker import Sender, WebhookWorker
from tests.loopback import Loopback, serve_phospho
from tests.server.builders import add, define, interaction, verdict
from tests.waiting import PATIENCE_S

SECRET = make_secret()


class Clock:
    """A time that moves when it is told to, from one hour on the hour."""

    def __init__(self) -> None:
        self.at_ms = hour_of(now_ms())

    def __call__(self) -> int:
        return self.at_ms

    def pass_by(self, minutes: float) -> None:
        self.at_ms += int(minutes * MINUTE_MS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def worker(store: SqliteStore, clock: Clock) -> AlertWorker:
    return AlertWorker(store, clock)


@pytest.fixture
def event(store: SqliteStore, project: Project) -> EventDefinition:
    event = define(store, project, name="refund")
    # What the past had of it is known.
    store.write(lambda db: db.execute("update event_definition_versions set from_id = 0"))
    return event


@pytest.fixture
def receiver() -> Iterator[Loopback]:
    with serve_phospho() as loopback:
        yield loopback


@pytest.fixture
def hook(store: SqliteStore, project: Project, receiver: Loopback, sealer: Sealer) -> Webhook:
    return add_hook(store, project, receiver, sealer)


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Sealer(tmp_path / "phospho.db")


def add_hook(
    store: SqliteStore, project: Project, receiver: Loopback, sealer: Sealer, **changes: Any
) -> Webhook:
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


Happen = Callable[..., None]
_numbers = iter(range(10**9))


@pytest.fixture
def happen(store: SqliteStore, project: Project, event: EventDefinition, clock: Clock) -> Happen:
    """Let events occur, one in each of so many new interactions, so many minutes ago."""

    def happen(events: int, *, ago: float = 0, besides: int = 0) -> None:
        at_ms = clock() - int(ago * MINUTE_MS)
        names = [f"t{next(_numbers)}" for _ in range(events + besides)]
        new = [interaction(name, session_id=name, created_at_ms=at_ms) for name in names]
        add(store, project, *new)
        found = [verdict(store, project, each, detected=True) for each in new[:events]]
        store.write(lambda db: detections.record(db, project.id, event, found))

    return happen


def make_rule(
    store: SqliteStore, event: EventDefinition, project: Project, *terms: int | None
) -> AlertRule:
    return store.write(
        lambda db: alert_rules.add_rule(db, project.id, event.id, Terms(*terms))  # type: ignore[arg-type]
    )


def log_of(store: SqliteStore, project: Project) -> list[Alert]:
    with store.read() as db:
        return alerts.list_log(db, project.id)


def waiting(store: SqliteStore) -> list[str]:
    with store.read() as db:
        rows = db.rows("select type from webhook_deliveries order by id")
    return [row["type"] for row in rows]


def send_all(store: SqliteStore, sealer: Sealer) -> None:
    sender = WebhookWorker(store, Sender(sealer, allow_private=True, timeout_s=PATIENCE_S))
    sender.run_until_done()


def test_a_receiver_hears_once_that_a_rule_fires_and_once_that_it_is_over(
    store: SqliteStore, project: Project, event: EventDefinition, worker: AlertWorker,
    clock: Clock, happen: Happen, hook: Webhook, receiver: Loopback, sealer: Sealer,
) -> None:  # fmt: skip
    made = make_rule(store, event, project, 60, 3)
    happen(2)
    assert worker.run_once() == 0
    for _ in range(3):
        happen(1)
        clock.pass_by(1)
        worker.run_once()
    send_all(store, sealer)
    (request,) = receiver.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    content = json.dumps(request.body, separators=(",", ":"))
    assert Receiver(SECRET).verify(content, headers) == request.body
    assert request.body["type"] == "alert.fired"
    data = request.body["data"]
    assert data["event"]["name"] == "refund"
    assert data["url"] == f"http://here/projects/{project.id}/events/{event.id}"
    (alert,) = log_of(store, project)
    assert (data["alert"]["id"], data["alert"]["rule_id"]) == (alert.id, made.id)
    assert (data["alert"]["count"], data["alert"]["text"]) == (3, "3 in the last hour")
    for _ in range(120):
        clock.pass_by(1)
        worker.run_once()
    send_all(store, sealer)
    (_, ended) = receiver.requests
    assert ended.body["type"] == "alert.ended"
    assert ended.body["data"]["alert"]["id"] == alert.id
    assert ended.body["data"]["alert"]["ended_at"] is not None
    (alert,) = log_of(store, project)
    assert (alert.ended_count, alert.count) == (0, 3)
    with store.read() as db:
        assert {each.state for each in deliveries.list_log(db, project.id, hook.id)} == {"sent"}


def test_a_number_that_moves_around_the_limit_is_told_once(
    store: SqliteStore, project: Project, event: EventDefinition, worker: AlertWorker,
    clock: Clock, happen: Happen, hook: Webhook,
) -> None:  # fmt: skip
    make_rule(store, event, project, 15, 2)
    for minute in range(111):
        # Now there are two in the window, now one.
        if minute % 10 == 0:
            happen(1)
        worker.run_once()
        clock.pass_by(1)
    assert waiting(store) == ["alert.fired"]
    clock.pass_by(20)
    worker.run_once()
    clock.pass_by(14)
    worker.run_once()
    assert waiting(store) == ["alert.fired"]
    clock.pass_by(1)
    worker.run_once()
    assert waiting(store) == ["alert.fired", "alert.ended"]


def test_old_events_that_arrive_late_count_when_they_occurred(
    store: SqliteStore, project: Project, event: EventDefinition, worker: AlertWorker,
    clock: Clock, happen: Happen,
) -> None:  # fmt: skip
    make_rule(store, event, project, 60, 3)
    happen(500, ago=62)
    happen(500, ago=60 * 24 * 40)
    happen(2)
    worker.run_once()
    assert log_of(store, project) == []
    happen(1, ago=60)
    clock.pass_by(1)
    happen(1)
    worker.run_once()
    assert [each.count for each in log_of(store, project)] == [3]


def fill_days(clock: Clock, happen: Happen, *, days: int, events: int, traffic: int) -> None:
    for day in range(1, days + 1):
        happen(events, ago=24 * 60 * day + 5, besides=traffic - events)


def test_a_jump_is_told_with_what_is_usual(
    store: SqliteStore, project: Project, event: EventDefinition, worker: AlertWorker,
    clock: Clock, happen: Happen, hook: Webhook, receiver: Loopback, sealer: Sealer,
) -> None:  # fmt: skip
    fill_days(clock, happen, days=9, events=6, traffic=20)
    make_rule(store, event, project, 60, 5, 3)
    happen(17)
    worker.run_once()
    assert log_of(store, project) == []
    happen(3)
    clock.pass_by(1)
    worker.run_once()
    send_all(store, sealer)
    (request,) = receiver.requests
    assert request.body["data"]["alert"]["text"] == "20 in the last hour, usually 6"
    assert request.body["data"]["alert"]["usual"] == 6


def test_a_product_that_grows_fires_nothing(
    store: SqliteStore, project: Project, event: EventDefinition, worker: AlertWorker,
    clock: Clock, happen: Happen,
) -> None:  # fmt: skip
    fill_days(clock, happen, days=9, events=2, traffic=10)
    make_rule(store, event, project, 60, 5, 2)
    happen(24, besides=96)
    worker.run_once()
    assert log_of(store, project) == []


@pytest.mark.parametrize("change", ["few-days", "looking-back", "new-version"])
def test_nothing_is_called_usual_before_it_is_known(
    store: SqliteStore, project: Project, event: EventDefinition, worker: AlertWorker,
    clock: Clock, happen: Happen, change: str,
) -> None:  # fmt: skip
    fill_days(clock, happen, days=6 if change == "few-days" else 9, events=1, traffic=20)
    make_rule(store, event, project, 60, 5, 2)
    happen(19)
    edited = event.model_copy(update={"description": "The user wants money back"})
    if change == "new-version":
        store.write(lambda db: definitions.edit_definition(db, project.id, edited, to_past=False))
    elif change == "looking-back":
        # While it was off, nothing was looked at.
        for enabled in (False, True):
            store.write(
                lambda db, on=enabled: definitions.enable_definition(  # type: ignore[misc]
                    db, project.id, event.id, enabled=on
                )
            )
    worker.run_once()
    assert log_of(store, project) == []


def test_the_past_of_a_day_is_compared_at_the_same_time_of_the_day(
    store: SqliteStore, project: Project, event: EventDefinition, clock: Clock, happen: Happen
) -> None:
    for day in range(1, 10):
        happen(day, ago=24 * 60 * day)
        happen(50, ago=24 * 60 * day - 120)
    stretch = windows.Stretch.ending(clock(), HOUR_MS)
    with store.read() as db:
        found = windows.count_windows(db, project.id, event.id, stretch, days=10)
        known = windows.count_known_days(db, project.id, event.id, stretch)
    assert [each.events for each in found] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert known == 8


@pytest.mark.parametrize("minutes", [15, 60, 360, 1_440, 10_080])
@pytest.mark.parametrize("past_the_hour", [0, 1, 37, 59])
def test_a_window_is_as_long_as_it_is_called_and_at_most_a_minute_longer(
    store: SqliteStore, project: Project, event: EventDefinition, clock: Clock, happen: Happen,
    minutes: int, past_the_hour: int,
) -> None:  # fmt: skip
    clock.pass_by(past_the_hour + 0.5)
    for ago, events in ((0, 1), (minutes / 2, 10), (minutes, 100), (minutes + 1.1, 200)):
        happen(events, ago=ago)
    with store.read() as db:
        stretch = windows.Stretch.ending(clock(), minutes * MINUTE_MS)
        (now,) = windows.count_windows(db, project.id, event.id, stretch)
    assert now == windows.Window(111, 111)


@pytest.mark.parametrize("step", ["fire", "end"])
def test_of_several_workers_one_tells(
    store: SqliteStore, project: Project, event: EventDefinition, worker: AlertWorker,
    clock: Clock, happen: Happen, hook: Webhook, step: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    make_rule(store, event, project, 15, 3)
    happen(3)
    if step == "end":
        worker.run_once()
        clock.pass_by(20)
        worker.run_once()
        clock.pass_by(20)
    told = len(waiting(store))
    # Every one of them has seen the same before the first of them writes.
    barrier = threading.Barrier(4)

    def decide_late(*seen: Any) -> Any:
        decided = decide(*seen)
        barrier.wait(PATIENCE_S)
        return decided

    monkeypatch.setattr("phospho_server.alerts.worker.decide", decide_late)
    threads = [threading.Thread(target=AlertWorker(store, clock).run_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(waiting(store)) == told + 1
    assert len(log_of(store, project)) == 1


class CrashError(Exception):
    """The process ends here."""


@pytest.mark.parametrize(
    ("module", "where"),
    [(telling, "plan_alert"), (deliveries, "add_delivery"), (jobs, "add_alert")],
    ids=["before-all", "before-webhooks", "before-plugins"],
)
def test_a_crash_between_steps_neither_loses_nor_repeats_an_alert(
    store: SqliteStore, project: Project, event: EventDefinition, worker: AlertWorker,
    clock: Clock, happen: Happen, hook: Webhook, module: ModuleType, where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    make_rule(store, event, project, 60, 3)
    happen(3)

    def crash(*_: Any, **__: Any) -> None:
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(module, where, crash)
        with pytest.raises(CrashError):
            worker.run_once()
    assert (waiting(store), log_of(store, project)) == ([], [])
    for _ in range(3):
        AlertWorker(store, clock).run_once()
    assert waiting(store) == ["alert.fired"]


def test_a_rule_that_is_changed_while_it_is_looked_at_is_looked_at_again(
    store: SqliteStore, project: Project, event: EventDefinition, worker: AlertWorker,
    clock: Clock, happen: Happen, hook: Webhook, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    made = make_rule(store, event, project, 60, 3)
    store.write(lambda db: db.execute("update alert_rules set edited_at_ms = 1"))
    happen(3)

    def change_meanwhile(*seen: Any) -> Any:
        store.write(lambda db: alert_changes.change_terms(db, project.id, made.id, Terms(60, 4)))
        return decide(*seen)

    monkeypatch.setattr("phospho_server.alerts.worker.decide", change_meanwhile)
    worker.run_once()
    assert waiting(store) == []


Act = Callable[[Connection, str, str], object]


@pytest.mark.parametrize(
    ("act", "told", "left"),
    [
        pytest.param(
            lambda db, p, r: alert_changes.pause_rule(db, p, r, paused=True),
            ["alert.fired", "alert.ended"],
            1,
            id="paused",
        ),
        pytest.param(
            lambda db, p, r: alert_changes.change_terms(db, p, r, Terms(60, 4)),
            ["alert.fired", "alert.ended"],
            1,
            id="edited",
        ),
        pytest.param(alert_changes.delete_rule, ["alert.fired", "alert.ended"], 0, id="deleted"),
        pytest.param(
            lambda db, p, r: definitions.delete_definition(
                db, p, alert_rules.get_rule(db, p, r).definition_id
            ),
            ["alert.fired"],
            0,
            id="event-deleted",
        ),
        pytest.param(
            lambda db, p, _: delete_project(db, p, typed_name="Support bot"),
            [],
            0,
            id="project-gone",
        ),
    ],
)
def test_a_rule_that_is_no_more_fires_no_more(
    store: SqliteStore, project: Project, event: EventDefinition, worker: AlertWorker,
    clock: Clock, happen: Happen, hook: Webhook, act: Act, told: list[str], left: int,
) -> None:  # fmt: skip
    made = make_rule(store, event, project, 60, 3)
    happen(3)
    worker.run_once()
    store.write(lambda db: act(db, project.id, made.id))
    for _ in range(5):
        clock.pass_by(30)
        worker.run_once()
    assert waiting(store) == told
    with store.read() as db:
        assert len(db.rows("select * from alert_rules")) == left


def test_a_message_about_a_deleted_event_is_not_sent(
    store: SqliteStore, project: Project, event: EventDefinition, worker: AlertWorker,
    happen: Happen, hook: Webhook, receiver: Loopback, sealer: Sealer,
) -> None:  # fmt: skip
    make_rule(store, event, project, 60, 3)
    happen(3)
    worker.run_once()
    store.write(lambda db: definitions.delete_definition(db, project.id, event.id))
    send_all(store, sealer)
    assert receiver.requests == []
    with store.read() as db:
        (entry,) = deliveries.list_log(db, project.id, hook.id)
    assert entry.state == "dropped"


def test_webhooks_are_told_what_they_are_for(
    store: SqliteStore, project: Project, event: EventDefinition, worker: AlertWorker,
    happen: Happen, receiver: Loopback, sealer: Sealer,
) -> None:  # fmt: skip
    make_rule(store, event, project, 60, 3)
    for hears in ("events", "alerts", "both"):
        add_hook(store, project, receiver, sealer, hears=hears, format_name="slack")
    add_hook(store, project, receiver, sealer, hears="alerts", definition_ids=["another"])
    happen(3)
    worker.run_once()
    assert waiting(store) == ["alert.fired"] * 2
    send_all(store, sealer)
    link = f"<http://here/projects/{project.id}/events/{event.id}|open the event>"
    said = f"Alert on *refund* fired in Support bot: 3 in the last hour. {link}"
    assert [each.body for each in receiver.requests] == [{"text": said}] * 2


def test_a_look_is_taken_once_a_minute(
    store: SqliteStore, project: Project, event: EventDefinition, worker: AlertWorker,
    clock: Clock, happen: Happen,
) -> None:  # fmt: skip
    make_rule(store, event, project, 60, 3)
    worker.run_once()
    happen(3)
    clock.pass_by(0.9)
    assert worker.run_once() == 0
    clock.pass_by(0.1)
    assert worker.run_once() == 1


def test_what_is_taken_out_of_the_numbers_is_taken_out_of_alerts(
    store: SqliteStore, project: Project, event: EventDefinition, clock: Clock, happen: Happen
) -> None:
    happen(4, besides=2)
    with store.read() as db:
        ids = [row["id"] for row in db.rows("select id from interactions order by id")]
    store.write(lambda db: erasing.remove_interactions(db, project.id, ids[:1], keep_numbers=False))
    stretch = windows.Stretch.ending(clock(), HOUR_MS)
    with store.read() as db:
        (now,) = windows.count_windows(db, project.id, event.id, stretch)
    assert now == windows.Window(3, 5)


def test_counts_by_the_minute_are_kept_for_as_long_as_they_are_compared(
    store: SqliteStore, project: Project, event: EventDefinition, happen: Happen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    happen(3, ago=5)
    happen(3, ago=60 * 24 * 20)

    def rows() -> int:
        with store.read() as db:
            return len(db.rows("select * from minute_counters"))

    assert rows() == 2
    work = Housekeeping(store)
    work.run_until_done()
    assert rows() == 2
    monkeypatch.setattr(windows, "now_ms", lambda: now_ms() + counters.MINUTES_KEPT_MS + DAY_MS)
    work.run_until_done()
    assert rows() == 0


def test_the_log_of_an_event_keeps_the_newest(
    store: SqliteStore, project: Project, event: EventDefinition
) -> None:
    made = make_rule(store, event, project, 60, 3)

    def fire_often(db: Connection) -> None:
        for n in range(105):
            alerts.fire(db, made, count=n, usual=None, at_ms=n)
            alerts.end(db, alert_rules.get_rule(db, project.id, made.id), count=0, at_ms=n)

    store.write(fire_often)
    with store.read() as db:
        kept = db.rows("select count from alerts order by id desc")
    assert [row["count"] for row in kept] == list(range(104, 4, -1))
    assert len(log_of(store, project)) == alerts.SHOWN
