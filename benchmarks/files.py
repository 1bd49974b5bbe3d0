"""Import a file, kill that in the middle, go on, export again and compare with the source.

    .venv/bin/python benchmarks/files.py --rows 1000000 --format jsonl

Prints seconds of wall and of CPU, rows a second, the highest memory of each process, how many rows
there are and whether what comes out is what went in, byte for byte.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from phospho_server.files.fields import FIELDS
from phospho_server.files.writing import WRITERS
from phospho_server.files.writing.target import writing_to

# 800 characters an interaction, as in the other figures.
WORDS = [
    *("please", "help", "refund", "order", "flight", "booking", "price", "café", "日本", "cancel"),
    *("my", "account", "the", "a", "of", "to", "is", "what", "when", "delivery", "late", "thanks"),
    *("hello", "=1+1", '"so"', "it's", "😀"),
]
INPUT_WORDS, OUTPUT_WORDS = 30, 110

PAGE = 1_000


def main() -> None:
    """Run all of it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=50_000)
    options.add_argument("--format", choices=list(WRITERS), default="jsonl")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="phospho-files-") as folder:
        run_all(Path(folder), given.rows, given.format)


def run_all(folder: Path, rows: int, format_name: str) -> None:
    """Import, kill, go on, import once more, export, compare."""
    source, again = folder / f"source.{format_name}", folder / f"again.{format_name}"
    database = folder / "phospho.db"
    write_source(source, rows, format_name)
    print(f"{rows:,} rows, {source.stat().st_size / 1e6:,.0f} MB of {format_name}")
    made = command(database, "projects", "create", "files", "--json")
    project = json.loads(subprocess.run(made, check=True, capture_output=True).stdout)["project_id"]
    importing = command(database, "import", str(source), "--project", project)
    measure("import, killed", importing, stop=lambda: count(database, "max(id)") >= rows // 2)
    there = count(database)
    print(f"  {there:,} rows were stored when it was killed")
    measure("import, going on", importing, rows=rows - there)
    different = count(database, "count(distinct task_id)")
    print(f"  {count(database):,} rows, {different:,} of them different")
    measure("import, once more", importing, rows=rows)
    exporting = command(database, "export", "--project", project, "-o", str(again))
    measure("export", exporting, rows=rows)
    is_same = filecmp.cmp(source, again, shallow=False)
    print(f"equal: {'yes' if is_same and count(database) == rows else 'no'}")


def command(database: Path, *words: str) -> list[str]:
    """Return a command of phospho on a database."""
    return [sys.executable, "-m", "phospho_server", *words, "--database", str(database)]


def write_source(path: Path, rows: int, format_name: str) -> None:
    """Write what an export of so many interactions would be, without storing any."""
    with writing_to(path) as stream:
        writer = WRITERS[format_name](stream, FIELDS)
        page: list[dict[str, object]] = []
        for record in records(rows, as_text=format_name != "jsonl"):
            page.append(record)
            if len(page) == PAGE:
                writer.write(page)
                page = []
        writer.write(page)
        writer.close()


def records(rows: int, *, as_text: bool) -> Iterator[dict[str, object]]:
    """Yield interactions in sessions of four, by one of 50,000 users, over a year."""
    drawn = random.Random(7)
    nothing = dict.fromkeys(FIELDS)
    for number in range(rows):
        second = number * 30_000_000 // rows
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1_760_000_000 + second))
        metadata = {"plan": drawn.choice(["pro", "free"]), "usage": {"total_tokens": number % 999}}
        yield {
            **nothing,
            "task_id": f"task_{number:08d}",
            "session_id": f"session_{number // 4:08d}",
            "user_id": f"user {drawn.randrange(50_000)}",
            "version_id": f"1.{number % 7}",
            "created_at": f"{at}.{number % 1000:03d}Z",
            "input": " ".join(drawn.choices(WORDS, k=INPUT_WORDS)),
            "output": " ".join(drawn.choices(WORDS, k=OUTPUT_WORDS)),
            "flag": drawn.choice([None, None, None, "success", "failure"]),
            "metadata": json.dumps(metadata, separators=(",", ":")) if as_text else metadata,
        }


def measure(
    name: str, words: list[str], *, rows: int = 0, stop: Callable[[], bool] | None = None
) -> None:
    """Run a command, kill it when it is time to, and print what it took."""
    cpu_s, started_s = cpu_of_children(), time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak_mb = 0.0
    while process.poll() is None:
        peak_mb = max(peak_mb, peak_of(process.pid))
        if stop is not None and stop():
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        time.sleep(0.2)
    wall_s = time.perf_counter() - started_s
    spent_s = cpu_of_children() - cpu_s
    speed = f", {rows / wall_s:,.0f} rows/s" if rows else ""
    print(
        f"{name}: {wall_s:,.1f} s, {spent_s:,.1f} s of CPU{speed}, at most {peak_mb:,.0f} MB, "
        f"exit code {process.returncode}",
        flush=True,
    )


def cpu_of_children() -> float:
    """Return the seconds of CPU that ended processes took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_of(pid: int) -> float:
    """Return the most memory that a process has had, in MB; 0 where it is over."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0][1]) / 1024 if lines else 0.0


def count(database: Path, what: str = "count(*)") -> int:
    """Return how many interactions are stored, or another number of them."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return int(db.execute(f"select coalesce({what}, 0) from interactions").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        db.close()


if __name__ == "__main__":
    main()
