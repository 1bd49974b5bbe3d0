"""Whole conversations in a row: `turns`, or `messages` as OpenAI's chat format has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from phospho.extractors.messages import content_text, tool_calls_of
from phospho.record import as_mapping
from phospho_server.errors import InvalidError
from phospho_server.files.forms.found import Event

_ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
}


@dataclass
class _Exchange:
    """An interaction while its messages are read."""

    input: str
    output: str | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)


def pair_turns(conversation: Mapping[str, Any], turns: object, digest: str) -> Sequence[Event]:
    """Turn a conversation into interactions: what the user said, and all that was answered.

    Messages of one role in a row become one text, tool calls become steps, with what the tools
    said, and instructions become metadata. A conversation that the assistant opens, or the user
    closes, has an interaction with an empty input, or without an output.

    Raises:
        InvalidError: The turns are no list of messages.
    """
    if not isinstance(turns, list):
        raise InvalidError('"turns" must be a list of {"role": "...", "content": "..."}.')
    shared = _shared_fields(conversation)
    exchanges: list[_Exchange] = []
    last_role = "assistant"
    for turn in turns:
        role, content = _read_turn(turn)
        if role == "system":
            shared.setdefault("system_prompt", content)
        elif role == "tool":
            _add_result(exchanges, content, turn)
        elif role == "user" and last_role == "user":
            exchanges[-1].input += "\n" + content
        elif role == "user":
            exchanges.append(_Exchange(content))
        else:
            if not exchanges:
                exchanges.append(_Exchange(""))
            _add_answer(exchanges[-1], content, turn)
        last_role = role if role in ("user", "assistant") else last_role
    session_id = conversation.get("session_id") or f"session_{digest}"
    return [
        {
            **shared,
            "input": exchange.input,
            "output": exchange.output,
            **({"steps": exchange.steps} if exchange.steps else {}),
            "session_id": session_id,
            "task_id": f"import_{digest}_{place}",
        }
        for place, exchange in enumerate(exchanges)
    ]


def _add_answer(exchange: _Exchange, content: str, turn: Mapping[str, Any]) -> None:
    given = turn.get("tool_calls")
    calls = [*(given if isinstance(given, list) else ()), turn.get("function_call")]
    for call in calls:
        for called in tool_calls_of({"tool_calls": [call]}):
            step = {"kind": "tool", "name": called["name"], "input": called["arguments"]}
            exchange.steps.append(step)
            if isinstance(call, dict):
                exchange.calls[str(call.get("id"))] = step
    if content:
        exchange.output = f"{exchange.output}\n{content}" if exchange.output else content
    elif exchange.output is None and not exchange.steps:
        exchange.output = ""


def _add_result(exchanges: Sequence[_Exchange], content: str, turn: Mapping[str, Any]) -> None:
    """Add what a tool said to the call that asked for it, found by its id, or by its name."""
    if not exchanges:
        return
    call = exchanges[-1].calls.get(str(turn.get("tool_call_id")))
    named = (step for step in exchanges[-1].steps if step["name"] == turn.get("name"))
    if call := call or next(named, None):
        call.setdefault("output", content)


def _shared_fields(conversation: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a conversation says of each of its interactions."""
    shared = {k: v for k, v in conversation.items() if k not in {"turns", "messages", "task_id"}}
    if shared.get("steps") is not None:
        # Which of the answers they led to is not told: as steps, they would be told of each.
        given = as_mapping(shared.get("metadata") or {})
        shared["metadata"] = {"steps": shared.pop("steps"), **given}
    return shared


def _read_turn(turn: object) -> tuple[str, str]:
    """Return a turn's role, in one of four words, and its text, which a tool call may not have."""
    role = turn.get("role") if isinstance(turn, dict) else None
    content = turn.get("content") if isinstance(turn, dict) else None
    if isinstance(content, list):
        content = content_text(content)
    if content is None and isinstance(turn, dict) and isinstance(turn.get("refusal"), str):
        content = turn["refusal"]
    known = _ROLES.get(role.lower()) if isinstance(role, str) else None
    if known is None or not isinstance(content, str | None):
        raise InvalidError(
            'A turn must be {"role": "user" or "assistant", "content": "text"}; this one is '
            f"{json.dumps(turn, default=str)[:100]}."
        )
    return known, content or ""
