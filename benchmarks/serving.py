"""A server process that is measured from outside: what the kernel says of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


class Server:
    """`phospho serve` in a process of its own.

    Args:
        database: As `--database` takes it.
    """

    def __init__(self, database: Path | str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "phospho_server", "serve"),
                *("--port", "0", "--database", str(database)),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        self.output = ""
        for line in self.process.stdout:
            self.output += line
            if "Ctrl-C" in line:
                break
        self.url = self.setting("PHOSPHO_BASE_URL")
        self.sign_in_path = find(r"(/login\?token=\S+)", self.output)

    def setting(self, name: str) -> str:
        """Return a setting that the server printed."""
        return find(rf"^{name}=(\S+)$", self.output)

    def stop(self) -> None:
        """End the process as Ctrl-C does."""
        self.process.terminate()
        self.process.wait()

    def cpu_s(self) -> float:
        """Return the CPU seconds of the process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Return the resident memory now."""
        return self._status("VmRSS")

    def peak_mb(self) -> float:
        """Return the largest resident memory so far."""
        return self._status("VmHWM")

    def _status(self, name: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(find(rf"{name}:\s+(\d+) kB", status)) / 1024


def find(pattern: str, text: str) -> str:
    """Return the first group of a pattern that must be there."""
    found = re.search(pattern, text, re.MULTILINE)
    assert found, f"{pattern} is not in:\n{text}"
    return found.group(1)
