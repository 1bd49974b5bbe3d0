"""Tells others that this process lives, and takes up what processes held that have died."""

from __future__ import annotations

import logging
import os
import socket
import time
from dataclasses import dataclass, field
from typing import ClassVar

from phospho_server.clock import new_id
from phospho_server.store import Connection, Store, processes
from phospho_server.store.processes import Process
from phospho_server.working import Worker

logger = logging.getLogger("phospho_server")

_EVERY_S = 5.0


def this_process() -> Process:
    """Return this run of this process."""
    return Process(new_id("proc_"), socket.gethostname(), os.getpid())


@dataclass
class Presence(Worker):
    """Speaks for a process as long as it lives.

    Args:
        store: Where processes note that they live.
        process: For whom it speaks.
    """

    store: Store
    process: Process = field(default_factory=this_process)
    name: ClassVar[str] = "presence"
    _told_at_s: float = 0.0

    def prepare(self) -> None:
        """Note that this process lives, and give back what those held that died on this machine."""

        def arrive(db: Connection) -> int:
            processes.announce(db, self.process)
            return processes.bury_dead_of_host(db, self.process, _lives)

        self._tell(self.store.write(arrive))

    def run_once(self) -> int:
        """Note every few seconds that it lives, and give back what the dead held."""
        if time.monotonic() - self._told_at_s < _EVERY_S:
            return 0

        def go_on(db: Connection) -> int:
            processes.announce(db, self.process)
            return processes.bury_dead(db)

        self._tell(self.store.write(go_on))
        return 0

    def leave(self) -> None:
        """Give back what is held, when the process ends."""
        self.store.write(lambda db: processes.leave(db, self.process.id))

    def _tell(self, dead: int) -> None:
        self._told_at_s = time.monotonic()
        if dead:
            logger.warning("%d processes have died; what they worked on is done again", dead)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
