"""OpenAI's client, watched by Logfire, which sends where OpenTelemetry's variables say."""

from __future__ import annotations

import host
import logfire

if __name__ == "__main__":
    logfire.configure(send_to_logfire=False, service_name="an-app", console=False)
    logfire.instrument_openai()
    from openai_calls import SCENARIOS, plain

    def session(question: str) -> None:
        """Name the conversation, as Logfire blacks out what has `session` in its name."""
        with host.request(**{"gen_ai.conversation.id": host.SESSION, "user.id": host.USER}):
            plain(question)

    host.run({**SCENARIOS, "session": session}, logfire.force_flush)
