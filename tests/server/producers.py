"""Programs that log to a real server without a pause."""

from __future__ import annotations

import threading

import httpx

from tests.server.processes import ServerProcess, log
from tests.waiting import wait_until


class Producer(threading.Thread):
    """Logs batches one after the other and remembers what was acknowledged."""

    def __init__(self, name: str, key: str, project_id: str) -> None:
        super().__init__(daemon=True)
        self.prefix, self.key, self.project_id = name, key, project_id
        self.server: ServerProcess | None = None
        self.acknowledged: list[str] = []
        # The statuses of other answers.
        self.refused: set[int] = set()
        self.stopping = threading.Event()

    def run(self) -> None:
        for batch in range(100_000):
            if self.stopping.is_set():
                return
            self._send([f"{self.prefix}-{batch}-{n}" for n in range(10)])

    def _send(self, task_ids: list[str]) -> None:
        """Send until it is acknowledged, as the SDK does."""
        found = [
            {"task_id": t, "session_id": t[:4], "input": "A refund please", "output": "Done"}
            for t in task_ids
        ]
        while not self.stopping.is_set():
            try:
                assert self.server is not None
                answer = log(self.server, self.key, self.project_id, *found)
            except httpx.HTTPError:
                self.stopping.wait(0.05)
                continue
            if answer.status_code == 200:
                self.acknowledged += task_ids
                return
            self.refused.add(answer.status_code)
            self.stopping.wait(0.05)


def wait_for(producers: list[Producer], acknowledged: int) -> None:
    wait_until(
        lambda: sum(len(producer.acknowledged) for producer in producers) > acknowledged,
        what=f"{acknowledged} interactions are acknowledged",
    )
