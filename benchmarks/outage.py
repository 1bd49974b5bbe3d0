"""Fifty thousand interactions while the server is down; then it returns.

    python benchmarks/outage.py [--calls 50000]

For each library: how long logging took, how much memory it took, and how many of them arrived
after the server was back. Of 1 kB each, as in `client.py`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from typing import TYPE_CHECKING

from fresh import HERE, environment, find_libraries
from libraries import FORMER_PHOSPHO, LIBRARIES
from report import print_head, print_table
from sink import closed_port, running_sink

if TYPE_CHECKING:
    from measure import Figures

# The others start when the server is back, and must end by themselves.
TIMEOUT_S = 300


def measure(name: str, python: str, calls: int) -> Figures:
    """Log to a port where nothing listens; then start a sink there and wait until it is over."""
    with tempfile.TemporaryDirectory() as folder, closed_port() as port:
        url = f"http://127.0.0.1:{port}"
        with subprocess.Popen(
            [python, HERE / "measure.py", name, "outage", url, str(calls)],
            cwd=folder, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        ) as child:  # fmt: skip
            try:
                # It says when it has logged everything.
                assert child.stdout
                child.stdout.readline()
                with running_sink(port) as sink:
                    printed, _ = child.communicate("go\n", TIMEOUT_S)
                    figures: Figures = json.loads(printed)
                    return {**figures, "delivered_percent": 100 * sink.take_count(calls) / calls}
            finally:
                child.kill()


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=50_000)
    calls = parser.parse_args().calls
    # A call of the former phospho takes as long as its queue: this would take an hour.
    libraries = [name for name in LIBRARIES if name != FORMER_PHOSPHO]
    found = find_libraries()
    print_head({name: version for name, (_, version) in found.items()}, libraries)
    rows = []
    for name, (python, _) in found.items():
        figures = measure(name, python, calls)
        rows.append(
            [
                name,
                f"{figures['logged_s']:.2f}",
                f"{figures['grown_mb']:.0f}",
                f"{figures['delivered_s']:.1f}",
                f"{figures['delivered_percent']:.1f}",
            ]
        )
    print_table(
        f"{calls:,} interactions logged while the server is down; then it returns",
        ["library", "logged in s", "RSS +MB", "delivered in s", "delivered %"],
        rows,
    )


if __name__ == "__main__":
    main()
