"""Answers the tickets of Acme's customers: an invented in-house library, as such libraries are.

It does not know of phospho; `phospho_plugin` beside it does.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass
class Request:
    """What a customer asks, and how the app wants it answered."""

    ticket: str
    question: str
    playbook: str = ""
    attachments: Sequence[str] = ()


@dataclass
class Action:
    """Something the model wants to be done."""

    name: str
    parameters: Mapping[str, Any]


@dataclass
class Failure:
    """Why a ticket could not be answered."""

    code: str
    reason: str


@dataclass
class Reply:
    """What the customer gets.

    Args:
        body: What the customer reads.
        model: Name of the model.
        tokens: How many were read, and how many written.
        ended: `sent`, or `escalated` to a person.
        actions: What is to be done besides.
        failure: Why there is no proper answer.
        choices: The draft as the vendor returned it, before it became `body`.
    """

    body: str
    model: str | None = None
    tokens: tuple[int, int] | None = None
    ended: str | None = None
    actions: Sequence[Action] = ()
    failure: Failure | None = None
    choices: Sequence[Mapping[str, Any]] = ()


@dataclass
class Piece:
    """A part of a reply that is streamed; the last one has the whole in `reply`."""

    body: str = ""
    reply: Reply | None = None


def answer(request: Request) -> Reply:
    """Answer a ticket; without a question, it cannot be."""
    if not request.question:
        return Reply(body="", failure=Failure("no_question", "The ticket is empty."))
    draft = {"role": "assistant", "content": "draft: order shipped monday"}
    return Reply(
        body="Your order left on Monday.",
        model="acme-large",
        tokens=(120, 8),
        ended="sent",
        actions=[Action("notify", {"ticket": request.ticket})],
        choices=[{"message": draft}],
    )


def stream(request: Request) -> Generator[Piece, None, None]:
    """Answer a ticket word by word."""
    reply = answer(request)
    for word in re.findall(r"\S+\s*", reply.body):
        yield Piece(word)
    yield Piece(reply=reply)
