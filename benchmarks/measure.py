"""Measure one library in this process, and print the figures as JSON.

    PYTHON benchmarks/measure.py LIBRARY burst|threads|full|outage URL CALLS

`fresh.py` starts this once for each figure, so that no library meets the threads, the modules or
the memory of another one.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from array import array
from collections.abc import Sequence

from libraries import LIBRARIES, Library, Log, Opened, interaction
from memory import memory_mb

# As a web server's pool.
THREADS = 8

# What waits before the calls of `full`.
WAITING = 10_000

# Not counted by the sink as one of the calls: numbers from here on warm up.
FIRST_OF_WARM_UP = 999_990

Figures = dict[str, float]

# CPU seconds of all calls, and wall nanoseconds of each.
Run = tuple[float, Sequence[int]]


def log_nothing(*_: object) -> None:
    """Take an interaction: what is left is the cost of measuring."""


def time_calls(log: Log, numbers: range) -> Run:
    """Make the calls, with the CPU of this thread alone."""
    clock, walls = time.perf_counter_ns, array("Q")
    started = time.thread_time()
    for number in numbers:
        given = interaction(number)
        begun = clock()
        log(*given)
        walls.append(clock() - begun)
    return time.thread_time() - started, walls


def time_threads(log: Log, calls: int, threads: int) -> Run:
    """Share the calls among several threads."""
    runs: list[Run] = []
    start = threading.Barrier(threads)

    def run(first: int) -> None:
        start.wait()
        runs.append(time_calls(log, range(first, calls, threads)))

    workers = [threading.Thread(target=run, args=(first,)) for first in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(cpu_s for cpu_s, _ in runs), [wall for _, walls in runs for wall in walls]


def summarise(cpu_s: float, walls: Sequence[int], idle_s: float) -> Figures:
    """Return what a call cost; `idle_s` is what measuring one costs."""
    ranked = sorted(walls)
    return {
        "p50_us": ranked[len(ranked) // 2] / 1e3,
        "p99_us": ranked[int(len(ranked) * 0.99)] / 1e3,
        "caller_us": (cpu_s / len(ranked) - idle_s) * 1e6,
    }


def cost_of_measuring() -> float:
    """Return CPU seconds for a call that logs nothing."""
    return time_calls(log_nothing, range(5000))[0] / 5000


def get_ready(library: Library, url: str) -> tuple[Opened, Figures]:
    """Open a library and deliver a little, and return what that cost."""
    cpu_s, before_mb = time.process_time(), memory_mb()
    opened = library.open(url)
    for number in range(FIRST_OF_WARM_UP, FIRST_OF_WARM_UP + 10):
        opened.log(*interaction(number))
    opened.flush()
    return opened, {
        "ready_ms": (time.process_time() - cpu_s) * 1e3,
        "ready_mb": memory_mb() - before_mb,
    }


def burst(library: Library, url: str, calls: int, threads: int = 1) -> Figures:
    """Log as fast as it goes, then deliver it all."""
    idle_s = cost_of_measuring()
    opened, ready = get_ready(library, url)
    started_s, before_mb = time.process_time(), memory_mb()
    if threads == 1:
        run = time_calls(opened.log, range(calls))
    else:
        run = time_threads(opened.log, calls, threads)
    logged_mb = memory_mb()
    opened.close()
    spent_s = time.process_time() - started_s - idle_s * calls
    return {
        **ready,
        **summarise(*run, idle_s),
        "process_s": spent_s / calls * 1e4,
        "grown_mb": max(logged_mb, memory_mb()) - before_mb,
    }


def burst_of_threads(library: Library, url: str, calls: int) -> Figures:
    """Do the same from several threads."""
    return burst(library, url, calls, THREADS)


def full(library: Library, url: str, calls: int) -> Figures:
    """Let interactions wait for a server that is down, then log more."""
    idle_s = cost_of_measuring()
    opened = library.open(url)
    opened.log(*interaction(FIRST_OF_WARM_UP))
    before_mb = memory_mb()
    time_calls(opened.log, range(WAITING))
    waiting_mb = memory_mb()
    run = time_calls(opened.log, range(WAITING, WAITING + calls))
    return {**summarise(*run, idle_s), "grown_mb": waiting_mb - before_mb}


def outage(library: Library, url: str, calls: int) -> Figures:
    """Log to a server that is down; when told that it is back, deliver."""
    opened = library.open(url)
    opened.log(*interaction(FIRST_OF_WARM_UP))
    before_mb, started_s = memory_mb(), time.perf_counter()
    for number in range(calls):
        opened.log(*interaction(number))
    logged = {"logged_s": time.perf_counter() - started_s, "grown_mb": memory_mb() - before_mb}
    print("logged", flush=True)
    sys.stdin.readline()
    started_s = time.perf_counter()
    opened.close()
    return {**logged, "delivered_s": time.perf_counter() - started_s}


SCENARIOS = {"burst": burst, "threads": burst_of_threads, "full": full, "outage": outage}


def main() -> None:
    """Run one scenario."""
    name, scenario, url, calls = sys.argv[1:]
    figures = SCENARIOS[scenario](LIBRARIES[name], url, int(calls))
    print(json.dumps(figures), flush=True)
    # What still waits has no server to go to.
    os._exit(0)


if __name__ == "__main__":
    main()
