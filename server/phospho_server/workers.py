"""All that works on what is stored, outside of any request: the workers of one process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from phospho.detectors import Detector
from phospho.plugins import Plugins
from phospho_server.alerts.worker import AlertWorker
from phospho_server.assembling import Assembler
from phospho_server.detection import DetectionWorker
from phospho_server.errors import ServerError
from phospho_server.housekeeping import Housekeeping
from phospho_server.llm.setup import Setups
from phospho_server.llm.worker import LlmWorker
from phospho_server.presence import Presence
from phospho_server.stopping import Deadline, within
from phospho_server.store import Store
from phospho_server.webhooks.outcomes import is_private_allowed
from phospho_server.webhooks.worker import Sender, WebhookWorker
from phospho_server.working import Worker

# What is held is given back within this, where nobody else holds the database.
_LEAVE_S = 0.3


class Workers:
    """Starts, wakes and stops them; any number of processes may have them on one database."""

    def __init__(
        self,
        store: Store,
        *,
        detectors: Mapping[str, Detector],
        plugins: Plugins,
        setups: Setups,
    ) -> None:
        self._presence = Presence(store)
        holder = self._presence.process.id
        self._llm = LlmWorker(store, plugins, setups, holder=holder)
        sender = Sender(setups.sealer, allow_private=is_private_allowed(os.environ))
        self._webhooks = WebhookWorker(store, sender)
        self.detection = DetectionWorker(
            store,
            detectors,
            plugins,
            llm_is_ready=setups.is_ready,
            on_questions=self._wake_followers,
            holder=holder,
        )
        self._housekeeping = Housekeeping(store)
        self._assembler = Assembler(store, on_new_work=self.detection.wake)
        self.all: tuple[Worker, ...] = (
            self._presence,
            self.detection,
            self._llm,
            self._housekeeping,
            self._assembler,
            self._webhooks,
            AlertWorker(store),
        )
        self._deadline = Deadline(self.all)

    def start(self) -> None:
        """Start their threads."""
        for worker in self.all:
            worker.start()

    def wake(self) -> None:
        """Tell them that something was stored."""
        self.detection.wake()
        self._housekeeping.wake()
        self._assembler.wake()
        self._wake_followers()

    def begin_stop(self) -> None:
        """Have each end after the batch at hand."""
        self._deadline.begin()

    def stop(self) -> None:
        """Wait until they have ended, for some seconds; give back what is not done."""
        self._deadline.wait()
        within(_LEAVE_S, self._leave)

    def _leave(self) -> None:
        # Otherwise its death is noticed, as if it had been killed.
        with contextlib.suppress(ServerError):
            self._presence.leave()

    def _wake_followers(self) -> None:
        self._llm.wake()
        self._webhooks.wake()
