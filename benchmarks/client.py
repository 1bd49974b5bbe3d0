"""What logging costs the app: CPU per call, CPU until delivered, and the import.

    python benchmarks/client.py [--calls 20000]

A sink in a process of its own acknowledges everything at once. CPU time is the stable column on a
shared machine; wall-clock percentiles are shown beside it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

INPUT = "What is the best way to get from Paris to Rome in spring? " * 4
OUTPUT = "The night train leaves Gare de Lyon in the evening and arrives in the morning. " * 8


class Sink(BaseHTTPRequestHandler):
    """Acknowledges every request without reading what is in it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Acknowledge."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


def run_sink(pipe: Connection) -> None:
    """Serve, after telling the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    pipe.send(server.server_port)
    server.serve_forever()


def log_once(number: int) -> None:
    """Log what the published figures are about: 200 and 600 characters, three metadata keys."""
    import phospho

    phospho.log(
        INPUT[:200],
        OUTPUT[:600],
        session_id="session-1",
        user_id="user-1",
        metadata={"plan": "pro", "turn": number, "mobile": True},
    )


def measure_calls(calls: int) -> tuple[float, list[float]]:
    """Return CPU microseconds per call of this thread, and sorted wall microseconds of each."""
    started = time.thread_time()
    for number in range(calls):
        log_once(number)
    cpu_us = (time.thread_time() - started) / calls * 1e6
    walls = []
    for number in range(calls):
        begun = time.perf_counter_ns()
        log_once(number)
        walls.append((time.perf_counter_ns() - begun) / 1000)
    return cpu_us, sorted(walls)


def show(name: str, value: float, unit: str) -> None:
    """Print one figure."""
    print(f"{name:48} {value:10.2f} {unit}")


def measure_import() -> None:
    """Show what `import phospho` costs in a fresh interpreter."""
    code = "import time; t=time.process_time(); import phospho; print(time.process_time()-t)"
    runs = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5)]
    show("import phospho, CPU, least of 5", min(runs) * 1000, "ms")


def measure_delivery(calls: int) -> None:
    """Show the CPU of all threads until the sink has everything."""
    import phospho

    started = time.process_time()
    for number in range(calls):
        log_once(number)
    assert phospho.flush(60)
    show("CPU until delivered, per 10,000", (time.process_time() - started) / calls * 1e4, "s")


def measure_threads(calls: int) -> None:
    """Show how much of a burst from eight threads arrives."""
    import phospho

    before = phospho.stats().sent

    def burst() -> None:
        for number in range(calls // 8):
            log_once(number)

    threads = [threading.Thread(target=burst) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert phospho.flush(60)
    delivered = phospho.stats().sent - before
    show("delivered from 8 threads", 100 * delivered / (calls // 8 * 8), "%")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    calls = parser.parse_args().calls
    measure_import()
    here, there = multiprocessing.Pipe()
    sink = multiprocessing.get_context("spawn").Process(target=run_sink, args=(there,), daemon=True)
    sink.start()
    import phospho

    phospho.init("key", "bench", base_url=f"http://127.0.0.1:{here.recv()}")
    log_once(0)
    assert phospho.flush()
    for name in ("first", "second"):
        cpu_us, walls = measure_calls(calls)
        assert phospho.flush(60)
        show(f"log(), {name} burst: CPU per call", cpu_us, "us")
        show(f"log(), {name} burst: median", statistics.median(walls), "us")
        show(f"log(), {name} burst: p99", walls[int(len(walls) * 0.99)], "us")
    measure_delivery(calls)
    measure_threads(calls)
    stats = phospho.stats()
    show("delivered in all", 100 * stats.sent / stats.logged, "%")
    phospho.init("key", "bench", base_url="http://127.0.0.1:9")
    for number in range(10_000):
        log_once(number)
    show("log() with 10,000 waiting: CPU per call", measure_calls(10_000)[0], "us")
    phospho.shutdown(0)
    sink.kill()


if __name__ == "__main__":
    main()
