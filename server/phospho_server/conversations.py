"""Turn a conversation, a list of messages, into interactions: what was said, and the answer to it.

The format is that of `POST /v3/log`, with which programs in any language log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from phospho.extractors.messages import content_text, message_text
from phospho_server.clock import new_id
from phospho_server.errors import InvalidError
from phospho_server.incoming import read_id, read_interaction
from phospho_server.store.merging import Conversation, MergeMode
from phospho_server.store.rows import NewInteraction

_USER = frozenset({"user", "human", "customer"})
_ASSISTANT = frozenset({"assistant", "ai", "model", "bot", "chatbot"})
_SYSTEM = frozenset({"system", "developer"})

# What of a message the texts of an interaction say already.
_PLAIN = frozenset({"role", "content", "created_at"})


@dataclass
class _Exchange:
    """Messages of a user, and those that answer them, with whatever else comes between."""

    said: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    messages: list[Mapping[str, Any]] = field(default_factory=list)

    def is_plain(self) -> bool:
        """Tell whether its texts say all that there is."""
        return all(
            isinstance(message.get("content"), str)
            and message.keys() <= _PLAIN
            and _role(message) in _USER | _ASSISTANT
            for message in self.messages
        )


def read_conversation(event: object, *, received_at_ms: int) -> Conversation:
    """Return one entry of `batched_log_events` as a conversation.

    Args:
        event: As JSON gave it.
        received_at_ms: The time of what has none.

    Raises:
        InvalidError: It is no conversation; the message says why.
    """
    if not isinstance(event, dict):
        raise InvalidError("A conversation must be a JSON object, as in {...}.")
    messages = event.get("messages")
    if not isinstance(messages, list):
        raise InvalidError('A conversation needs messages: [{"role": "user", "content": "Hi"}].')
    mode = _read_mode(event.get("merge_mode"))
    exchanges, system = _split(messages)
    session_id = read_id(event, "session_id") or new_id("session_")
    shared = {k: v for k, v in event.items() if k not in {"messages", "merge_mode", "flag"}}
    shared |= {"session_id": session_id, **({"system_prompt": system} if system else {})}
    interactions = [
        read_interaction(_as_event(each, shared), received_at_ms=received_at_ms)
        for each in exchanges
    ]
    if interactions:
        flagged = read_interaction({"input": "", "flag": event.get("flag")}, received_at_ms=0)
        interactions[-1] = replace(interactions[-1], flag=flagged.flag)
    return Conversation(session_id, mode, _in_order(interactions))


def _read_mode(value: object) -> MergeMode:
    if value is None or value == "resolve":
        return "resolve"
    if value == "append":
        return "append"
    if value == "replace":
        return "replace"
    raise InvalidError('merge_mode must be "resolve", "append" or "replace", or null.')


def _split(messages: Sequence[object]) -> tuple[list[_Exchange], str]:
    """Return the exchanges of a conversation, and what the system said."""
    exchanges: list[_Exchange] = []
    system: list[str] = []
    for number, message in enumerate(messages, start=1):
        if not isinstance(message, dict) or not _role(message):
            raise InvalidError(
                f"Message {number} needs a role, as in "
                '{"role": "user", "content": "Hi"}; the role may also be assistant or system.'
            )
        role = _role(message)
        if role in _SYSTEM:
            system.append(content_text(message.get("content")))
            continue
        if not exchanges or (role in _USER and exchanges[-1].answers):
            exchanges.append(_Exchange())
        current = exchanges[-1]
        current.messages.append(message)
        if role in _USER:
            current.said.append(content_text(message.get("content")))
        elif role in _ASSISTANT and (text := message_text(message)):
            current.answers.append(text)
    return exchanges, "\n".join(filter(None, system))


def _role(message: Mapping[str, Any]) -> str:
    role = message.get("role")
    return role.lower() if isinstance(role, str) else ""


def _as_event(exchange: _Exchange, shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return an exchange as a log event."""
    event: dict[str, Any] = {
        **shared,
        "input": "\n".join(exchange.said),
        "output": "\n".join(exchange.answers) if exchange.answers else None,
        "task_id": None,
    }
    times = [at for message in exchange.messages if (at := message.get("created_at")) is not None]
    if times:
        event["created_at"] = times[0]
    if not exchange.is_plain():
        event["raw_input"] = {"messages": exchange.messages}
    return event


def _in_order(interactions: Sequence[NewInteraction]) -> list[NewInteraction]:
    """Let none be older than the one before it: their order is what was sent."""
    ordered: list[NewInteraction] = []
    at_ms = 0
    for each in interactions:
        at_ms = max(at_ms, each.created_at_ms)
        ordered.append(replace(each, created_at_ms=at_ms))
    return ordered
