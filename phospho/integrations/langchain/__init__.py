"""Log what an app asks LangChain and LangGraph: `PhosphoCallbackHandler`, `instrument_langchain`.

Exactly one interaction for each thing that the user did: the run of a chain, a graph, an agent or
a model that is no part of another. The models, tools and retrievers that it calls are its steps.
Source: langchain-core 1.0 to 1.8, callbacks/base.py, callbacks/manager.py, tracers/context.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from uuid import UUID

from phospho import guard
from phospho.errors import MissingDependencyError
from phospho.integrations import auto
from phospho.record import as_mapping
from phospho.underway import add_finder

try:
    from langchain_core.callbacks import BaseCallbackHandler
except ImportError as exc:
    raise MissingDependencyError("langchain-core", extra="langchain") from exc

from phospho.integrations.langchain import stack
from phospho.integrations.langchain.calls import Call, Settings, begin, end, fail
from phospho.integrations.langchain.facts import is_agent
from phospho.integrations.langchain.runs import find_outer_run, open_runs
from phospho.integrations.langchain.turns import Keys

if TYPE_CHECKING:
    from phospho.client import Client

_FOLLOW = "follow a run of LangChain"


class PhosphoCallbackHandler(BaseCallbackHandler):  # type: ignore[misc]  # its types are not read
    """Logs each chain, graph, agent or model that is called with it, in `callbacks=[handler]`.

    One handler serves any number of calls at the same time, sync and async. What the metadata of
    a call says goes before what is said here, and that before `phospho.session`.

    Args:
        session_id: The session, where a call names none.
        user_id: The end user of your app, where a call names none.
        version_id: Which release of your app answers, where a call names none.
        metadata: Kept with each interaction.
        input_key: Which entry of a chain's input the user said, where that is a dict.
        output_key: Which entry of a chain's output the user saw, where that is a dict.
        client: Logs; by default that of `phospho.init`.
    """

    ignore_retry = True
    ignore_custom_event = True

    def __init__(
        self,
        session_id: str | None = None,
        user_id: str | None = None,
        version_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        input_key: str | None = None,
        output_key: str | None = None,
        client: Client | None = None,
    ) -> None:
        super().__init__()
        fields: dict[str, Any] = {
            "session_id": session_id,
            "user_id": user_id,
            "version_id": version_id,
            "metadata": {},
        }
        if metadata is not None:
            with guard.guarded("read the metadata of a LangChain handler"):
                fields["metadata"] = dict(as_mapping(metadata))
        self._settings = Settings(client, Keys(input_key, output_key), fields)
        add_finder(find_outer_run)

    @property
    def run_inline(self) -> bool:
        """Whether it runs in the app's own task, whose session is known there: if it can."""
        return not stack.silences_others(_run_inline)

    def __deepcopy__(self, memo: dict[int, Any]) -> PhosphoCallbackHandler:
        """Return itself, for a copy of a model that has it: a client cannot be copied."""
        return self

    def on_chain_start(self, serialized: Any, inputs: Any, **told: Any) -> None:
        """Begin an interaction, or note a part of one; an agent inside of it is a step."""
        with guard.guarded(_FOLLOW):
            kind = "agent" if is_agent(told.get("name"), told.get("metadata")) else "chain"
            begin(kind, Call(serialized, inputs, told), self, self._settings)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **told: Any) -> None:
        """Log an interaction with its answer, or with what came of a stream that was left."""
        with guard.guarded(_FOLLOW):
            run = open_runs.take(run_id, self)
            if run is None:
                return
            run.turn.hear_late(run, told)
            is_stream = run.is_interaction and "inputs" in told
            left_at = stack.find_left_chunk(run_id) if is_stream else None
            if left_at is not None:
                run.turn.log_so_far({"status": "incomplete"}, outputs, *left_at)
            else:
                end(run, outputs)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **told: Any) -> None:
        """Log an interaction that failed, was cancelled or left, with what was said so far."""
        with guard.guarded(_FOLLOW):
            run = open_runs.take(run_id, self)
            if run is not None:
                run.turn.hear_late(run, told)
                fail(run, error)

    def on_chat_model_start(self, serialized: Any, messages: list[Any], **told: Any) -> None:
        """Begin a step, or an interaction where the model itself was asked."""
        with guard.guarded(_FOLLOW):
            call = Call(serialized, messages[0] if len(messages) == 1 else messages, told)
            run = begin("llm", call, self, self._settings)
            if run is None or not run.is_interaction:
                return
            called = stack.find_async_call()
            if called is not None:
                run.turn.cancel_with(called, open_runs.free)

    def on_llm_start(self, serialized: Any, prompts: list[str], **told: Any) -> None:
        """Begin a step, or an interaction where the model itself was asked."""
        with guard.guarded(_FOLLOW):
            call = Call(serialized, prompts[0] if len(prompts) == 1 else prompts, told)
            begin("llm", call, self, self._settings)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, chunk: Any = None, **_: Any) -> None:
        """Keep what a model streams: it is the answer where the stream does not end."""
        with guard.guarded(_FOLLOW):
            run = open_runs.find(run_id)
            if run is not None and run.handler is self:
                run.turn.add(run, token, chunk)

    def on_llm_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:
        """End a step, or log an interaction."""
        self._end(response, run_id)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End a step, or log an interaction, with what was said so far."""
        self._fail(error, run_id)

    def on_tool_start(
        self, serialized: Any, input_str: str, *, inputs: Any = None, **told: Any
    ) -> None:
        """Begin a step; a tool that the app calls by itself is no interaction."""
        with guard.guarded(_FOLLOW):
            call = Call(serialized, input_str if inputs is None else inputs, told)
            begin("tool", call, self, self._settings)

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """End a step."""
        self._end(output, run_id)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End a step."""
        self._fail(error, run_id)

    def on_retriever_start(self, serialized: Any, query: str, **told: Any) -> None:
        """Begin a step; a retriever that the app calls by itself is no interaction."""
        with guard.guarded(_FOLLOW):
            begin("retrieval", Call(serialized, query, told), self, self._settings)

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **_: Any) -> None:
        """End a step with how many documents were found, and their names."""
        self._end(documents, run_id)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End a step."""
        self._fail(error, run_id)

    def _end(self, output: Any, run_id: UUID) -> None:
        with guard.guarded(_FOLLOW):
            run = open_runs.take(run_id, self)
            if run is not None:
                end(run, output)

    def _fail(self, error: BaseException, run_id: UUID) -> None:
        with guard.guarded(_FOLLOW):
            run = open_runs.take(run_id, self)
            if run is not None:
                fail(run, error)


def instrument_langchain() -> None:
    """Log every chain, graph, agent and model of this process, whoever calls it.

    What is called with a handler of its own is logged by that, once. To instrument twice changes
    nothing. A call inside of a function of `phospho.wrap` is a step of its interaction.
    """
    from langchain_core.tracers.context import register_configure_hook

    uninstrument_langchain()
    register_configure_hook(_everywhere, inheritable=True, handle_class=PhosphoCallbackHandler)


def uninstrument_langchain() -> None:
    """Log no more but what has a handler of its own; what is under way is logged yet."""
    from langchain_core.tracers import context

    # There is no function to undo `register_configure_hook`.
    hooks = context._configure_hooks  # noqa: SLF001 - see above
    hooks[:] = [hook for hook in hooks if hook[0] is not _everywhere]


def _run_inline(handlers: Iterable[Any]) -> bool:
    """Tell whether any of an app's own handlers runs in the app's task."""
    return any(
        handler.run_inline
        for handler in handlers
        if not isinstance(handler, PhosphoCallbackHandler)
    )


# Each thread and task has it, for nothing sets it: LangChain asks a context variable for a handler.
_everywhere: ContextVar[PhosphoCallbackHandler] = ContextVar(
    "phospho_langchain",
    default=PhosphoCallbackHandler(),  # noqa: B039 - it holds no state
)

auto.loaded(sys.modules[__name__])
