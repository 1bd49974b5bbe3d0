"""How long an asyncio app's event loop is held up by logging.

    python benchmarks/event_loop.py [--requests 20000] [--rounds 5] [--rivals]

A thousand users at once: each of their requests awaits something a few times, then logs what was
said. Beside them a ticker sleeps a millisecond and notes how much later it woke than it planned.
Measured without logging, with it, and with a server that takes connections and never answers, each
in a fresh process and in rotating order. Printed are medians over the rounds. The aim: a 99th
percentile within 2 ms of that without logging.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time

from fresh import find_libraries, run
from libraries import FORMER_PHOSPHO, LIBRARIES, Log, Opened, interaction
from measure import FIRST_OF_WARM_UP, Figures, log_nothing
from report import print_head, print_table
from sink import hanging_server, running_sink

USERS = 1000

# What a request waits for: a database, a model, another service.
STEPS = 4
STEP_S = (0.020, 0.080)

TICK_S = 0.001

# Until the sender has loaded its modules and sent the first.
SETTLING_S = 1.5

WITHOUT = "without logging"
ANSWERING = "server answers"
HANGING = "server hangs"


async def serve(log: Log, requests: int) -> list[float]:
    """Answer all requests; return how late the ticker was each time, in seconds."""
    lags: list[float] = []
    ticker = asyncio.create_task(tick(lags))
    await asyncio.gather(
        *(converse(log, range(user, requests, USERS)) for user in range(USERS)),
    )
    ticker.cancel()
    return lags


async def converse(log: Log, numbers: range) -> None:
    """Make one user's requests, one after another."""
    for number in numbers:
        for _ in range(STEPS):
            await asyncio.sleep(random.uniform(*STEP_S))
        log(*interaction(number))


async def tick(lags: list[float]) -> None:
    """Note how late each sleep ends, until cancelled."""
    while True:
        planned_s = time.perf_counter() + TICK_S
        await asyncio.sleep(TICK_S)
        lags.append(time.perf_counter() - planned_s)


def run_app(name: str, url: str, requests: str, server: str) -> None:
    """Be the app, with one library or without; print the figures as JSON and end."""
    opened = Opened(log_nothing, bool, bool) if name == WITHOUT else LIBRARIES[name].open(url)
    opened.log(*interaction(FIRST_OF_WARM_UP))
    time.sleep(SETTLING_S)
    lags = sorted(asyncio.run(serve(opened.log, int(requests))))
    if server == ANSWERING:
        opened.close()
    figures = {
        "p50_ms": lags[len(lags) // 2] * 1e3,
        "p99_ms": lags[int(len(lags) * 0.99)] * 1e3,
        "max_ms": lags[-1] * 1e3,
    }
    print(json.dumps(figures), flush=True)
    # What waits for a server that hangs need not be waited for.
    os._exit(0)


def measure(name: str, server: str, requests: int) -> Figures:
    """Run the app once, beside its server."""
    if server == HANGING:
        with hanging_server() as url:
            figures: Figures = run(sys.executable, __file__, "app", name, url, requests, HANGING)
            return figures
    with running_sink() as sink:
        figures = run(sys.executable, __file__, "app", name, sink.url, requests, server)
        return {**figures, "delivered_percent": 100 * sink.take_count(requests) / requests}


def show(results: dict[tuple[str, str], list[Figures]]) -> None:
    """Print one table."""
    medians = {
        variant: {
            figure: statistics.median(figures[figure] for figures in rounds) for figure in rounds[0]
        }
        for variant, rounds in results.items()
    }
    base_ms = medians[WITHOUT, ANSWERING]["p99_ms"]
    rows = []
    for (name, server), figures in medians.items():
        is_logging = name != WITHOUT
        delivered = figures.get("delivered_percent")
        rows.append(
            [
                f"{name}, {server}" if is_logging else name,
                *(f"{figures[figure]:.2f}" for figure in ("p50_ms", "p99_ms", "max_ms")),
                f"{figures['p99_ms'] - base_ms:+.2f}" if is_logging else "",
                f"{delivered:.1f}" if is_logging and delivered is not None else "",
            ]
        )
    header = ["", "p50 ms", "p99 ms", "max ms", "p99 over without", "delivered %"]
    print_table(f"Lag of an event loop with {USERS:,} concurrent requests", header, rows)


def main() -> None:
    """Run all variants in rotating order, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rivals", action="store_true", help="measure the other libraries too")
    arguments = parser.parse_args()
    wanted = [
        name
        for name, library in LIBRARIES.items()
        if library.is_ours or (arguments.rivals and name != FORMER_PHOSPHO)
    ]
    versions = {name: version for name, (_, version) in find_libraries().items() if name in wanted}
    print_head(versions, wanted)
    variants = [(WITHOUT, ANSWERING)]
    variants += [(name, server) for name in versions for server in (ANSWERING, HANGING)]
    results: dict[tuple[str, str], list[Figures]] = {variant: [] for variant in variants}
    for at in range(arguments.rounds):
        shift = at % len(variants)
        for variant in variants[shift:] + variants[:shift]:
            results[variant].append(measure(*variant, arguments.requests))
    show(results)


if __name__ == "__main__":
    if sys.argv[1:2] == ["app"]:
        run_app(*sys.argv[2:])
    else:
        main()
