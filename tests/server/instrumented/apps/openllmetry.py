"""OpenAI's client, watched by opentelemetry-instrumentation-openai of OpenLLMetry."""

from __future__ import annotations

import host
from opentelemetry.instrumentation.openai import OpenAIInstrumentor

if __name__ == "__main__":
    provider = host.export()
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    from openai_calls import SCENARIOS

    host.run(SCENARIOS, provider.force_flush)
