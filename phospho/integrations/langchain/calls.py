"""Begins and ends what LangChain tells of: interactions, and their steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from phospho.default import get_client
from phospho.extraction import extract
from phospho.extractors.fields import get, get_text
from phospho.integrations.langchain import stack
from phospho.integrations.langchain.facts import (
    documents_text,
    fields_of,
    interrupts_of,
    is_pause,
    model_of_call,
    name_of,
    outcome_of,
    text_of,
)
from phospho.integrations.langchain.runs import open_runs
from phospho.integrations.langchain.turns import Keys, Run, Turn
from phospho.underway import Underway, find_outer

if TYPE_CHECKING:
    from phospho.client import Client

# Roots of these kinds are something that the user did; tools and retrievers are no conversation.
_ASKED = frozenset({"chain", "agent", "llm"})


class Settings(NamedTuple):
    """What a handler was made with.

    Args:
        client: Logs; None for that of `phospho.init`.
        keys: Of inputs and outputs that are dicts.
        fields: What calls have that say nothing else: `session_id`, `user_id`, `version_id` and
            `metadata`.
    """

    client: Client | None
    keys: Keys
    fields: Mapping[str, Any]


class Call(NamedTuple):
    """What LangChain tells when a run starts.

    Args:
        serialized: Which model, tool or retriever it is; may be None.
        given: Its input.
        told: All else: `run_id`, `parent_run_id`, `tags`, `metadata`, `name`, ...
    """

    serialized: Any
    given: Any
    told: Mapping[str, Any]

    @property
    def run_id(self) -> UUID:
        """The run that starts."""
        return self.told["run_id"]  # type: ignore[no-any-return]

    @property
    def model(self) -> str | None:
        """The model that is called."""
        return model_of_call(self.told.get("metadata"), self.told.get("invocation_params"))


def begin(kind: str, call: Call, handler: object, settings: Settings) -> Run | None:
    """Begin a run, as one thing that the user did or as a part of it.

    Returns:
        None where another handler has heard of it, or where it is part of what is over.
    """
    run_id, parent_id = call.run_id, call.told.get("parent_run_id")
    if open_runs.find(run_id) is not None or open_runs.is_of_the_past(run_id, parent_id):
        return None
    around = open_runs.find(parent_id) or open_runs.find_running()
    turn = _begin_turn(kind, call, settings) if around is None else around.turn
    run = Run(turn, handler, kind, is_root=around is None)
    if kind == "llm":
        run.model = call.model
    if run.is_interaction:
        turn.model = run.model
    if kind != "chain" and turn.client is not None and not run.is_interaction:
        _begin_step(run, call, turn.client)
    open_runs.add(run_id, run)
    return run


def _begin_turn(kind: str, call: Call, settings: Settings) -> Turn:
    outer = find_outer()
    if outer is not None and not outer.is_model_call:
        return Turn(outer.underway, settings.keys, is_own=False)
    if outer is not None or kind not in _ASKED:
        return Turn(Underway(None, None, {}), settings.keys, is_own=False)
    metadata, tags = call.told.get("metadata"), call.told.get("tags")
    fields = fields_of(metadata, tags, stack.find_configurable(), settings.fields)
    client = get_client() if settings.client is None else settings.client
    turn = Turn(Underway(client, None, fields), settings.keys, is_own=True)
    streamed = stack.find_streamed_input() if _is_told_later(call) else (call.given,)
    turn.is_unheard = streamed is None
    turn.hear(call.given if streamed is None else streamed[0])
    return turn


def _is_told_later(call: Call) -> bool:
    """Tell whether the input stands for a stream, and is told when the run ends."""
    given = call.given
    stands_for_it = type(given) is dict and len(given) == 1 and get_text(given, "input") == ""
    return bool(call.told.get("defers_inputs")) or stands_for_it


def _begin_step(run: Run, call: Call, client: Client) -> None:
    name = run.model or name_of(call.serialized, call.told.get("name"), run.kind)
    given = call.given if run.kind == "tool" else text_of(client, "input", call.given)
    run.step = run.turn.underway.steps.begin(run.kind, name, given)


def end(run: Run, output: Any) -> None:
    """End a run with what it gave."""
    client = run.turn.client
    if run.is_interaction:
        run.turn.end_with(output)
    elif client is not None and run.kind == "llm":
        _end_model(run, output, client)
    elif client is not None and run.step is not None:
        is_documents = run.kind == "retrieval"
        text = documents_text(output) if is_documents else text_of(client, "output", output)
        # What a tool says of its failure, it says to the model.
        has_failed = run.kind == "tool" and get(output, "status") == "error"
        error = {"type": "ToolError", "message": str(text)} if has_failed else None
        run.step.end(text, error=error)


def _end_model(run: Run, response: Any, client: Client) -> None:
    facts = extract(response, "output", client.plugins)
    if facts is None:
        run.cut_off()
        return
    run.answer = facts.text
    run.turn.latest = run
    if run.step is not None:
        run.step.end(facts.text, model=facts.model or run.model, usage=facts.usage)


def fail(run: Run, error: BaseException) -> None:
    """End a run that raised, was cancelled or left, with what was said so far."""
    if is_pause(error):
        run.turn.ask(interrupts_of(error))
        if run.is_interaction:
            run.turn.end_with(None)
        else:
            run.cut_off()
    elif run.is_interaction:
        run.turn.log_so_far(outcome_of(error))
    else:
        run.cut_off(None if isinstance(error, GeneratorExit) else error)
