"""Log what an app asks LlamaIndex by one line: `instrument_llama_index()`.

LlamaIndex tells one span handler and one event handler at its root dispatcher of all it does. That
is where phospho listens; what an app passes, gets back and catches stays as it is. The dispatcher
is a package of its own: `llama_index.core` takes two seconds to import, and is left to the app.
Source: llama-index-instrumentation 0.6, dispatcher.py, span_handlers/base.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import BoundArguments
from typing import TYPE_CHECKING, Any

from phospho import guard
from phospho.errors import MissingDependencyError
from phospho.integrations import auto
from phospho.underway import add_finder, remove_finder

try:
    from llama_index_instrumentation import root_dispatcher
    from llama_index_instrumentation.event_handlers import BaseEventHandler
    from llama_index_instrumentation.span import BaseSpan
    from llama_index_instrumentation.span_handlers import BaseSpanHandler

    from phospho.integrations.llama_index.calls import Calls
except ImportError as exc:
    raise MissingDependencyError("llama-index-core", extra="llama-index") from exc

if TYPE_CHECKING:
    from llama_index_instrumentation.base import BaseEvent

_STEP = "follow what LlamaIndex does"


def instrument_llama_index() -> None:
    """Log every answer of LlamaIndex: of query and chat engines, models, agents and workflows.

    A call inside a function of `phospho.wrap`, or inside of LangChain where that is instrumented,
    adds its steps to that interaction. To instrument twice changes nothing.
    """
    if not _is_there(root_dispatcher.span_handlers, _spans):
        root_dispatcher.add_span_handler(_spans)
        root_dispatcher.add_event_handler(_events)
    add_finder(_calls.find_outer)


def uninstrument_llama_index() -> None:
    """Log no more of LlamaIndex; what is under way is logged with what there is of it."""
    # In place, as others may hold the lists, and by identity: equal handlers are not the same.
    spans, events = root_dispatcher.span_handlers, root_dispatcher.event_handlers
    spans[:] = [handler for handler in spans if handler is not _spans]
    events[:] = [handler for handler in events if handler is not _events]
    remove_finder(_calls.find_outer)
    with guard.guarded(_STEP):
        _calls.leave_all()


def _is_there(handlers: list[Any], ours: object) -> bool:
    return any(handler is ours for handler in handlers)


_calls = Calls()


class _SpanHandler(BaseSpanHandler[BaseSpan]):
    """Hears of calls that begin, return and raise.

    The three methods that the dispatcher calls are overridden: what the base class would do is to
    keep spans in lists, for ever and behind a lock.
    """

    def span_enter(
        self,
        id_: str,
        bound_args: BoundArguments,
        instance: Any = None,
        parent_id: str | None = None,
        tags: dict[str, Any] | None = None,  # noqa: ARG002 - a workflow has its own elsewhere
        **_kwargs: Any,
    ) -> None:
        """Take note of a call that begins."""
        with guard.guarded(_STEP):
            _calls.enter(id_, instance, bound_args.arguments, parent_id)

    def span_exit(
        self,
        id_: str,
        bound_args: BoundArguments,  # noqa: ARG002 - read when the call began
        instance: Any = None,  # noqa: ARG002
        result: Any = None,
        **_kwargs: Any,
    ) -> None:
        """Take note of what a call returned."""
        with guard.guarded(_STEP):
            _calls.exit(id_, result)

    def span_drop(
        self,
        id_: str,
        bound_args: BoundArguments,  # noqa: ARG002 - read when the call began
        instance: Any = None,  # noqa: ARG002
        err: BaseException | None = None,
        **_kwargs: Any,
    ) -> None:
        """Take note of what a call raised."""
        with guard.guarded(_STEP):
            _calls.drop(id_, err)

    def new_span(self, *_args: Any, **_kwargs: Any) -> None:
        """Keep nothing; the base class demands this method."""

    def prepare_to_exit_span(self, *_args: Any, **_kwargs: Any) -> None:
        """Keep nothing; the base class demands this method."""

    def prepare_to_drop_span(self, *_args: Any, **_kwargs: Any) -> None:
        """Keep nothing; the base class demands this method."""


class _EventHandler(BaseEventHandler):
    """Hears of what goes by in a stream, of which spans tell nothing.

    Events of streams come once a token and hold all text so far: none is ever serialised.
    Source: llama-index-core 0.14.25, instrumentation/events/llm.py, chat_engine.py, exception.py.
    """

    def handle(self, event: BaseEvent, **_kwargs: Any) -> None:
        """Take note of an event of a stream; all others are told by spans."""
        take = _EVENTS.get(type(event).__name__)
        if take is not None and event.span_id is not None:
            with guard.guarded(_STEP):
                take(event.span_id, event)


_EVENTS: dict[str, Callable[[str, Any], None]] = {
    "LLMChatInProgressEvent": lambda id_, event: _calls.add(id_, event.response),
    "LLMCompletionInProgressEvent": lambda id_, event: _calls.add(id_, event.response),
    "LLMChatEndEvent": lambda id_, _: _calls.end_stream(id_),
    "LLMCompletionEndEvent": lambda id_, _: _calls.end_stream(id_),
    "ExceptionEvent": lambda id_, event: _calls.fail_stream(id_, event.exception),
    "StreamChatDeltaReceivedEvent": lambda id_, event: _calls.add(id_, event.delta),
}

_spans, _events = _SpanHandler(), _EventHandler()

auto.loaded(sys.modules[__name__])
