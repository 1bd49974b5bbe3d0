"""How far a long command is: a bar on a terminal, and elsewhere a line now and then."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import click

# Seconds between two lines, in a log that nobody watches.
_LINES_S = 10.0


@contextlib.contextmanager
def showing(label: str, length: int, *, hidden: bool = False) -> Iterator[Callable[[int], None]]:
    """Give what is told how much was done since it was last told; all of it is on standard error.

    Args:
        label: What is done.
        length: How much there is to do, in any unit; 0 where that is not known.
        hidden: Whether nothing is shown.
    """
    if hidden:
        yield lambda _: None
    elif length and sys.stderr.isatty():
        with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
            yield bar.update
    else:
        yield _Lines(label, length).add


class _Lines:
    def __init__(self, label: str, length: int) -> None:
        self._label = label
        self._length = length
        self._done = 0
        self._told_s = time.monotonic()

    def add(self, done: int) -> None:
        self._done += done
        if time.monotonic() - self._told_s < _LINES_S:
            return
        self._told_s = time.monotonic()
        far = f"{self._done / self._length:.0%}" if self._length else f"{self._done:,} so far"
        click.echo(f"{self._label}: {far}", err=True)
