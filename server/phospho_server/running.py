"""Whether the server can do its work: its threads live, its database is read and written."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from pathlib import Path

from phospho_server.errors import ServerError
from phospho_server.lanes import Lanes
from phospho_server.store import Store
from phospho_server.store.queues import prove_writable
from phospho_server.store.sqlite import database_file
from phospho_server.working import Worker

# Who asks more often gets the answer of a moment ago: each costs a sync to disk.
_KEEP_S = 1.0

# A database that has not stored a small change by then cannot be relied on.
_PATIENCE_S = 2.0

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
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _proof: Future[None] | None = None
    _asked_s: float = 0.0

    def __post_init__(self) -> None:
        self._file = database_file(self.store)
        self._opened = _identity(self._file) if self._file else None

    def check_alive(self) -> Mapping[str, str]:
        """Return what is wrong with each part, and which are well."""
        parts = {
            "database": self._try_to_read(),
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
            parts["database"] = self._prove_writable()
        return parts

    def _try_to_read(self) -> str:
        try:
            with self.store.read() as db:
                db.row("select 1 from projects")
        except ServerError as exc:
            return str(exc)
        return OK

    def _prove_writable(self) -> str:
        proof = self._begin_proof()
        try:
            proof.result(max(0.0, self._asked_s + _PATIENCE_S - time.monotonic()))
        except FutureTimeoutError:
            return f"has stored nothing for {time.monotonic() - self._asked_s:.0f} seconds"
        except ServerError as exc:
            return str(exc)
        return OK

    def _begin_proof(self) -> Future[None]:
        """Return the proof that is under way, or that ended a moment ago."""
        with self._lock:
            now_s = time.monotonic()
            is_of_use = self._proof is not None and (
                not self._proof.done() or now_s - self._asked_s < _KEEP_S
            )
            if self._proof is None or not is_of_use:
                self._proof, self._asked_s = Future(), now_s
                # A thread of its own: whoever holds the database holds it for as long as they like.
                threading.Thread(
                    target=self._carry_out, args=(self._proof,), name="phospho-proof", daemon=True
                ).start()
            return self._proof

    def _carry_out(self, proof: Future[None]) -> None:
        try:
            proof.set_result(self.store.write(prove_writable))
        except Exception as exc:  # noqa: BLE001 - it is told to who has asked
            proof.set_exception(exc)


def _identity(file: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of the same name; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
