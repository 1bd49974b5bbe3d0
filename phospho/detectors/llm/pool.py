"""Runs a function over items in several threads that never keep the process from ending.

The threads of `concurrent.futures` are waited for when Python exits, and a call of a judge that
stalls may last minutes.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def run_all(run: Callable[[Item], None], items: Iterable[Item], *, threads: int) -> None:
    """Run `run` on each item and return when all are done.

    Raises:
        BaseException: What `run` raised first; items that nobody had begun are left then.
    """
    waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
    for item in items:
        waiting.put(item)
    raised: list[BaseException] = []

    def work() -> None:
        while not raised:
            try:
                item = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                run(item)
            except BaseException as exc:  # noqa: BLE001 - the caller's thread raises it
                raised.append(exc)

    workers = [
        threading.Thread(
            target=contextvars.copy_context().run, args=(work,), name="phospho-llm", daemon=True
        )
        for _ in range(min(threads, waiting.qsize()))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if raised:
        raise raised[0]
