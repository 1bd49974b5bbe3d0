"""Watches streams of LlamaIndex go by, as part of the call that they are the answer of.

The model is often asked only when the app wants the first piece: what LlamaIndex does then belongs
to a call that returned long before. Source: llama-index-core 0.14.25, base/response/schema.py,
chat_engine/types.py, llms/callbacks.py.
"""

from __future__ import annotations

import types
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from llama_index_instrumentation.span import active_span_id

from phospho.attaching import attach
from phospho.extractors.fields import get
from phospho.streaming import LogAnswer, Watch

if TYPE_CHECKING:
    from phospho.client import Client
    from phospho.integrations.llama_index.runs import Run, Span

_GENERATORS = (types.GeneratorType, types.AsyncGeneratorType)


class SpanWatch(Watch):
    """Watches a stream; what LlamaIndex does for its next piece is part of a call.

    Args:
        client: Whose extractors read the pieces; None where nothing of them is told.
        log: Takes note of the answer.
        span: The call.
    """

    __slots__ = ("_here", "_outer_place", "_span_id")

    def __init__(self, client: Client | None, log: LogAnswer, span: Span) -> None:
        super().__init__(client, log, span.run.underway.started)
        self._span_id = span.id
        self._here: tuple[str, str | None] | None = None
        self._outer_place: tuple[str, str | None] | None = None

    def resume(self) -> None:
        """Make what runs part of the call; there is no token, as the app may change contexts."""
        super().resume()
        self._outer_place = _resumed.get()
        self._here = (self._span_id, active_span_id.get())
        _resumed.set(self._here)

    def pause(self) -> None:
        """Go back to what the app was in."""
        # Elsewhere, if the garbage collector found it waiting.
        if self._here is not None and _resumed.get() is self._here:
            _resumed.set(self._outer_place)
        self._here = None
        super().pause()


# Which call the piece is of that is waited for, and in which span of LlamaIndex that began. That
# variable itself is left alone: others trace by it.
_resumed: ContextVar[tuple[str, str | None] | None] = ContextVar(
    "phospho_llama_index_stream", default=None
)


def find_place(span_id: str | None) -> str | None:
    """Return the span that the code now running is in.

    Args:
        span_id: Which one that is as LlamaIndex says.
    """
    resumed = _resumed.get()
    return resumed[0] if resumed is not None and resumed[1] == span_id else span_id


def is_generator(value: Any) -> bool:
    """Tell whether a value is a generator, sync or async."""
    return isinstance(value, _GENERATORS)


def is_chat_stream(value: Any) -> bool:
    """Tell whether a value is what a chat engine streams."""
    return type(value).__name__ == "StreamingAgentChatResponse"


def watch_response(run: Run, response: Any, watch: Watch) -> None:
    """Watch the generator that a response holds; if that is dropped, so is the watch."""
    run.find_watch = weakref.ref(watch)
    attach(response, watch)


def watch_chat(run: Run, response: Any, watch: Watch) -> bool:
    """Watch what a chat engine streams where nothing writes it into a memory meanwhile.

    Returns:
        Whether there is something to watch.
    """
    for name in ("chat_stream", "achat_stream"):
        stream = get(response, name)
        if is_generator(stream):
            run.find_watch = weakref.ref(watch)
            setattr(response, name, attach(stream, watch))
            return True
    return False
