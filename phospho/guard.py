"""Never raise into the host app: run a step, report each problem once, go on."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from phospho import snapshot

if TYPE_CHECKING:
    from types import TracebackType

logger = logging.getLogger("phospho")

# Distinct problems remembered as reported; memory must not grow with the host's bugs.
_MAX_REMEMBERED = 1000

# Code of the host that phospho asks may log in turn; where each call logs twice, this bounds it.
_MAX_NESTED = 3

# A line in the host's log is read by people.
MAX_WORDS_CHARS = 2_000

_asking = threading.local()
_reported: set[str] = set()
# Reentrant: a signal handler may report while this thread does.
_lock = threading.RLock()
_raise_under_test = False


def report_once(key: str, message: str, *args: object, exc: BaseException | None = None) -> None:
    """Warn on the `phospho` logger the first time `key` is seen; stay silent afterwards.

    Under test, raise `exc` instead, each time.

    Args:
        key: What makes two problems the same one, for example the hook and the plugin's name.
        message: A `%`-style format; ends with what to do next.
        *args: The values for `message`.
        exc: The exception to name; its traceback is shown at DEBUG level only.
    """
    if _raise_under_test and exc is not None:
        raise exc
    with _lock:
        if key in _reported or len(_reported) >= _MAX_REMEMBERED:
            return
        _reported.add(key)
    warn(message, *args)
    if exc is not None:
        with contextlib.suppress(Exception):
            logger.debug("Where it came from:", exc_info=exc)


def warn(message: str, *args: object) -> None:
    """Write a warning; a host's own log handler may fail, and then there is nowhere to report."""
    with contextlib.suppress(Exception):
        logger.warning(message, *args)


def forget_reports() -> None:
    """Make every problem reportable again."""
    with _lock:
        _reported.clear()


def raise_under_test(*, enabled: bool) -> bool:
    """Let guarded steps raise instead of reporting, so that a test suite sees its own mistakes.

    Returns:
        Whether they did before.
    """
    global _raise_under_test
    was_enabled, _raise_under_test = _raise_under_test, enabled
    return was_enabled


def report_failure(step: str, exc: Exception) -> None:
    """Report once that a step of ours failed; under test, raise it again instead.

    Args:
        step: What was being done, as the words after "could not"; also the key of the report.
        exc: What went wrong.
    """
    report_once(
        f"{step}:{type(exc).__name__}",
        "phospho could not %s: %s (%s). Your app is not affected.",
        step,
        words_of(exc),
        type(exc).__name__,
        exc=exc,
    )


def words_of(exc: BaseException, max_chars: int = MAX_WORDS_CHARS) -> str:
    """Return an exception's message; a host's exception may be unable to say it."""
    try:
        return snapshot.clean_text(str(exc), max_chars)
    except Exception:  # noqa: BLE001 - see above
        return "no message"


def renew_lock() -> None:
    """Take a new lock in a forked child: another thread may have held the old one."""
    global _lock  # noqa: PLW0603 - one lock for the process
    _lock = threading.RLock()


@contextlib.contextmanager
def nesting() -> Iterator[bool]:
    """Bound how deep code of the host that phospho asks may log by itself; yields if it may not."""
    depth = getattr(_asking, "depth", 0)
    if depth >= _MAX_NESTED:
        report_once(
            "nesting",
            "An extractor, a plugin or an object's __str__ logs to phospho, whose reading logs "
            "again. Beyond %d levels nothing is read any more. Log outside of it.",
            _MAX_NESTED,
        )
    _asking.depth = depth + 1
    try:
        yield depth >= _MAX_NESTED
    finally:
        _asking.depth = depth


class guarded:  # noqa: N801 - reads as a statement: `with guarded("log"):`
    """Context manager that swallows `Exception` (never `BaseException`) and reports it once.

    Args:
        step: What was being done, as the words after "could not"; also the key of the report.
    """

    __slots__ = ("_step",)

    def __init__(self, step: str) -> None:
        self._step = step

    def __enter__(self) -> None:
        """Start the guarded step."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Swallow and report an `Exception`; let everything else through."""
        if not isinstance(exc, Exception):
            return False
        report_failure(self._step, exc)
        return True
