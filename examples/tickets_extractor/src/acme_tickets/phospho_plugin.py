"""Teaches `phospho.log` to read what acme_tickets takes and returns.

Only phospho loads this module, so acme_tickets itself does not depend on phospho.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import phospho
from acme_tickets import Piece, Reply, Request


@phospho.hookimpl
def phospho_extract_input(value: Any) -> phospho.Extracted | None:
    """Return what the customer asked."""
    if isinstance(value, dict):
        # What `phospho.wrap` saw being passed, by parameter name.
        value = value.get("request")
    if not isinstance(value, Request):
        return None
    return phospho.Extracted(
        text=value.question,
        system_prompt=value.playbook or None,
        extra={"ticket": value.ticket, "attachments": len(value.attachments)},
    )


@phospho.hookimpl
def phospho_extract_output(value: Any) -> phospho.Extracted | None:
    """Return what the customer reads, of a reply or of one piece of a stream."""
    if isinstance(value, Reply):
        return _read_reply(value)
    if isinstance(value, Piece):
        return _read_piece(value)
    return None


def _read_reply(reply: Reply) -> phospho.Extracted:
    return phospho.Extracted(
        text=reply.body,
        model=reply.model,
        usage=_usage(reply),
        finish_reason=reply.ended,
        tool_calls=[
            {"name": action.name, "arguments": json.dumps(action.parameters)}
            for action in reply.actions
        ],
        error=_error(reply),
    )


def _usage(reply: Reply) -> dict[str, int]:
    if reply.tokens is None:
        return {}
    read, written = reply.tokens
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _error(reply: Reply) -> dict[str, str] | None:
    if reply.failure is None:
        return None
    return {"type": reply.failure.code, "message": reply.failure.reason}


def _read_piece(piece: Piece) -> phospho.Extracted:
    """Return this piece's own text: phospho joins them. The last piece tells the facts."""
    if piece.reply is None:
        return phospho.Extracted(text=piece.body)
    return replace(_read_reply(piece.reply), text=piece.body)
