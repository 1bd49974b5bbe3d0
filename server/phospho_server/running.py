"""Whether the server can do its work: its threads live, its database is read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from phospho_server.attempts import Attempt
from phospho_server.errors import ServerError
from phospho_server.lanes import Lanes
from phospho_server.store import Store
from phospho_server.store.queues import prove_writable
from phospho_server.store.sqlite import database_file
from phospho_server.working import Worker

# Who asks more often gets the answer of a moment ago: each costs a sync to disk.
_KEEP_S = 1.0

# A database that has not answered by then, or not stored a small change, cannot be relied on.
_READING_PATIENCE_S, _STORING_PATIENCE_S = 3.0, 2.0

OK = "ok"


@dataclass
class Running:
    """What of a server runs beside the requests.

    Args:
        store: Where everything is kept.
        workers: Its workers; none where others do the work.
        lanes: How requests come in; None where there is no HTTP server.
    """

    store: Store
    workers: Sequence[Worker] = ()
    lanes: Lanes | None = None

    def __post_init__(self) -> None:
        self._reading = Attempt(
            self._read,
            "phospho-look",
            late="has answered nothing",
            patience_s=_READING_PATIENCE_S,
        )
        self._proof = Attempt(
            lambda: self.store.write(prove_writable),
            "phospho-proof",
            late="has stored nothing",
            patience_s=_STORING_PATIENCE_S,
            keep_s=_KEEP_S,
        )
        self._file = database_file(self.store)
        self._opened = _identity(self._file) if self._file else None

    def check_alive(self) -> Mapping[str, str]:
        """Return what is wrong with each part, and which are well."""
        parts = {
            "database": self.check_database(),
            "writer": OK if self.store.is_writing else "has ended",
        }
        for worker in self.workers:
            parts[f"{worker.name} worker"] = OK if worker.is_running else "has ended"
        return parts

    def check_ready(self) -> Mapping[str, str]:
        """Return what keeps the server from storing something, by part."""
        parts = dict(self.check_alive())
        if self.lanes is not None and self.lanes.is_stopping:
            parts["server"] = "is stopping"
        if self._file is not None and _identity(self._file) != self._opened:
            parts["database"] = (
                f"{self._file} was removed or replaced while it was open. Put it back, or restore "
                "a backup, and start the server again."
            )
        if parts["writer"] == parts["database"] == OK:
            parts["database"] = _outcome(self._proof)
        return parts

    def check_database(self) -> str:
        """Return what keeps the database from being read, or `OK`."""
        return _outcome(self._reading)

    def _read(self) -> None:
        with self.store.read() as db:
            db.row("select 1 from projects")


def _outcome(attempt: Attempt[None]) -> str:
    try:
        attempt.result()
    except ServerError as exc:
        return str(exc)
    return OK


def _identity(file: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of the same name; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
