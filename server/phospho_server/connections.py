"""Connections: requests that come in time, no more at once than can be kept, and an orderly end.

waitress closes a connection that says nothing for a while. Who says a letter now and then would
hold it for ever, and a thousand of them every connection there is.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

import waitress
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer
from waitress.trigger import trigger

from phospho_server.lanes import Lane, Lanes

# No telephone on the worst of lines sends slower; whole seconds of it are forgiven.
SLOWEST_BYTES_S = 1_000

# Of bodies that are not there in whole yet. They are on disk, where each has more than 512 KiB.
MOST_HALF_BYTES = 256 * 1024 * 1024

# Less of an answer than this, as its head alone or a short one, is left to the thread that reads
# from sockets: one that works at requests would give way to others for each part that it sends.
_LEAST_SENT = 4_096

# How long what is refused may still be sent: who is cut off while sending sees no answer.
_LINGER_S = 10.0


class TimelyChannel(HTTPChannel):  # type: ignore[misc]
    """A connection whose request counts as active for as long as its bytes are worth."""

    request: HTTPRequestParser | None
    requests: list[HTTPRequestParser]
    lane: Lane
    began_s = 0.0
    held_bytes = 0
    is_refused = False
    _bytes = 0
    _refused_s = 0.0
    _is_shut = False

    def received(self, data: bytes) -> bool:
        """Take what was sent, after waitress has noted it as activity of this moment."""
        before, now_s = self.request, time.time()
        if self.is_refused:
            self.will_close = now_s - self._refused_s > _LINGER_S
            return False
        is_taken = bool(super().received(data))
        if self.is_refused:
            # More may have stood behind what was refused.
            self.request, self.requests = None, []
        if self.request is not None:
            if self.request is not before:
                self.began_s, self._bytes = now_s, 0
            self._bytes += len(data)
            self.last_activity = min(now_s, self.began_s + self._bytes / SLOWEST_BYTES_S)
        self._note_half(self.request)
        return is_taken

    def _note_half(self, request: HTTPRequestParser | None) -> None:
        """Refuse a body early that has no room, or the slowest where too much is half there."""
        held = 0 if request is None else request.body_bytes_received
        server, lanes = self.server, self.server.task_dispatcher
        server.half_bytes += held - self.held_bytes
        self.held_bytes = held
        if request is None or not request.headers_finished or self.requests:
            return
        if not lanes.lane_of(request).has_room:
            lanes.refuse(self, request)
        elif server.half_bytes > MOST_HALF_BYTES:
            slowest = min(_list_half(server), key=lambda each: each.began_s)
            lanes.refuse(slowest, slowest.request)

    def refuse(self, answer: bytes) -> None:
        """Answer at once and throw away what still comes: it ends when the client has read it.

        To close the connection while the client sends would take the answer from it.
        """
        for request in (*self.requests, self.request):
            if request is not None:
                request.close()
        self.request, self.requests = None, []
        self.server.half_bytes -= self.held_bytes
        self.held_bytes = 0
        self.is_refused, self._refused_s = True, time.time()
        with self.outbuf_lock:
            self.outbufs[-1].append(answer)
            self.total_outbufs_len += len(answer)
        self.server.pull_trigger()

    def writable(self) -> bool:
        """Tell whether there is something to send: not while so little is there of an answer."""
        if self.will_close or self.close_when_flushed:
            return True
        least = _LEAST_SENT if self.requests else 1
        return bool(self.total_outbufs_len >= least)

    def handle_write(self) -> None:
        """Send what waits; after a refusal, say that no more comes."""
        super().handle_write()
        if self.is_refused and self.connected and not self.total_outbufs_len and not self._is_shut:
            self._is_shut = True
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)

    def handle_close(self) -> None:
        """Forget what was held of a body."""
        self.server.half_bytes -= self.held_bytes
        self.held_bytes = 0
        super().handle_close()

    def service(self) -> None:
        """Work at a request, and make room for another."""
        lane, size = self.lane, self.requests[0].body_bytes_received
        try:
            super().service()
        finally:
            lane.leave(size)


def _list_half(server: Any) -> list[TimelyChannel]:
    """Return the connections of which a part of a body is there, and nothing is worked at."""
    return [c for c in server.active_channels.values() if c.held_bytes and not c.requests]


class Bell(trigger):  # type: ignore[misc]
    """What wakes the thread that reads from sockets: rung once, however many ring it meanwhile."""

    _is_rung = False

    def _physical_pull(self) -> None:
        """Ring, unless whoever is woken has yet to come: then they see what this is about too."""
        if not self._is_rung:
            self._is_rung = True
            super()._physical_pull()

    def handle_read(self) -> None:
        """Hear it, and after that, so that no ring goes unheard, be ready for another."""
        super().handle_read()
        self._is_rung = False


class HttpServer:
    """Listens, and gives requests to an application until it is told to stop.

    Args:
        app: The application, as WSGI has it.
        lanes: Who works at its requests.
        settings: As `waitress.create_server` takes them.

    Raises:
        OSError: The address cannot be used.
    """

    def __init__(self, app: Any, lanes: Lanes | None = None, **settings: Any) -> None:
        self.lanes = lanes or Lanes()
        self._map: dict[int, Any] = {}
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._ended.set()
        waitress.create_server(app, map=self._map, _dispatcher=self.lanes, **settings)
        self._listening = [s for s in self._map.values() if isinstance(s, BaseWSGIServer)]
        for each in self._listening:
            each.channel_class = TimelyChannel
            each.half_bytes = 0
            each.trigger.close()
            each.trigger = Bell(self._map)
            each.adj.send_bytes = _LEAST_SENT

    @property
    def effective_port(self) -> int:
        """Where it listens, where any free port was asked for."""
        return int(self._listening[0].effective_port)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return sum(len(each.active_channels) for each in self._listening)

    def run(self, drain_s: float = 5.0) -> None:
        """Answer requests until `stop`, then finish those that are there.

        Args:
            drain_s: How long answers that are under way are waited for.
        """
        self._ended.clear()
        try:
            while not self._stopping.is_set():
                self._poll(1.0)
            self._drain(time.monotonic() + drain_s)
        finally:
            self._ended.set()

    def stop(self) -> None:
        """Take no more requests; may be called from any thread, and from a signal's handler."""
        self.lanes.is_stopping = True
        self._stopping.set()
        for each in self._listening:
            each.pull_trigger()

    def close(self) -> None:
        """Close every connection; a request that goes on all the same gets nobody's ear."""
        self.stop()
        self._ended.wait()
        if not self.lanes.shutdown():
            # What still runs writes into the trigger, whose number may be a database's by then.
            for each in self._listening:
                each.trigger.del_channel(self._map)
        wasyncore.close_all(self._map)

    def _drain(self, until_s: float) -> None:
        """Close the door, and send the answers that are under way."""
        for each in self._listening:
            # Not its own `close`: that of the trigger is for later, threads still pull it.
            wasyncore.dispatcher.close(each)
        while time.monotonic() < until_s and self._is_busy():
            self._poll(0.05)
        self.lanes.shutdown()

    def _is_busy(self) -> bool:
        """Tell whether a request is worked at, or an answer is to be sent."""
        channels = [c for each in self._listening for c in each.active_channels.values()]
        return any(c.requests or c.total_outbufs_len for c in channels)

    def _poll(self, timeout_s: float) -> None:
        # By `poll`: `select`, which waitress takes otherwise, ends the process at 1,024 files.
        wasyncore.loop(timeout_s, use_poll=True, map=self._map, count=1)
