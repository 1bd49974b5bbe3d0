"""Plugins are told of alerts, whoever fires and ends them."""

from __future__ import annotations

import phospho
from phospho.models import Alert, EventDefinition
from phospho.plugins import Plugins
from phospho_server.detection import DetectionWorker
from phospho_server.store import alert_rules, alerts, definitions
from phospho_server.store.alert_changes import delete_rule
from phospho_server.store.alert_rules import AlertRule, Terms
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import NOON_MS, define


class Listener:
    """A plugin that takes note of alerts, and fails as often as it is told to."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails
        self.told: list[tuple[str, str, Alert]] = []

    @phospho.hookimpl
    def phospho_alert_fired(self, alert: Alert, definition: EventDefinition) -> None:
        if self.fails:
            self.fails -= 1
            raise OSError("the pager is away")
        self.told.append(("fired", definition.name, alert))

    @phospho.hookimpl
    def phospho_alert_ended(self, alert: Alert, definition: EventDefinition) -> None:
        self.told.append(("ended", definition.name, alert))


def fire(store: SqliteStore, project: Project) -> AlertRule:
    event = define(store, project, name="refund")
    rule = store.write(lambda db: alert_rules.add_rule(db, project.id, event.id, Terms(60, 5, 3)))
    store.write(lambda db: alerts.fire(db, rule, count=42, usual=6, at_ms=NOON_MS))
    return rule


def run(store: SqliteStore, *listeners: Listener) -> None:
    store.write(lambda db: db.execute("update jobs set run_at_ms = 0"))
    DetectionWorker(store, {}, Plugins(listeners, entry_points=False)).run_until_done()


def jobs_left(store: SqliteStore) -> int:
    with store.read() as db:
        return len(db.rows("select * from jobs"))


def test_plugins_are_told_once_that_an_alert_fired_and_that_it_ended(
    store: SqliteStore, project: Project
) -> None:
    one, other = Listener(), Listener()
    rule = fire(store, project)
    run(store, one, other)
    store.write(lambda db: delete_rule(db, project.id, rule.id))
    run(store, one, other)
    for listener in (one, other):
        (_, name, fired), (word, _, ended) = listener.told
        assert (word, name, fired.text) == ("ended", "refund", "42 in the last hour, usually 6")
        assert (fired.rule_id, fired.event_id) == (rule.id, rule.definition_id)
        assert (fired.count, fired.usual, fired.factor, fired.ended_at_ms) == (42, 6, 3, None)
        assert ended.id == fired.id
        assert ended.ended_at_ms is not None
    assert jobs_left(store) == 0


def test_a_plugin_that_fails_is_told_again_and_hurts_no_other(
    store: SqliteStore, project: Project
) -> None:
    good, bad = Listener(), Listener(fails=2)
    fire(store, project)
    run(store, good, bad)
    assert (len(good.told), len(bad.told)) == (1, 0)
    run(store, good, bad)
    run(store, good, bad)
    assert (len(good.told), len(bad.told)) == (1, 1)
    assert jobs_left(store) == 0


def test_nothing_is_told_of_an_event_that_is_deleted_meanwhile(
    store: SqliteStore, project: Project
) -> None:
    listener = Listener(fails=1)
    rule = fire(store, project)
    run(store, listener)
    store.write(lambda db: definitions.delete_definition(db, project.id, rule.definition_id))
    run(store, listener)
    assert listener.told == []
    assert jobs_left(store) == 0


def test_an_alert_waits_for_nobody_where_there_are_no_plugins(
    store: SqliteStore, project: Project
) -> None:
    fire(store, project)
    run(store)
    assert jobs_left(store) == 0
