"""Connections that have to bring their requests in time.

waitress closes one that says nothing for a while. Who says a letter now and then would hold it for
ever, and a thousand of them every connection there is.
"""

from __future__ import annotations

import time
from typing import Any

import waitress
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer

# No telephone on the worst of lines sends slower; whole seconds of it are forgiven.
SLOWEST_BYTES_S = 1_000


class TimelyChannel(HTTPChannel):  # type: ignore[misc]
    """A connection whose request counts as active for as long as its bytes are worth."""

    _began_s = 0.0
    _bytes = 0

    def received(self, data: bytes) -> bool:
        """Take what was sent, after waitress has noted it as activity of this moment."""
        before, now_s = self.request, time.time()
        is_taken = bool(super().received(data))
        if self.request is not None:
            if self.request is not before:
                self._began_s, self._bytes = now_s, 0
            self._bytes += len(data)
            self.last_activity = min(now_s, self._began_s + self._bytes / SLOWEST_BYTES_S)
        return is_taken


def create_server(app: Any, **settings: Any) -> Any:
    """Return a server of waitress that waits for no slow requests; its settings are those there."""
    sockets: dict[int, Any] = {}
    server = waitress.create_server(app, map=sockets, **settings)
    for each in sockets.values():
        if isinstance(each, BaseWSGIServer):
            each.channel_class = TimelyChannel
    return server
