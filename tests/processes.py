"""Runs a program in a process of its own: for what happens at exit, in children, and at import."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

from tests.waiting import PATIENCE_S

# The beginning of a script whose exit has the time that a busy machine needs to deliver.
PATIENT = f"from phospho import lifecycle; lifecycle.EXIT_TIMEOUT_S = {PATIENCE_S}\n"


def run_script(script: str, url: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith(("PHOSPHO_", "COV_"))},
            "PHOSPHO_API_KEY": "key-of-the-host",
            "PHOSPHO_PROJECT_ID": "proj",
            "PHOSPHO_BASE_URL": url,
            **environ,
        },
    )
