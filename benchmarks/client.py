"""What logging costs the app, beside other libraries: time, CPU, memory, and what arrives.

    python benchmarks/client.py [--calls 20000] [--rounds 3] [--old-phospho PYTHON] [--json FILE]

`make bench` installs all of them first. Each figure is taken in a fresh process, against a server
of its own that answers at once; in each round each library runs once, in rotating order. CPU times
are the least of the rounds, all else is the median; what measuring costs is subtracted. CPU is the
stable column on a shared machine. Ends with an error when phospho did not deliver everything.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fresh import HERE, FailedError, find_libraries, run
from libraries import LIBRARIES, PHOSPHO
from measure import THREADS, WAITING, Figures
from report import describe_machine, print_head, print_table
from sink import closed_port, running_sink

# With 10,000 waiting, a call of the former phospho takes up to milliseconds.
MOST_CALLS_WHEN_FULL = 2_000

# What one library gave in each round, by library.
Results = dict[str, list[Figures]]


class Column(NamedTuple):
    """One figure of a table.

    Args:
        title: Its heading.
        figure: Its name in the results.
        of_rounds: Makes one figure of those of all rounds.
        form: How it is written.
        has_ratio: Whether the next column says how many times phospho's figure it is.
    """

    title: str
    figure: str
    of_rounds: Callable[[Sequence[float]], float] = statistics.median
    form: str = "{:.0f}"
    has_ratio: bool = False


WALL = (
    Column("p50 us", "p50_us", form="{:.1f}"),
    Column("p99 us", "p99_us"),
)
CALLER = Column("CPU us/call", "caller_us", min, "{:.1f}", has_ratio=True)
BURST = (
    CALLER,
    *WALL,
    Column("process CPU s/10k logged", "process_s", min, "{:.2f}"),
    Column("/10k delivered", "delivered_s", min, "{:.2f}", has_ratio=True),
    Column("delivered %", "delivered_percent", form="{:.1f}"),
    Column("RSS +MB", "grown_mb"),
)
IMPORT = (
    Column("CPU ms", "import_ms", min, has_ratio=True),
    Column("RSS +MB", "import_mb", form="{:.1f}"),
    Column("modules", "modules"),
)
READY = (
    Column("CPU ms", "ready_ms", min, has_ratio=True),
    Column("RSS +MB", "ready_mb", form="{:.1f}"),
)


class Bench:
    """Measures the libraries that are installed, all of them in each round.

    Args:
        pythons: The interpreter of each library, by name.
        rounds: How often.
    """

    def __init__(self, pythons: Mapping[str, str], rounds: int) -> None:
        self._pythons = dict(pythons)
        self._rounds = rounds

    def collect(self, measure: Callable[[str, str], Figures]) -> Results:
        """Return what `measure` gives for each library, called with its name and interpreter."""
        results: Results = {name: [] for name in self._pythons}
        for at in range(self._rounds):
            names = list(self._pythons)
            shift = at % len(names)
            for name in names[shift:] + names[:shift]:
                figures = self._try(measure, name)
                if figures:
                    results[name].append(figures)
        return {name: results[name] for name in self._pythons}

    def _try(self, measure: Callable[[str, str], Figures], name: str) -> Figures | None:
        """Return the figures, or None for a library that cannot be measured from now on."""
        try:
            return measure(name, self._pythons[name])
        except FailedError as exc:
            if LIBRARIES[name].is_ours:
                raise
            print(f"Left out: {name}: {exc}", file=sys.stderr)
            del self._pythons[name]
            return None

    def burst(self, scenario: str, calls: int) -> Results:
        """Measure a burst of calls, and count what arrives."""

        def measure(name: str, python: str) -> Figures:
            with running_sink() as sink:
                figures: Figures = run(python, HERE / "measure.py", name, scenario, sink.url, calls)
                share = sink.take_count(calls) / calls
            figures["delivered_percent"] = 100 * share
            figures["delivered_s"] = figures["process_s"] / share if share else float("inf")
            return figures

        return self.collect(measure)

    def full(self, calls: int) -> Results:
        """Measure calls while others wait for a server that is down."""

        def measure(name: str, python: str) -> Figures:
            with closed_port() as port:
                url = f"http://127.0.0.1:{port}"
                figures: Figures = run(python, HERE / "measure.py", name, "full", url, calls)
                return figures

        return self.collect(measure)

    def imports(self) -> Results:
        """Measure the import of each, over an empty interpreter."""

        def measure(name: str, python: str) -> Figures:
            empty = run(python, HERE / "imports.py")
            figures = run(python, HERE / "imports.py", *LIBRARIES[name].modules)
            return {**figures, "import_mb": figures["import_mb"] - empty["import_mb"]}

        return self.collect(measure)


def show(title: str, columns: Sequence[Column], results: Results) -> None:
    """Print one table."""
    header = ["library"]
    for column in columns:
        header += [column.title, "x phospho"] if column.has_ratio else [column.title]
    rows = []
    for name, rounds in results.items():
        row = [name]
        for column in columns:
            value, ours = (
                column.of_rounds([figures[column.figure] for figures in of])
                for of in (rounds, results[PHOSPHO])
            )
            row.append(column.form.format(value))
            if column.has_ratio:
                row.append(f"{value / ours:.1f}x")
        rows.append(row)
    print_table(title, header, rows)


def main() -> None:
    """Print a table for each scenario."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--old-phospho", metavar="PYTHON", help="has phospho==0.3.45 installed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures")
    arguments = parser.parse_args()
    calls, calls_when_full = arguments.calls, min(arguments.calls, MOST_CALLS_WHEN_FULL)
    found = find_libraries(arguments.old_phospho)
    if PHOSPHO not in found:
        sys.exit("phospho itself is not installed here. Run: pip install -e .")
    versions = {name: version for name, (_, version) in found.items()}
    print_head(versions)
    bench = Bench({name: python for name, (python, _) in found.items()}, arguments.rounds)

    results = {"burst": bench.burst("burst", calls)}
    show(f"Burst: {calls:,} calls from one thread", BURST, results["burst"])
    results["threads"] = bench.burst("threads", calls)
    show(f"Burst: {calls:,} calls from {THREADS} threads", BURST, results["threads"])
    results["full"] = bench.full(calls_when_full)
    show(
        f"The server is down and {WAITING:,} were logged: {calls_when_full:,} calls more "
        f"(memory: of the {WAITING:,})",
        (CALLER, *WALL, Column("RSS +MB", "grown_mb")),
        results["full"],
    )
    results["import"] = bench.imports()
    show("Import, over an empty interpreter", IMPORT, results["import"])
    show("Import, start, and 10 interactions delivered", READY, results["burst"])

    if arguments.json:
        report = {**describe_machine(), "versions": versions, "results": results}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    for scenario in ("burst", "threads"):
        for name, rounds in results[scenario].items():
            least = min(figures["delivered_percent"] for figures in rounds)
            if LIBRARIES[name].is_ours and least < 100:
                sys.exit(f"{name} delivered only {least:.1f} % ({scenario}).")


if __name__ == "__main__":
    main()
