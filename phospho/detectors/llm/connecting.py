"""Puts a judge together: from an endpoint, or from what the environment says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.detectors.llm.calling import Caller
from phospho.detectors.llm.client import ChatClient
from phospho.detectors.llm.cost import Budget
from phospho.detectors.llm.detector import LlmDetector
from phospho.detectors.llm.judge import Judge
from phospho.detectors.llm.ledger import Flights, MemoryLedger
from phospho.detectors.llm.limits import Pace
from phospho.detectors.llm.settings import (
    Endpoint,
    daily_tokens_from_environment,
    endpoint_from_environment,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx

    from phospho.detectors.llm.ledger import Ledger


def make_judge(
    endpoint: Endpoint,
    *,
    budget: Budget,
    ledger: Ledger,
    on_begin: Callable[[], None] = lambda: None,
    http_client: httpx.Client | None = None,
) -> Judge:
    """Return a judge that asks an endpoint.

    Args:
        endpoint: Where, and which model.
        budget: What may be spent.
        ledger: Where costs are booked.
        on_begin: Called before each batch of calls.
        http_client: What reaches an endpoint that may not be just anywhere (`ChatClient`).

    Raises:
        MissingDependencyError: OpenAI's package is not installed.
    """
    client = ChatClient(endpoint, http_client)
    caller = Caller(client, budget=budget, ledger=ledger, pace=Pace(), on_begin=on_begin)
    return Judge(caller, Flights(), base_url=endpoint.base_url, model=endpoint.model)


def detector_from_environment(environment: Mapping[str, str] | None = None) -> LlmDetector:
    """Return the detector for a process of its own: it remembers as long as the process runs.

    Where the environment names no LLM, it sends nothing anywhere and says what to set.

    Raises:
        ConfigurationError: A variable is missing or wrong; says which.
        MissingDependencyError: OpenAI's package is not installed.
    """
    endpoint = endpoint_from_environment(environment)
    if endpoint is None:
        return LlmDetector(None)
    budget = Budget(limit_tokens=daily_tokens_from_environment(environment))
    return LlmDetector(make_judge(endpoint, budget=budget, ledger=MemoryLedger()))
