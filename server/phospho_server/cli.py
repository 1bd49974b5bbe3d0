"""The `phospho` command: one module of `commands/` for each subject."""

from __future__ import annotations

import gc
import os
import sys

from phospho.errors import MissingDependencyError


def main() -> None:
    """Run the command line; say which extra is missing where the server is not installed."""
    # numpy reads it when it is first imported. The matrices are small: a second thread would wait
    # for work most of the time, burning a core for little speed.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Modules, and later each batch, are thousands of objects and no garbage: looking for it is a
    # tenth of a server's start.
    gc.set_threshold(20_000, 20, 50)
    try:
        from phospho_server.commands import phospho

        phospho(prog_name="phospho")
    except ModuleNotFoundError as exc:
        sys.exit(f"Error: {MissingDependencyError(str(exc.name), extra='server')}")
