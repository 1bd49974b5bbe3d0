"""What servers are sent: interactions of about 1 KB, as the SDK writes them, over kept connections.

An interaction has 200 and 600 characters of text with the word frequencies of a language, ids as
the SDK makes them, a user, a version, and three metadata keys.
"""

from __future__ import annotations

import http.client
import itertools
import json
import math
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

INPUT_CHARS, OUTPUT_CHARS = 200, 600

# As many interactions has a session, all of one user.
SESSION_LENGTH = 5
USERS = 2_000

# Frequent words are short, as in a language: 150 words an interaction, about 2,400 different ones
# in a hundred of them. Real conversations of one kind have some 1,400.
_drawn = random.Random(3)
_WORDS = [
    "".join(
        _drawn.choices(
            "etaoinshrdlucmfwypvbgk",
            k=1 + max(1, round(_drawn.gauss(math.log2(rank + 2) / 1.9, 1.2))),
        )
    )
    for rank in range(1, 8_001)
]
_TEXT = " ".join(
    _drawn.choices(_WORDS, weights=[(rank + 2.7) ** -1.2 for rank in range(1, 8_001)], k=300_000)
)

# One text begins so far behind the one before it.
_STEP = 617


@dataclass(frozen=True)
class Interaction:
    """What is sent, in no protocol yet."""

    number: int
    task_id: str
    session_id: str
    user_id: str
    input: str
    output: str
    metadata: dict[str, str]


def interactions(first: int, count: int, *, is_unique: bool = False) -> Iterator[Interaction]:
    """Yield interactions; the same number is always the same one.

    Args:
        first: The number of the first.
        count: How many.
        is_unique: Whether a metadata key has another value each time, as an id of a request has.
    """
    for number in range(first, first + count):
        session = number // SESSION_LENGTH
        at = number * _STEP % (len(_TEXT) - INPUT_CHARS - OUTPUT_CHARS)
        middle = at + INPUT_CHARS
        yield Interaction(
            number,
            f"task_01a21e26{number:024x}",
            f"session_01a21e26{session:024x}",
            f"user-{session % USERS}",
            _TEXT[at:middle],
            _TEXT[middle : middle + OUTPUT_CHARS],
            {
                "plan": "pro" if session % 3 else "free",
                "model": f"model-{session % 4}",
                **({"request": f"r{number:08d}"} if is_unique else {"channel": "web"}),
            },
        )


def as_event(one: Interaction) -> dict[str, Any]:
    """Return an interaction as an entry of `batched_log_events`."""
    at_ms = time.time_ns() // 1_000_000
    return {
        "client_created_at": at_ms // 1000,
        "client_created_at_ms": at_ms,
        "session_id": one.session_id,
        "task_id": one.task_id,
        "input": one.input,
        "output": one.output,
        "version_id": "1.4.2",
        "user_id": one.user_id,
        "metadata": one.metadata,
    }


def bodies(sent: Sequence[Interaction], batch: int) -> list[bytes]:
    """Return the bodies of requests with so many interactions each."""
    events = [as_event(one) for one in sent]
    return [
        json.dumps({"batched_log_events": events[at : at + batch]}).encode()
        for at in range(0, len(events), batch)
    ]


@dataclass(frozen=True)
class Sent:
    """What became of requests.

    Args:
        calls_s: How long each took, in order of length.
        wall_s: From the first to the last answer.
        acknowledged: Requests that a 2xx answered.
    """

    calls_s: Sequence[float]
    wall_s: float
    acknowledged: int

    def percentile_ms(self, part: float) -> float:
        """Return how long so many of the calls took at the most."""
        return self.calls_s[min(int(len(self.calls_s) * part), len(self.calls_s) - 1)] * 1000


def send(port: int, path: str, requests: Sequence[bytes], connections: int, **headers: str) -> Sent:
    """Send requests over so many connections at once, each as soon as one is free."""
    waiting = iter(requests)
    taking = threading.Lock()
    calls_s: list[float] = []
    statuses: list[int] = []

    def take() -> bytes | None:
        with taking:
            return next(waiting, None)

    def run() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        for body in itertools.takewhile(lambda body: body is not None, iter(take, ())):
            started_s = time.perf_counter()
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read()
            calls_s.append(time.perf_counter() - started_s)
            statuses.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(connections)]
    started_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall_s = time.perf_counter() - started_s
    return Sent(sorted(calls_s), wall_s, sum(status // 100 == 2 for status in statuses))
