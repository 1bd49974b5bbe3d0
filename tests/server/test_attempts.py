"""What is asked of a database that may not answer: once for everybody, and not waited for long."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from phospho_server.attempts import Attempt
from phospho_server.errors import BusyError
from tests.waiting import PATIENCE_S


def attempt(
    action: Callable[[], int], *, patience_s: float = PATIENCE_S, keep_s: float = 0.0
) -> Attempt[int]:
    return Attempt(action, "a try", late="said nothing", patience_s=patience_s, keep_s=keep_s)


def counting() -> Callable[[], int]:
    calls = iter(range(1, 100))
    return lambda: next(calls)


def test_an_outcome_is_told_for_as_long_as_it_is_kept() -> None:
    kept, not_kept = attempt(counting(), keep_s=PATIENCE_S), attempt(counting())
    assert [kept.result() for _ in range(3)] == [1, 1, 1]
    assert [not_kept.result() for _ in range(3)] == [1, 2, 3]


def test_who_asks_while_it_is_under_way_waits_for_the_same() -> None:
    opened, calls = threading.Event(), counting()

    def act() -> int:
        opened.wait()
        return calls()

    shared = attempt(act, patience_s=0.05)
    for _ in range(3):
        with pytest.raises(BusyError, match="said nothing for 0 seconds"):
            shared.result()
    shared._patience_s = PATIENCE_S
    threading.Timer(0.1, opened.set).start()
    assert shared.result() == 1


def test_what_comes_too_late_is_told_to_who_asks_next() -> None:
    opened, done, calls = threading.Event(), threading.Event(), counting()

    def act() -> int:
        opened.wait()
        try:
            return calls()
        finally:
            done.set()

    late = attempt(act, patience_s=0.01, keep_s=PATIENCE_S)
    with pytest.raises(BusyError):
        late.result()
    opened.set()
    done.wait()
    late._patience_s = PATIENCE_S
    assert late.result() == 1


def test_what_an_action_raises_is_told_and_tried_again() -> None:
    errors = iter([TimeoutError("of its own"), ValueError("wrong")])

    def act() -> int:
        for error in errors:
            raise error
        return 3

    told = attempt(act)
    with pytest.raises(TimeoutError, match="of its own"):
        told.result()
    with pytest.raises(ValueError, match="wrong"):
        told.result()
    assert told.result() == 3


def test_a_process_without_another_thread_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    short = attempt(counting())
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", refuse)
        with pytest.raises(BusyError, match="Allow it more threads"):
            short.result()
    assert short.result() == 1
