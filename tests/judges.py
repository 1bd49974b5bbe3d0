"""A loopback LLM that judges: honest by default, and as bad as a test tells it to be.

Honest means: an event occurred where the last word of its description stands in a message that it
looks at, and that word is the evidence.
"""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import Loopback, Reply, Request, completion, handler_of, serve

EMPTY: dict[str, Any] = {"evidence": "", "occurred": False, "confidence": 90}


@dataclass(frozen=True)
class Asked:
    """One request, read as a model would read it."""

    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def events(self) -> dict[str, dict[str, Any]]:
        """What is asked, by key."""
        lines = self.body["messages"][0]["content"].partition("The events:\n")[2].split("\n")
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return {event["key"]: event for event in told}

    @property
    def said(self) -> str:
        """All that is told of the conversation."""
        return str(self.body["messages"][1]["content"])

    @property
    def mark(self) -> str:
        found = re.search(r"The mark of this exchange is (\S+)\.", self.said)
        assert found
        return found[1]

    def message(self, side: str) -> str:
        """Return what stands between the fences of one side, `user` or `assistant`."""
        start = f"{self.mark} the exchange, the {side}'s message:\n"
        return self.said.partition(start)[2].partition(f"\n{self.mark}")[0]

    @property
    def mode(self) -> str:
        return str(self.body.get("response_format", {}).get("type", "text"))


def honest(asked: Asked) -> dict[str, Any]:
    """Return true answers by key."""
    answers: dict[str, Any] = {}
    for key, event in asked.events.items():
        word = event["event"].split()[-1].strip(".'\"")
        sides = {
            "the user's message": ("user",), "the assistant's message": ("assistant",),
        }.get(event["look_at"], ("user", "assistant"))  # fmt: skip
        found = any(word in asked.message(side) for side in sides)
        answers[key] = {"evidence": word, "occurred": True, "confidence": 90} if found else EMPTY
    return answers


class _AtOnce(Loopback):
    """Answers several requests at the same time."""

    def answer(self, request: Request) -> Reply:
        reply = self.decide(request)
        assert reply is not None
        return reply


@dataclass
class LoopbackJudge:
    """What was asked, and how to answer; `replies` go first, then `answer`."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    replies: deque[Reply] = field(default_factory=deque)
    answer: Callable[[Asked], dict[str, Any] | Reply | str] = honest
    usage: dict[str, Any] = field(
        default_factory=lambda: {"prompt_tokens": 1000, "completion_tokens": 100}
    )
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    loopback: Loopback = field(default_factory=_AtOnce)

    @property
    def texts(self) -> list[str]:
        """The user's message of each call that was made."""
        return [asked.message("user") for asked in self.asked]

    def decide(self, request: Request) -> Reply:
        """Answer one request."""
        assert request.path.endswith("/chat/completions"), request.path
        asked = Asked(request.body, {k.lower(): v for k, v in request.headers.items()})
        with self.lock:
            self.asked.append(asked)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            reply = self.replies.popleft() if self.replies else None
        try:
            self.before()
            return reply or self.to_reply(self.answer(asked))
        finally:
            with self.lock:
                self.at_once -= 1

    def to_reply(self, answer: dict[str, Any] | Reply | str) -> Reply:
        """Wrap what a model wrote as chat completions do."""
        if isinstance(answer, Reply):
            return answer
        text = answer if isinstance(answer, str) else json.dumps({"events": answer})
        return completed(text, headers=self.headers, usage=self.usage)


def completed(text: str, *, headers: dict[str, str] | None = None, **fields: Any) -> Reply:
    """Return a completion that says `text`."""
    body = {**completion(text), **fields}
    return Reply(
        200, {"Content-Type": "application/json", **(headers or {})}, json.dumps(body).encode()
    )


def refused(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    """Return an error as OpenAI's API sends it."""
    error = {"message": message, "type": "error", "code": code}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(
        status, {"Content-Type": "application/json", **named}, json.dumps({"error": error}).encode()
    )


@contextmanager
def serve_judge(port: int = 0) -> Iterator[LoopbackJudge]:
    """Serve `/v1/chat/completions`."""
    judge = LoopbackJudge()
    judge.loopback.decide = judge.decide
    with serve(handler_of(judge.loopback), port) as url:
        judge.url = f"{url}/v1"
        try:
            yield judge
        finally:
            judge.loopback.released.set()
