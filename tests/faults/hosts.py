"""Starts host programs in processes of their own, and checks what became of what they logged."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from typing_extensions import Self

from tests.loopback import Loopback
from tests.waiting import PATIENCE_S

KEY = "key-of-the-host"

# What a host program may assume; `phospho` itself is imported where the program says so.
PRELUDE = (
    "from tests.faults.host import end, live_until_sent, log, log_in_threads, log_many, tell\n"
    "from tests.faults.host import allow_exit, wait_for_file\n"
)

MAX_STDERR_LINES = 5

# For hosts whose exit takes the time that the SDK gives it.
AS_IT_IS = ""

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """A host that has ended.

    Args:
        code: Its exit code; negative for a signal.
        told: What it told, in order: (what, value).
        stderr: All it printed.
        at_s: When it was gone, on the monotonic clock, which all processes share.
    """

    code: int
    told: Sequence[tuple[str, str]]
    stderr: str
    at_s: float

    def values(self, what: str) -> list[str]:
        return [value for told, value in self.told if told == what]

    @property
    def logged(self) -> list[str]:
        return self.values("logged")

    @property
    def exit_s(self) -> float:
        """How long the process took to go after its program had ended.

        One that ends by itself does so before `GIVEN_UP_S`, and one that is held up does not.
        """
        return self.at_s - float(self.values("ending")[-1])


class Host:
    """A host program that runs; leaving the context kills what is left of it.

    Args:
        program: Its source, or the arguments of another program to run.
        url: Where its phospho server is said to be.
        cwd: Where it runs.
        **environ: More variables.
    """

    def __init__(
        self, program: str | Sequence[str], url: str = "", cwd: Path | None = None, **environ: str
    ) -> None:
        if isinstance(program, str):
            program = [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(program)]
        self._process = subprocess.Popen(
            program,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd or _ROOT,
            start_new_session=True,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith(("PHOSPHO_", "COV_"))},
                "PHOSPHO_API_KEY": KEY,
                "PHOSPHO_PROJECT_ID": "proj",
                "PHOSPHO_BASE_URL": url,
                "PYTHONPATH": str(_ROOT),
                "HOST_EXIT_S": str(PATIENCE_S),
                **environ,
            },
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=_read, args=(self._process.stdout, self.out)),
            threading.Thread(target=_read, args=(self._process.stderr, self.err)),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Children that outlive it hold its pipes.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait_for(self, what: Callable[[], object]) -> None:
        """Block until something is true, which needs the host to be alive."""
        deadline = time.monotonic() + PATIENCE_S
        while not what():
            assert self._process.poll() is None, f"the host has ended: {''.join(self.err)}"
            assert time.monotonic() < deadline, f"it did not happen: {''.join(self.err)}"
            time.sleep(0.01)

    def wait_for_line(self, start: str) -> None:
        self.wait_for(lambda: any(line.startswith(start) for line in list(self.out)))

    def wait_for_complaint(self, words: str) -> None:
        self.wait_for(lambda: words in "".join(self.err))

    def wait(self) -> Ended:
        """Block until the process is gone."""
        code = self._process.wait(PATIENCE_S)
        at_s = time.monotonic()
        for reader in self._readers:
            reader.join(PATIENCE_S)
        told = [
            (what, value) for what, _, value in (line.strip().partition(" ") for line in self.out)
        ]
        return Ended(code, told, "".join(self.err), at_s)


def _read(pipe: IO[str] | None, lines: list[str]) -> None:
    assert pipe is not None
    lines.extend(pipe)


def run_host(program: str, url: str = "", cwd: Path | None = None, **environ: str) -> Ended:
    """Run a host program to its end."""
    with Host(program, url, cwd, **environ) as host:
        return host.wait()


def check(
    ended: Ended,
    loopback: Loopback,
    count: int,
    *,
    code: int = 0,
    lost: int = 0,
    repeats: bool = False,
) -> None:
    """Check that all that was logged is stored, each once, and that the host did not suffer.

    Args:
        ended: The host.
        loopback: The server that stored what arrived.
        count: How many interactions the host was to log.
        code: The exit code to expect.
        lost: How many of them are expected not to be stored.
        repeats: Whether the server may have been sent one twice, as it stored what it did not
            acknowledge.
    """
    assert ended.values("raised") == []
    assert ended.code == code, ended.stderr
    assert len(ended.logged) == len(set(ended.logged)) == count
    check_stored(ended.logged, loopback, lost=lost, repeats=repeats)
    check_quiet(ended)


def check_stored(
    logged: Sequence[str], loopback: Loopback, *, lost: int = 0, repeats: bool = False
) -> None:
    """Check that what is stored is what was logged, and nothing under a second identity."""
    stored = Counter(event["task_id"] for event in loopback.events)
    assert set(stored) <= set(logged), "stored under an identity that nobody was given"
    missing = [task_id for task_id in logged if task_id not in stored]
    assert len(missing) == lost, missing
    if not repeats:
        assert max(stored.values(), default=1) == 1, "sent twice although it was acknowledged"


def check_quiet(ended: Ended) -> None:
    """Check that the host's stderr stays readable, and that nobody reads the key there."""
    assert len(ended.stderr.splitlines()) <= MAX_STDERR_LINES, ended.stderr
    assert KEY not in ended.stderr + str(ended.told)


def check_complaint(ended: Ended, words: str) -> None:
    """Check that the client said why it could not deliver: the fault has reached it."""
    assert re.search(words, ended.stderr), ended.stderr


@contextmanager
def refused_port() -> Iterator[int]:
    """Keep a port on which connections are refused, until a server listens on it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        yield port


@contextmanager
def deaf(port: int) -> Iterator[Callable[[], None]]:
    """Listen on a port and let every SYN go unanswered, as no further connection can queue.

    Yields what ends that, so that a server can listen there.
    """
    with socket.socket() as listener, ExitStack() as fillers:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        while _connects(fillers.enter_context(socket.socket()), port):
            pass
        yield listener.close


def _connects(filler: socket.socket, port: int) -> bool:
    filler.settimeout(0.5)
    try:
        filler.connect(("127.0.0.1", port))
    except TimeoutError:
        return False
    return True
