"""What a span says of a conversation, whichever convention it follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from phospho_server.otlp.messages import ASSISTANT, USER, Message, last_text, text_of
from phospho_server.otlp.wire import Span

LLM, AGENT, CHAIN, TOOL, RETRIEVAL, OTHER = "llm", "agent", "chain", "tool", "retrieval", "other"


@dataclass(frozen=True)
class Said:
    """What one convention, or all of them together, tell of a span.

    Args:
        kind: `llm` for a call of a model; `agent` and `chain` for what makes several; `tool`,
            `retrieval`, `other`. None where the span is none of a conversation.
        messages_in: What a model was given.
        messages_out: What it answered.
        input: What the whole of an agent, a chain or a tool was given, in any form.
        output: What it gave back.
        usage: Tokens, under the names of `phospho.steps.USAGE_KEYS`.
        task_id: The id that the app gave the interaction.
        propagates: Whether the ids here are those of the spans around it too.
        facts: What else is known under a name that phospho has for it, such as `finish_reason`.
        metadata: What the app said of it.
    """

    kind: str | None = None
    name: str | None = None
    messages_in: Sequence[Message] = ()
    messages_out: Sequence[Message] = ()
    input: object = None
    output: object = None
    model: str | None = None
    provider: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    session: str | None = None
    user: str | None = None
    version: str | None = None
    task_id: str | None = None
    propagates: bool = False
    error: Mapping[str, str] | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)

    def filled(self, other: Said) -> Said:
        """Return this with its gaps filled by another convention; nothing is overwritten."""
        changes: dict[str, object] = {}
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
                changes[each.name] = {**theirs, **mine}
            elif mine in (None, "", (), [], False) and theirs not in (None, "", (), []):
                changes[each.name] = theirs
        return replace(self, **changes)  # type: ignore[arg-type]

    @property
    def is_whole(self) -> bool:
        """Whether it may stand for all that happens in it."""
        return self.kind in {AGENT, CHAIN}

    @property
    def question(self) -> str:
        """What a user said last."""
        of_messages = last_text(self.messages_in, USER)
        if self.is_whole:
            return (of_messages if self.kind == AGENT else "") or text_of(self.input, "input")
        return of_messages or (text_of(self.input, "input") if not self.messages_in else "")

    @property
    def answer(self) -> str:
        """What was answered in words."""
        of_messages = last_text(self.messages_out, ASSISTANT)
        if self.is_whole:
            own = text_of(self.output, "output")
            return (of_messages or own) if self.kind == AGENT else (own or of_messages)
        return of_messages or (text_of(self.output, "output") if not self.messages_out else "")


@dataclass(frozen=True)
class Told:
    """A span with what it says."""

    span: Span
    said: Said
