"""OpenAI's client, watched by openinference-instrumentation-openai."""

from __future__ import annotations

import host
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai import OpenAIInstrumentor

if __name__ == "__main__":
    provider = host.export()
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    from openai_calls import SCENARIOS, plain

    def session(question: str) -> None:
        """Name session and user in OpenInference's way."""
        with using_attributes(session_id=host.SESSION, user_id=host.USER):
            plain(question)

    host.run({**SCENARIOS, "session": session}, provider.force_flush)
