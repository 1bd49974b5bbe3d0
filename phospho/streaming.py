"""Watches sync and async streams go by without changing them.

The app iterates as it did: the same objects, one at a time, when it asks for them. What goes by is
collected, and logged once: when the stream ends, raises, is closed, cancelled or dropped, or when
the process ends.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from phospho import guard, lifecycle, snapshot
from phospho.collecting import Collector
from phospho.extraction import is_fallback
from phospho.underway import current

if TYPE_CHECKING:
    from phospho.client import Client
    from phospho.reading import Reading
    from phospho.underway import Underway

# Logs what was said: the answer, the status and error if there are any, and the times.
LogAnswer = Callable[["Reading | None", dict[str, Any], dict[str, float]], None]


class Watch:
    """One streamed answer, from the call that asked for it until it is logged.

    Args:
        client: Whose extractors read the chunks; without one, nothing is collected.
        log: Logs the interaction; called once.
        started: When the call began, by `time.perf_counter()`.
        to_text: The app's own extractor; reads each chunk.
        stop: Tells of a chunk whether the answer is complete with it.
        underway: The interaction that what the stream does is part of.
    """

    __slots__ = (
        "__weakref__", "_client", "_collector", "_first_s", "_is_interrupted", "_log", "_once",
        "_outer", "_process", "_started", "_stop", "_type_name", "_underway", "followers",
        "is_inside",
    )  # fmt: skip

    def __init__(
        self,
        client: Client | None,
        log: LogAnswer,
        started: float,
        to_text: Callable[[Any], Any] | None = None,
        stop: Callable[[Any], Any] | None = None,
        underway: Underway | None = None,
    ) -> None:
        self._once = threading.Lock()
        self._process = os.getpid()
        self._client = client
        self._log = log
        self._started = started
        self._stop = stop
        self._first_s: float | None = None
        self._type_name = "generator"
        self._collector: Collector | None = None
        # Others who watch the same object: each function that was wrapped around the first.
        self.followers: tuple[Watch, ...] = ()
        # Whether the app waits for the next piece just now; what is closed meanwhile is done.
        self.is_inside = False
        self._is_interrupted = False
        self._underway = underway
        self._outer: Underway | None = None
        with guard.guarded("watch a stream"):
            if client is not None:
                self._collector = Collector(client.plugins, to_text)
            lifecycle.open_streams.add(self)

    def is_of(self, stream: object) -> Watch:
        """Remember what kind of stream it is; returns itself."""
        self._type_name = snapshot.type_name(stream)
        return self

    @property
    def is_over(self) -> bool:
        """Whether it is logged."""
        return self._once.locked()

    def resume(self) -> None:
        """Take note that the app waits for the next piece, and that what runs is part of it."""
        self.is_inside = True
        underway = self._underway
        if underway is not None:
            # As `inside` does, which would take as long again for each token.
            self._outer = current.get()
            current.set(underway)

    def pause(self) -> None:
        """Take note that the app has what it waited for, or will not get it."""
        self.is_inside = False
        underway = self._underway
        if underway is not None and current.get() is underway:
            current.set(self._outer)

    def joined_by(self, other: Watch) -> Watch:
        """Return what is to watch the same object for both; one that is over is let go."""
        if not self.is_over:
            self.tell(other)
            return self
        other.followers = tuple(one for one in self.followers if not one.is_over)
        self.followers = ()
        return other

    def tell(self, other: Watch) -> None:
        """Have another one told of all that this one is told, even when this one is over."""
        self.followers = (*(one for one in self.followers if not one.is_over), other)

    def add(self, piece: Any) -> None:
        """Take in what goes by."""
        for follower in self.followers:
            follower.add(piece)
        self._is_interrupted = False
        collector = self._collector
        if collector is None:
            return
        try:
            collector.add(piece)
            if self._first_s is None and collector.texts:
                self._first_s = time.perf_counter()
            if self._stop is not None and self._stop(piece):
                self._finish({})
        except Exception as exc:  # noqa: BLE001 - the app must not be hurt
            guard.report_failure("read a stream", exc)

    def end(self) -> None:
        """Log a stream that came to its end."""
        self._finish({})
        # Later ones stand further outside: this may have been a step of theirs.
        for follower in self.followers:
            follower.end()

    def leave(self) -> None:
        """Log a stream that the app left before its end."""
        self._finish({"status": "cancelled" if self._is_interrupted else "incomplete"})
        for follower in self.followers:
            follower.leave()

    def interrupt(self) -> None:
        """Take note that the app was cancelled while it waited: it may ask again, or leave."""
        for follower in self.followers:
            follower.interrupt()
        self._is_interrupted = True

    def fail(self, exc: BaseException, *, is_left: bool = True) -> None:
        """Log a stream that raised, with what came before.

        A `GeneratorExit` is no failure: the app closed a loop, and unless `is_left` is False it
        will not come back to the stream.
        """
        if isinstance(exc, GeneratorExit):
            if is_left:
                self._finish({"status": "incomplete"})
        elif isinstance(exc, Exception):
            message = guard.words_of(exc, snapshot.MAX_RAW_CHARS)
            error = {"type": type(exc).__name__, "message": message}
            self._finish({"status": "error", "error": error})
        else:
            self._finish({"status": "cancelled"})
        for follower in self.followers:
            follower.fail(exc, is_left=is_left)

    def end_with(self, value: Any) -> None:
        """Log what an object says that was no stream itself but stood for one."""
        for follower in self.followers:
            follower.end_with(value)
        with guard.guarded("read what a stream came to"):
            said = None if self._client is None else self._client.read("output", value)
            if said is not None and said.facts is not None and not is_fallback(said.facts):
                self._finish({}, said)
        self.leave()

    def _finish(self, outcome: dict[str, Any], said: Reading | None = None) -> None:
        # A forked child leaves its parent's streams, which are the parent's to log.
        is_left = outcome.get("status") in {"incomplete", "cancelled"}
        is_foreign = is_left and self._process != os.getpid()
        if is_foreign or not self._once.acquire(blocking=False):
            return
        with guard.guarded("log a stream"):
            collector, self._collector = self._collector, None
            lifecycle.open_streams.discard(self)
            now = time.perf_counter()
            times = {"latency_ms": round((now - self._started) * 1000, 1)}
            if self._first_s is not None:
                first_ms = round((self._first_s - self._started) * 1000, 1)
                times["time_to_first_token_ms"] = first_ms
            if said is None and collector is not None:
                said = collector.read(self._type_name)
            log, self._log = self._log, _log_nothing
            log(said, outcome, times)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.leave()


def _log_nothing(*_: object) -> None:
    """Stand where the log function was: it holds the input, which is not needed any more."""


def watch_generator(
    open_stream: Callable[..., tuple[Iterator[Any], Watch]], *, is_all: bool = True
) -> Callable[..., Any]:
    """Return a generator function that passes on what `open_stream` opens, for all it can do.

    That is the protocol of PEP 380: what is sent and thrown into it, its end and its value.

    Args:
        open_stream: Takes what the function is called with.
        is_all: Whether what is closed early is left for good.
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        stream, watch = open_stream(*args, **kwargs)
        advance, add = stream.__next__, watch.add
        send = getattr(stream, "send", _refuse)
        # Thrown in, and passed on where it is handled no more: no `__context__` of what follows.
        thrown: list[BaseException] = []
        is_closed = False
        try:
            watch.resume()
            piece = advance()
            while True:
                watch.pause()
                add(piece)
                try:
                    sent = yield piece
                except BaseException as exc:  # noqa: BLE001 - see above
                    is_closed = isinstance(exc, GeneratorExit)
                    thrown.append(exc)
                watch.resume()
                if thrown:
                    piece = _throw(stream, thrown)
                else:
                    piece = advance() if sent is None else send(sent)
        except StopIteration as end:
            if is_closed:
                watch.fail(GeneratorExit(), is_left=is_all)
            else:
                watch.end()
            return end.value
        except BaseException as exc:
            watch.fail(exc, is_left=is_all)
            raise
        finally:
            watch.pause()

    return run


def watch_async_generator(
    open_stream: Callable[..., tuple[AsyncIterator[Any], Watch]], *, is_all: bool = True
) -> Callable[..., Any]:
    """Return an async generator function that passes on what `open_stream` opens; see above."""

    async def run(*args: Any, **kwargs: Any) -> Any:
        stream, watch = open_stream(*args, **kwargs)
        advance, add = stream.__anext__, watch.add
        send = getattr(stream, "asend", _refuse)
        thrown: list[BaseException] = []
        is_closed = False
        try:
            watch.resume()
            piece = await _start(stream)
            while True:
                watch.pause()
                add(piece)
                try:
                    sent = yield piece
                except BaseException as exc:  # noqa: BLE001 - thrown in, and passed on
                    is_closed = isinstance(exc, GeneratorExit)
                    thrown.append(exc)
                watch.resume()
                if thrown:
                    if is_closed and is_all:
                        watch.leave()
                    piece = await _throw_async(stream, thrown)
                else:
                    piece = await (advance() if sent is None else send(sent))
        except StopAsyncIteration:
            if is_closed:
                watch.fail(GeneratorExit(), is_left=is_all)
            else:
                watch.end()
        except BaseException as exc:
            watch.fail(exc, is_left=is_all)
            raise
        finally:
            watch.pause()

    return run


def _start(stream: AsyncIterator[Any]) -> Any:
    """Ask for the first piece.

    An async generator tells the event loop of itself at its start, which closes what is open when
    it ends, and what is garbage. It is ours that does; if both were closed, they would be at the
    same time. So this one is not told of, and found as garbage it is left to ours, which holds it.
    """
    if not isinstance(stream, types.AsyncGeneratorType):
        return stream.__anext__()
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, _leave_to_ours)
    try:
        return stream.__anext__()
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _leave_to_ours(_: object) -> None:
    """Close nothing: the generator that stands in front of this one does."""


def _throw(stream: Any, thrown: list[BaseException]) -> Any:
    """Throw what was thrown into a stream, or close one that can take nothing, and raise it."""
    if hasattr(stream, "throw"):
        return stream.throw(thrown.pop())
    if isinstance(thrown[0], GeneratorExit):
        getattr(stream, "close", _do_nothing)()
    raise thrown.pop()


async def _throw_async(stream: Any, thrown: list[BaseException]) -> Any:
    """Throw what was thrown into a stream; see above."""
    if hasattr(stream, "athrow"):
        return await stream.athrow(thrown.pop())
    if isinstance(thrown[0], GeneratorExit):
        await getattr(stream, "aclose", _do_nothing_async)()
    raise thrown.pop()


def _do_nothing() -> None:
    """Close what has nothing to close."""


async def _do_nothing_async() -> None:
    """Close what has nothing to close."""


def _refuse(sent: Any) -> Any:
    raise AttributeError(f"this stream has no send(); it was sent {snapshot.describe(sent)}")
