"""Whole conversations through `phospho.log` and `phospho import`, then detection over all of them.

    python benchmarks/conversations.py CONVERSATIONS.jsonl.gz [--sessions N]

The file has one conversation a line: `{"session_id", "turns": [{"role", "content"}, ...]}`. A real
server process is started on a new database; four threads log every conversation; the server is
counted against the file; `phospho import` stores the same file in a second database; eight events
are looked for in all of it. Prints interactions a second, detections a second, memory and size.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from served import Server

import phospho

EVENTS = {
    "book_flight": "The user is trying to book a flight",
    "financial_advice": "The assistant responded something that could be considered "
    "financial advice",
    "ai_disclaimer": "The assistant started with 'As an AI language model'",
    "slang": "The user uses slang that the LLM didn't understand",
    "user_thanks": "The user thanked the agent for its help",
    "find_restaurant": "The user is looking for a restaurant",
    "asks_price": "The user asks how much something costs",
    "asks_confirmation": 'The assistant\'s message contains the word "confirm"',
}
THREADS = 4
PAGES = ("dashboard", "dashboard?period=all", "sessions", "sessions?q=flight", "settings")


def main() -> None:
    """Run every part and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("conversations", type=Path)
    parser.add_argument("--sessions", type=int, help="use only the first N conversations")
    arguments = parser.parse_args()
    if not arguments.conversations.exists():
        sys.exit(f"{arguments.conversations} is not there. Name a file of conversations.")
    conversations = read(arguments.conversations, arguments.sessions)
    with tempfile.TemporaryDirectory() as folder:
        measure_import(Path(folder), conversations)
        measure_log(Path(folder), conversations)


def read(path: Path, most: int | None) -> list[dict[str, Any]]:
    """Return the conversations of a file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines][:most]


def pairs(conversation: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Return what the user said with all that was answered; messages of one role are joined."""
    found: list[tuple[str, str | None]] = []
    last = "assistant"
    for turn in conversation["turns"]:
        role, text = turn["role"], turn["content"]
        if role == "user" and last == "assistant":
            found.append((text, None))
        elif role == "user":
            found[-1] = (found[-1][0] + "\n" + text, None)
        elif not found:
            found.append(("", text))
        else:
            asked, answered = found[-1]
            found[-1] = (asked, text if answered is None else f"{answered}\n{text}")
        last = role
    return found


def measure_import(folder: Path, conversations: list[dict[str, Any]]) -> None:
    """Time `phospho import` of all conversations, twice: the second time adds nothing."""
    file, database = folder / "all.jsonl", folder / "import.db"
    file.write_text("\n".join(json.dumps(c) for c in conversations), encoding="utf-8")
    project = command("projects", "create", "import", "--json", "--database", str(database))
    expected = sum(len(pairs(c)) for c in conversations)
    for title in ("phospho import", "the same again"):
        started = time.monotonic()
        report = command(
            *("import", str(file), "--project", project["project_id"], "--json"),
            *("--database", str(database)),
        )
        elapsed_s = time.monotonic() - started
        print(
            f"{title}: {report['added']} added of {expected} in {elapsed_s:.1f} s, "
            f"{expected / elapsed_s:.0f} interactions/s"
        )
    check(database, expected)


def measure_log(folder: Path, conversations: list[dict[str, Any]]) -> None:
    """Time four logging threads against a server process, then detection and the pages."""
    database = folder / "log.db"
    server = Server(database)
    expected = sum(len(pairs(c)) for c in conversations)
    try:
        phospho.init(
            api_key=server.setting("PHOSPHO_API_KEY"),
            project_id=server.setting("PHOSPHO_PROJECT_ID"),
            base_url=server.url,
        )
        started, cpu = time.monotonic(), server.cpu_s()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(log_conversation, conversations))
        logged_s = time.monotonic() - started
        delivered = phospho.flush(timeout_s=600)
        elapsed_s = time.monotonic() - started
        print(
            f"phospho.log from {THREADS} threads: {expected} interactions in {logged_s:.1f} s, "
            f"all stored: {delivered} after {elapsed_s:.1f} s, "
            f"{expected / elapsed_s:.0f} a second; server CPU {server.cpu_s() - cpu:.1f} s"
        )
        check(database, expected)
        measure_detection(server, database, expected)
        measure_pages(server)
        print(f"server memory: {server.memory_mb():.0f} MB, peak {server.peak_mb():.0f} MB")
    finally:
        phospho.shutdown()
        server.stop()
    size = database.stat().st_size
    print(
        f"database: {size / 1e6:.1f} MB, {size / expected:.0f} bytes an interaction with verdicts"
    )


def log_conversation(conversation: dict[str, Any]) -> None:
    """Log one conversation in the order it was said."""
    for asked, answered in pairs(conversation):
        phospho.log(input=asked, output=answered, session_id=conversation["session_id"])


def measure_detection(server: Server, database: Path, expected: int) -> None:
    """Define eight events and wait until all interactions have met all of them."""
    project = server.setting("PHOSPHO_PROJECT_ID")
    where = ("--json", "--database", str(database))
    for name, description in EVENTS.items():
        command("events", "create", project, name, description, *where)
    started, cpu = time.monotonic(), server.cpu_s()
    rows = command("events", "list", project, *where)
    while any(row["pending"] for row in rows):
        time.sleep(1)
        rows = command("events", "list", project, *where)
    elapsed_s, cpu_s = time.monotonic() - started, server.cpu_s() - cpu
    verdicts = expected * len(EVENTS)
    print(
        f"detection: {verdicts} verdicts in {elapsed_s:.0f} s, "
        f"{verdicts / elapsed_s:.0f} a second; "
        f"{expected * 1.0 / cpu_s:.0f} interactions a second of CPU for {len(EVENTS)} events"
    )
    for row in rows:
        print(f"  {row['name']}: {row['events']} ({100 * row['events'] / expected:.1f} %)")
    with sqlite3.connect(database) as stored:
        (count,) = stored.execute("select count(*) from detections").fetchone()
    print(f"  verdicts stored: {count} of {verdicts}")


def measure_pages(server: Server) -> None:
    """Print the server's CPU time for each page, the median of ten."""
    project = server.setting("PHOSPHO_PROJECT_ID")
    with httpx.Client(base_url=server.url, follow_redirects=True) as browser:
        browser.get(server.sign_in_path)
        first = browser.get(f"/projects/{project}/sessions").text
        session = re.search(rf'href="(/projects/{project}/sessions/[^"?]+)"', first)
        paths = [f"/projects/{project}/{page}" for page in PAGES]
        for path in [*paths, *([session.group(1)] if session else [])]:
            browser.get(path)
            figures = []
            for _ in range(10):
                before = server.cpu_s()
                browser.get(path).raise_for_status()
                figures.append(server.cpu_s() - before)
            # The kernel counts in steps of 10 ms, so the mean of ten says more than one of them.
            print(
                f"page {path.partition(project)[2]}: "
                f"{statistics.mean(figures) * 1000:.0f} ms server CPU"
            )


def check(database: Path, expected: int) -> None:
    """Count what is stored against what was sent."""
    with sqlite3.connect(database) as stored:
        total, distinct = stored.execute(
            "select count(*), count(distinct task_id) from interactions"
        ).fetchone()
    print(f"  stored: {total} of {expected}, {distinct} distinct")


def command(*arguments: str) -> Any:
    """Run a `phospho` command and return the JSON it prints."""
    ended = subprocess.run(
        [sys.executable, "-m", "phospho_server", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ended.stdout)


if __name__ == "__main__":
    main()
