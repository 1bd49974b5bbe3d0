"""A server in a process of its own, and what the kernel says of it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fresh import environment

_READY_WITHIN_S = 600

# How long a server has nothing to do before its memory is that of an idle one.
_SETTLED_S = 2.0


class Process:
    """A process that was started, by its id."""

    def __init__(self, command: Sequence[str], *, is_read: bool = False, **variables: str) -> None:
        self._process = subprocess.Popen(
            command,
            # What nobody reads fills a pipe, and then the process waits.
            stdout=subprocess.PIPE if is_read else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**environment(), "PYTHONUNBUFFERED": "1", **variables},
        )

    def lines(self) -> Iterator[str]:
        """Yield what it prints."""
        assert self._process.stdout is not None
        yield from self._process.stdout

    def cpu_s(self) -> float:
        """Return the CPU seconds of the process so far, of all its threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Return the resident memory now."""
        return self._status("VmRSS")

    def peak_mb(self) -> float:
        """Return the largest resident memory so far."""
        return self._status("VmHWM")

    def _status(self, name: str) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(find(rf"{name}:\s+(\d+) kB", status)) / 1024

    def settle(self) -> None:
        """Wait until it has nothing to do."""
        deadline_s, before_s = time.monotonic() + _READY_WITHIN_S, -1.0
        while self.cpu_s() - before_s > 0.05 * _SETTLED_S and time.monotonic() < deadline_s:
            before_s = self.cpu_s()
            time.sleep(_SETTLED_S)

    def stop(self) -> None:
        """End it as a service manager does, and wait."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Server(Process):
    """`phospho serve`.

    Args:
        database: As `--database` takes it.
        python: Of the environment that it is installed in.
    """

    def __init__(self, database: Path | str, *, python: str = sys.executable) -> None:
        self._python, self.database = python, database
        super().__init__(self._command("serve", "--port", "0"), is_read=True)
        self.output = ""
        for line in self.lines():
            self.output += line
            if "Ctrl-C" in line:
                break
        self.started_cpu_s = self.cpu_s()
        self.url = self.setting("PHOSPHO_BASE_URL")
        self.sign_in_path = find(r"(/login\?token=\S+)", self.output)

    def setting(self, name: str) -> str:
        """Return a setting that the server printed."""
        return find(rf"^{name}=(\S+)$", self.output)

    def _command(self, *words: str) -> list[str]:
        return [
            *(self._python, "-m", "phospho_server", *words),
            *("--database", str(self.database)),
        ]


class Phospho(Server):
    """`phospho serve` on a new database, to be logged to."""

    def __init__(self, python: str, database: Path | str) -> None:
        super().__init__(database, python=python)
        self.project_id = self.setting("PHOSPHO_PROJECT_ID")
        self.port = int(self.url.rpartition(":")[2])
        self.path = f"/v2/log/{self.project_id}"
        self.headers: Mapping[str, str] = {
            "Authorization": f"Bearer {self.setting('PHOSPHO_API_KEY')}",
            "Content-Type": "application/json",
        }

    def define(self, name: str, description: str) -> None:
        """Define an event."""
        command = self._command("events", "create", self.project_id, name, description)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment())


@contextlib.contextmanager
def serving(python: str, folder: Path) -> Iterator[Phospho]:
    """Start a server on a new database of a folder, and end it."""
    server = Phospho(python, folder / "phospho.db")
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str) -> None:
    """Wait until an address answers.

    Raises:
        TimeoutError: It does not.
    """
    deadline_s = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.2)
    raise TimeoutError(f"{url} does not answer.")


def find(pattern: str, text: str) -> str:
    """Return the first group of a pattern that must be there."""
    found = re.search(pattern, text, re.MULTILINE)
    assert found, f"{pattern} is not in:\n{text}"
    return found.group(1)
