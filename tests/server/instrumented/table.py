"""What phospho reads of each instrumentation: the table of the documentation, and its check.

`test_instrumented.py` runs each app and holds every cell against what was kept; `make docs` writes
the table into `docs/opentelemetry.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# In the place of a tick: the calls that a model asked for, and no tool itself; and the tokens of
# chat models alone.
YES, CALLS, CHAT = "✓", "calls", "chat models"

COLUMNS = (
    "input text",
    "output text",
    "model",
    "usage",
    "session",
    "user",
    "streaming",
    "tools",
    "error",
)


@dataclass(frozen=True)
class Instrumentation:
    """A row of the table.

    Args:
        package: As it is installed.
        version: That the tests run.
        session: The attribute, or call, that names the session.
        calls_only: Whether it tells of the calls that a model asks for, and of no tool itself.
        chat_usage: Whether it tells the tokens of chat models alone.
    """

    package: str
    version: str
    session: str
    calls_only: bool = False
    chat_usage: bool = False

    def cells(self) -> list[str]:
        """Return the row, one cell for each column."""
        special = {"tools": CALLS} if self.calls_only else {}
        special |= {"usage": CHAT} if self.chat_usage else {}
        return [special.get(column, YES) for column in COLUMNS]


_SPAN = "`session.id` of a span around it"
_USING = "`using_attributes(session_id=…)`"

APPS: Mapping[str, Instrumentation] = {
    "openai_v2": Instrumentation(
        "opentelemetry-instrumentation-openai-v2", "2.4b0", _SPAN, calls_only=True
    ),
    "openllmetry": Instrumentation(
        "opentelemetry-instrumentation-openai", "0.62.4", _SPAN, calls_only=True
    ),
    "openinference_openai": Instrumentation(
        "openinference-instrumentation-openai", "0.1.66", _USING, calls_only=True
    ),
    "openinference_langchain": Instrumentation(
        "openinference-instrumentation-langchain", "0.1.80", _USING
    ),
    "openinference_llama_index": Instrumentation(
        "openinference-instrumentation-llama-index", "4.6.1", _USING, chat_usage=True
    ),
    "logfire_openai": Instrumentation(
        "logfire", "5.4.0", "`gen_ai.conversation.id` of a span around it", calls_only=True
    ),
    "pydantic_ai_agent": Instrumentation(
        "pydantic-ai-slim", "2.68.0", "`agent.run(conversation_id=…)`"
    ),
}


def as_markdown() -> str:
    """Return the table as it stands in the documentation."""
    rows = [
        ("instrumentation", *COLUMNS, "the session is named by"),
        *(
            (f"`{each.package}` {each.version}", *each.cells(), each.session)
            for each in APPS.values()
        ),
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"
