"""Loads, once the server answers, what its start did without and somebody would wait for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from phospho.detectors.wording import load_grammar
from phospho_server.errors import ServerError
from phospho_server.store import Store
from phospho_server.store.definitions import has_any

# By then whoever waited for the server to be there again was answered.
_SOON_S = 1.0


@contextlib.contextmanager
def loading_soon(store: Store) -> Iterator[None]:
    """Load beside what runs in this context, in a thread of its own."""
    timer = threading.Timer(_SOON_S, load_what_is_needed, [store])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def load_what_is_needed(store: Store) -> None:
    """Load what reads descriptions of events, where there are any."""
    # A database that is away now is no reason: then whoever needs it waits.
    with contextlib.suppress(ServerError):
        with store.read() as db:
            is_needed = has_any(db)
        if is_needed:
            load_grammar()
