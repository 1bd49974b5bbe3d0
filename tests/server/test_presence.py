"""What a process held that has died is taken up by another one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from phospho_server.presence import Presence, this_process
from phospho_server.store import Store, jobs, leases, processes
from phospho_server.store.processes import DEAD_AFTER_MS, Process
from phospho_server.store.rows import Project
from tests.server.builders import Time, add, interaction
from tests.server.databases import on_each_database

pytestmark = on_each_database


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch, processes, leases, jobs)


def hold_a_job(store: Store, project: Project, process: Process) -> None:
    add(store, project, interaction("t1"))
    store.write(lambda db: processes.announce(db, process))
    assert store.write(lambda db: leases.claim(db, most=10, holder=process.id))


def count_living(store: Store) -> int:
    with store.read() as db:
        return len(db.rows("select id from processes"))


def can_claim(store: Store) -> bool:
    return bool(store.write(lambda db: leases.claim(db, most=10)))


def ended_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_what_a_process_held_that_died_here_is_taken_up_at_once(
    store: Store, project: Project
) -> None:
    me = this_process()
    hold_a_job(store, project, Process("proc_dead", me.host, ended_pid()))
    Presence(store, me).prepare()
    assert can_claim(store)


def test_a_process_that_was_started_again_under_its_number_held_nothing(
    store: Store, project: Project
) -> None:
    me = this_process()
    hold_a_job(store, project, Process("proc_before", me.host, me.pid))
    Presence(store, me).prepare()
    assert can_claim(store)


def test_who_lives_here_keeps_what_it_holds(store: Store, project: Project) -> None:
    me = this_process()
    hold_a_job(store, project, me)
    Presence(store, Process("proc_other", me.host, 2**22)).prepare()
    assert not can_claim(store)


def test_who_is_not_heard_of_any_more_loses_what_it_holds(
    store: Store, project: Project, time: Time
) -> None:
    hold_a_job(store, project, Process("proc_far", "another-machine", 1))
    living = Presence(store)
    living.prepare()
    assert not can_claim(store)
    time.now_ms += DEAD_AFTER_MS + 1
    Presence(store).run_once()
    assert count_living(store) == 1
    assert can_claim(store)


def test_who_was_taken_for_dead_is_among_the_living_again(
    store: Store, project: Project, time: Time
) -> None:
    stalled = Presence(store)
    stalled.prepare()
    time.now_ms += DEAD_AFTER_MS + 1
    store.write(processes.bury_dead)
    stalled._told_at_s = float("-inf")
    stalled.run_once()
    assert count_living(store) == 1


def test_who_leaves_gives_back_what_it_holds(store: Store, project: Project) -> None:
    me = this_process()
    hold_a_job(store, project, me)
    Presence(store, me).leave()
    assert can_claim(store)
    assert count_living(store) == 0
