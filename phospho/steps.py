"""Steps of an interaction: the calls of models, tools and retrievers that led to its answer.

This is no trace: a flat list, bounded, with the begin of each text. On the wire a step is a dict
`{"kind", "name", "started_at_ms"}` with, where known, `duration_ms`, `model`, `usage`, `error`,
`input` and `output`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from phospho import guard, snapshot

if TYPE_CHECKING:
    from phospho.reading import Reading

KINDS = frozenset({"llm", "tool", "retrieval", "agent", "other"})

# An agent that goes in circles makes thousands; the first ones tell how it began to.
MAX_STEPS = 100

# Enough to recognise what was asked and found; the interaction has the texts that people read.
MAX_STEP_CHARS = 500

_MAX_NAME_CHARS = 200

USAGE_KEYS = ("prompt_tokens", "completion_tokens", "total_tokens")


class Step:
    """One call on the way to an answer; `end` may come from another thread, or never."""

    __slots__ = ("_facts", "_started", "kind")

    def __init__(self, kind: str, name: str, input: Any = None) -> None:
        self.kind = kind
        self._started = time.perf_counter()
        self._facts: dict[str, Any] = {
            "kind": kind,
            "name": snapshot.clean_text(name, _MAX_NAME_CHARS),
            "started_at_ms": time.time_ns() // 1_000_000,
        }
        _tell(self._facts, "input", input)

    def end(
        self,
        output: Any = None,
        *,
        model: str | None = None,
        usage: Mapping[str, int] | None = None,
        error: BaseException | Mapping[str, str] | None = None,
    ) -> None:
        """Say how it ended; what is said of a step that has ended is ignored.

        Args:
            output: What it gave, of which the begin is kept.
            model: Name of the model, for a call of one.
            usage: Token counts under the names of `Extracted.usage`.
            error: What it raised, or `{"type": str, "message": str}`.
        """
        if self.is_over:
            return
        facts = dict(self._facts)
        facts["duration_ms"] = round((time.perf_counter() - self._started) * 1000, 1)
        _tell(facts, "output", output)
        if model:
            facts["model"] = snapshot.clean_text(model, _MAX_NAME_CHARS)
        if usage:
            facts["usage"] = {name: usage[name] for name in USAGE_KEYS if name in usage}
        if error is not None:
            facts["error"] = {
                name: snapshot.clean_text(text, MAX_STEP_CHARS)
                for name, text in describe_error(error).items()
            }
        # At once: another thread may be logging the interaction.
        self._facts = facts

    def end_with(self, said: Reading, error: Mapping[str, str] | None = None) -> None:
        """Say that it ended with an answer, as an extractor read that."""
        facts = said.facts
        self.end(
            said.text,
            model=facts.model if facts else None,
            usage=facts.usage if facts else None,
            error=error or (facts.error if facts else None),
        )

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return "duration_ms" in self._facts

    @property
    def told(self) -> Mapping[str, Any]:
        """What is known of it so far; nothing of it changes."""
        return self._facts

    def as_dict(self) -> dict[str, Any]:
        """Return a copy of what is known of it."""
        return snapshot.copy_again(self._facts)  # type: ignore[no-any-return]


def _tell(facts: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        with guard.guarded("keep a step"):
            facts[name] = short_text(value)


class Steps:
    """The steps of one interaction, in the order in which they began; any thread may add some."""

    __slots__ = ("_count", "_kept")

    def __init__(self) -> None:
        self._kept: list[Step] = []
        self._count = 0

    def begin(self, kind: str, name: str, input: Any = None) -> Step:
        """Add a step; of very many, the first are kept.

        Args:
            kind: One of `KINDS`.
            name: What it is called: a model, a tool, a retriever.
            input: What it was given, of which the begin is kept.
        """
        step = Step(kind, name, input)
        self._count += 1
        if len(self._kept) < MAX_STEPS:
            self._kept.append(step)
        return step

    def as_list(self) -> list[dict[str, Any]]:
        """Return the steps as they are sent."""
        return [step.as_dict() for step in list(self._kept)]

    @property
    def left_out(self) -> int:
        """How many were too many."""
        return max(0, self._count - MAX_STEPS)

    def facts(self) -> dict[str, Any]:
        """Return the model that spoke last, and what all models' tokens add up to."""
        facts: dict[str, Any] = {}
        for step in [step for step in self._kept if step.kind == "llm"]:
            told = step.told
            if "model" in told:
                facts["model"] = told["model"]
            for name, count in told.get("usage", {}).items():
                facts[name] = facts.get(name, 0) + count
        return facts


def describe_error(error: BaseException | Mapping[str, str]) -> dict[str, str]:
    """Return an error as records have it: `{"type": str, "message": str}`."""
    if isinstance(error, BaseException):
        message = guard.words_of(error, snapshot.MAX_METADATA_CHARS)
        return {"type": type(error).__name__, "message": message}
    return {name: str(error.get(name, "")) for name in ("type", "message")}


def short_text(value: Any) -> str:
    """Return the begin of a text, or of the JSON of any other value."""
    if not isinstance(value, str):
        copied = snapshot.take(value, MAX_STEP_CHARS * 2).value
        value = copied if isinstance(copied, str) else json.dumps(copied, ensure_ascii=False)
    return snapshot.clean_text(snapshot.without_long_files(value), MAX_STEP_CHARS)


def are_steps(value: Any) -> bool:
    """Tell whether what an app gave as `steps` is a list of steps as they are sent."""
    return (
        isinstance(value, list)
        and len(value) <= MAX_STEPS
        and all(isinstance(step, dict) and isinstance(step.get("name"), str) for step in value)
    )
