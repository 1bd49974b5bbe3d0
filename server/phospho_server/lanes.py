"""Lanes for requests, so that people, programs and probes do not wait behind each other.

What programs send in to be stored has a lane, and so has who asks how the server is; all else has
the third. Each has threads of its own, and bounds: how many requests wait or are worked at, and how
many bytes their bodies have. What is beyond is refused at once, by the thread that reads from
sockets: who waits longer than a client's patience is worked for in vain, and makes everybody behind
wait as well.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from dataclasses import dataclass
from typing import Any, Protocol

from waitress.parser import HTTPRequestParser

from phospho_server.crew import Crew, Task

logger = logging.getLogger("phospho_server")

# Programs store by these paths; all else is looked at, or changed by people.
_STORES = re.compile(r"/+v\d+/")

# Who asks this wants to know it also while all threads wait for a database that says nothing.
_PROBES = re.compile(r"/+(healthz|readyz|metrics)$")

# These are answered with JSON; see `answering.py`.
_API_PATH = re.compile(r"/+(v\d+|api|healthz|readyz|metrics)(/|$)")

# What is refused now may well be taken then.
RETRY_AFTER_S = 2

_TELL_EVERY_S = 60.0

# A thread that has nothing to do ends within this.
_IDLE_S = 0.2


class Channel(Task, Protocol):
    """What lanes need of a connection."""

    requests: list[HTTPRequestParser]
    lane: Lane
    is_refused: bool

    def refuse(self, answer: bytes) -> None:
        """Send an answer, and end the connection."""


@dataclass(frozen=True)
class Bounds:
    """What a lane takes.

    Args:
        threads: That work at its requests.
        most_requests: Waiting and worked at.
        most_bytes: Of their bodies together, before the last one comes: that may have any size.
    """

    threads: int
    most_requests: int
    most_bytes: int


# A group of changes shares one sync to disk: 128 requests of one interaction take a tenth of a
# second. 16 MiB take two seconds, and on a busy machine ten, which is a client's patience.
STORING = Bounds(threads=16, most_requests=128, most_bytes=16 * 1024 * 1024)

# Pages take some milliseconds, an export as long as it likes.
LOOKING = Bounds(threads=8, most_requests=256, most_bytes=16 * 1024 * 1024)

# Several who ask share one answer.
PROBING = Bounds(threads=4, most_requests=64, most_bytes=1024 * 1024)


class Lane:
    """Requests of one kind, with the threads that work at them."""

    def __init__(self, name: str, bounds: Bounds) -> None:
        self.name = name
        self.bounds = bounds
        self.requests = 0
        self.bytes = 0
        self.refused = 0
        self._told_s = -_TELL_EVERY_S
        self._lock = threading.Lock()
        self.crew = Crew(name, bounds.threads)

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return self.crew.waiting

    @property
    def has_room(self) -> bool:
        """Whether one more request would be taken now."""
        bounds = self.bounds
        return self.requests < bounds.most_requests and self.bytes < bounds.most_bytes

    def enter(self, size: int) -> bool:
        """Count a request in, unless there is no room for it."""
        with self._lock:
            if not self.has_room:
                return False
            self.requests += 1
            self.bytes += size
            return True

    def leave(self, size: int) -> None:
        """Count a request out."""
        with self._lock:
            self.requests -= 1
            self.bytes -= size

    def note_refused(self) -> None:
        """Count a refusal, and say so once a minute."""
        with self._lock:
            self.refused += 1
            now_s = time.monotonic()
            is_to_tell = now_s - self._told_s >= _TELL_EVERY_S
            if is_to_tell:
                self._told_s = now_s
        if is_to_tell:
            logger.warning(
                "More arrives than can be worked off: requests (%s) are refused with 503, %d so "
                "far. Clients send them again.",
                self.name,
                self.refused,
            )


class Lanes:
    """The dispatcher of waitress: gives each request to its lane, or refuses it."""

    def __init__(
        self, *, storing: Bounds = STORING, looking: Bounds = LOOKING, probing: Bounds = PROBING
    ) -> None:
        self.storing = Lane("storing", storing)
        self.looking = Lane("looking", looking)
        self.probing = Lane("probing", probing)
        self.all = (self.storing, self.looking, self.probing)
        self.is_stopping = False

    def lane_of(self, request: HTTPRequestParser) -> Lane:
        """Return the lane of a request whose header is there; what is no HTTP stores nothing."""
        path = getattr(request, "path", "")
        if getattr(request, "command", "") == "POST" and _STORES.match(path):
            return self.storing
        return self.probing if _PROBES.match(path) else self.looking

    def add_task(self, channel: Channel) -> None:
        """Have the first request of a connection worked at, or refuse it."""
        if channel.is_refused:
            return
        request = channel.requests[0]
        lane = self.lane_of(request)
        if self.is_stopping or not lane.enter(request.body_bytes_received):
            self.refuse(channel, request)
            return
        channel.lane = lane
        lane.crew.add(channel)

    def refuse(self, channel: Channel, request: HTTPRequestParser) -> None:
        """Answer 503."""
        self.lane_of(request).note_refused()
        message = (
            "The server is stopping. Send this again in a moment."
            if self.is_stopping
            else "The server has more to do than it can. Send this again in a moment."
        )
        channel.refuse(make_answer(getattr(request, "path", ""), message))

    def shutdown(self) -> bool:
        """End the threads, and what waits for one; tell whether none of them works any more."""
        crews = [lane.crew for lane in self.all]
        for crew in crews:
            crew.begin_end()
        have_ended = [crew.end(_IDLE_S) for crew in crews]
        return all(have_ended)


def make_answer(path: str, message: str) -> bytes:
    """Return a 503 as it goes over the wire: JSON for programs, text for people."""
    error: dict[str, Any] = {"error": {"code": "busy", "message": message}}
    is_api = _API_PATH.match(path)
    kind, text = ("application/json", json.dumps(error)) if is_api else ("text/plain", message)
    head = (
        "HTTP/1.1 503 Service Unavailable",
        "Connection: close",
        f"Content-Length: {len(text)}",
        f"Content-Type: {kind}",
        f"Retry-After: {RETRY_AFTER_S}",
    )
    return "\r\n".join((*head, "", text)).encode("ascii")
