"""A server that answers at once, and counts which interactions reached it.

    python benchmarks/sink.py [PORT]

It keeps the bodies and looks into them when it is asked (`GET /count/N`: how many interactions of
those numbered below N came since the last count), so that it takes little of the machine while a
library is measured.
"""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What `libraries.interaction` starts each text with. JSON and protobuf both keep it readable.
MARK = re.compile(rb"mark-(\d{6});")


class Handler(BaseHTTPRequestHandler):
    """Takes any POST; counts and forgets on GET."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    bodies: list[bytes] = []  # noqa: RUF012 - one for all connections

    def do_POST(self) -> None:
        """Acknowledge."""
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(b"{}")

    def do_GET(self) -> None:
        """Count."""
        bodies, Handler.bodies = self.bodies, []
        marks = {int(mark) for body in bodies for mark in MARK.findall(_unpack(body))}
        below = int(self.path.rpartition("/")[2])
        self._answer(b"%d" % sum(mark < below for mark in marks))

    def _answer(self, content: bytes) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content)

    def log_message(self, *args: Any) -> None:
        """Stay quiet."""


def _unpack(body: bytes) -> bytes:
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


@dataclass(frozen=True)
class Sink:
    """A running sink.

    Args:
        url: Where it listens.
    """

    url: str

    def take_count(self, below: int) -> int:
        """Return how many of the interactions numbered below `below` came since the last call."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"{self.url}/count/{below}") as answer:
            return int(answer.read())


@contextlib.contextmanager
def running_sink(port: int = 0) -> Iterator[Sink]:
    """Run a sink in a process of its own, at a port, or at any."""
    command = [sys.executable, __file__, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield Sink(process.stdout.readline().strip())
        finally:
            process.kill()


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """Reserve a port at which every connection is refused."""
    with socket.socket() as unheard:
        unheard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        unheard.bind(("127.0.0.1", 0))
        yield unheard.getsockname()[1]


@contextlib.contextmanager
def hanging_server() -> Iterator[str]:
    """Yield the URL of a server that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def main() -> None:
    """Tell the URL, then serve."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
