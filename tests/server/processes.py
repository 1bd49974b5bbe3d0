"""Real server processes: started, asked over HTTP, killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx

from tests.waiting import PATIENCE_S


class PhosphoProcess:
    """A `phospho` command that runs until it is told to stop."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "phospho_server", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        )
        self.output = self._read_until("Ctrl-C")
        # Whoever does not read a pipe stops the one who writes to it.
        self._problems: list[str] = []
        self._drains = [
            threading.Thread(target=_drain, args=(pipe, lines), daemon=True)
            for pipe, lines in (
                (self.process.stdout, []),
                (self.process.stderr, self._problems),
            )
        ]
        for drain in self._drains:
            drain.start()

    def _read_until(self, mark: str) -> str:
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line)
            if mark in line:
                return "".join(lines)
        assert self.process.stderr is not None
        raise AssertionError("".join(lines) + self.process.stderr.read())

    @property
    def problems(self) -> str:
        """What it has said on standard error; all of it once it has ended."""
        return "".join(self._problems)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        for drain in self._drains:
            drain.join()
        return code


class ServerProcess(PhosphoProcess):
    """`phospho serve` on a free port, in a process of its own."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        super().__init__(*arguments, "--port", "0", **environment)

    def setting(self, name: str) -> str:
        found = re.search(rf"^{name}=(\S+)$", self.output, re.MULTILINE)
        assert found, self.output
        return found.group(1)

    @property
    def url(self) -> str:
        return self.setting("PHOSPHO_BASE_URL")

    @property
    def sign_in_url(self) -> str:
        found = re.search(r"http\S+/login\?token=\S+", self.output)
        assert found
        return found.group(0)


def _drain(pipe: IO[str], lines: list[str]) -> None:
    with pipe:
        lines.extend(pipe)


@contextmanager
def serving(database: Path | str, *arguments: str, **environment: str) -> Iterator[ServerProcess]:
    """Run `phospho serve` on a database, and stop it at the end whatever happened."""
    server = ServerProcess("serve", "--database", str(database), *arguments, **environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def phospho(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a `phospho` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "phospho_server", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=PATIENCE_S,
        check=False,
    )


def log(
    server: ServerProcess, key: str, project_id: str, *events: dict[str, Any]
) -> httpx.Response:
    return httpx.post(
        f"{server.url}/v2/log/{project_id}",
        verify=False,  # or each call reads all certificates of the system, for 30 ms
        json={"batched_log_events": events},
        headers={"Authorization": f"Bearer {key}"},
        timeout=PATIENCE_S,
    )
