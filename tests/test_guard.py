from __future__ import annotations

import logging

import pytest

from phospho import guard


def test_a_problem_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        with guard.guarded("fly"):
            raise ValueError("no wings")
    assert [record.getMessage() for record in caplog.records] == [
        "phospho could not fly: no wings (ValueError). Your app is not affected."
    ]


def test_the_traceback_is_there_for_those_who_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "phospho")
    with guard.guarded("fly"):
        raise ValueError("no wings")
    assert caplog.records[-1].exc_info is not None


def test_what_is_not_an_exception_passes() -> None:
    with pytest.raises(KeyboardInterrupt), guard.guarded("fly"):
        raise KeyboardInterrupt


def test_guarded_steps_can_raise_under_test() -> None:
    assert guard.raise_under_test(enabled=True) is False
    try:
        with pytest.raises(ValueError, match="no wings"), guard.guarded("fly"):
            raise ValueError("no wings")
        for _ in range(2):
            with pytest.raises(ValueError, match="no fuel"):
                guard.report_once("key", "problem", exc=ValueError("no fuel"))
        guard.report_once("key", "a problem without an exception")
    finally:
        assert guard.raise_under_test(enabled=False) is True


def test_reports_do_not_grow_without_bound(caplog: pytest.LogCaptureFixture) -> None:
    for number in range(1100):
        guard.report_once(str(number), "problem %d", number)
    assert len(caplog.records) == 1000


def test_an_exception_without_words_is_still_reported(caplog: pytest.LogCaptureFixture) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with guard.guarded("fly"):
        raise MuteError
    assert "no message (MuteError)" in caplog.text


def test_the_words_of_an_exception_are_text_that_can_be_sent() -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            return Odd("a\0b")

    class Odd(str):
        __slots__ = ()

    words = guard.words_of(OddError())
    assert (words, type(words)) == ("a\ufffdb", str)
    assert len(guard.words_of(ValueError("x" * 100_000))) < 10_000


def test_a_log_handler_of_the_host_that_raises_hurts_nobody() -> None:
    class Raising(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("the host's own mistake")

    handler = Raising()
    guard.logger.addHandler(handler)
    try:
        guard.report_once("key", "problem")
    finally:
        guard.logger.removeHandler(handler)
