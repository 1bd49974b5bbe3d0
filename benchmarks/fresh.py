"""Run scripts in fresh processes, each in an empty folder, and read what they print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

# The former phospho may take minutes to log with 10,000 waiting, on a busy machine.
TIMEOUT_S = 600


class FailedError(Exception):
    """A library could not be measured; says why."""


def environment() -> Mapping[str, str]:
    """Return the environment without what would change how a library behaves."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PHOSPHO_", "OTEL_", "LANGFUSE_", "POSTHOG_", "PYTHONPATH"))
    }
    return {**kept, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def run(python: str, *arguments: object) -> Any:
    """Run an interpreter and return the JSON it prints.

    Raises:
        FailedError: When it ends with an error, or too late.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [python, *map(str, arguments)]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment(), timeout=TIMEOUT_S,
                capture_output=True, text=True, check=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired as exc:
            raise FailedError(f"no figures within {TIMEOUT_S} s") from exc
        except subprocess.CalledProcessError as exc:
            raise FailedError(exc.stderr.strip().rpartition("\n")[2]) from exc
    return json.loads(done.stdout)


def find_libraries(old_phospho: str | None = None) -> dict[str, tuple[str, str]]:
    """Return the interpreter and the version of each library that is installed, by name.

    Args:
        old_phospho: The interpreter that has the former phospho.
    """
    pythons = [sys.executable]
    if old_phospho:
        # Not resolved: the link in an environment is what makes it that environment's interpreter.
        pythons.append(os.path.abspath(old_phospho))  # noqa: PTH100
    return {
        name: (python, version)
        for python in pythons
        for name, version in run(python, HERE / "libraries.py").items()
    }
