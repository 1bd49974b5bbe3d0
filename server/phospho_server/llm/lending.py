"""Lends the LLM of a project to a command, which judges in its own process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from phospho.detectors.llm.connecting import make_judge
from phospho.detectors.llm.detector import LlmDetector
from phospho.errors import ConfigurationError
from phospho_server.llm.ledger import StoreLedger
from phospho_server.llm.setup import setups_of
from phospho_server.store import Store, llm


@contextmanager
def lent_detector(
    store: Store, project_id: str, environment: Mapping[str, str]
) -> Iterator[LlmDetector]:
    """Yield the detector that asks a project's LLM, within what is left of the day's budget.

    Where the project has none, or it is off or paused, nothing is sent anywhere.

    Raises:
        ConfigurationError: The LLM that is named cannot be used; says why.
        MissingDependencyError: OpenAI's package is not installed.
    """
    with store.read() as db:
        setup = setups_of(store, environment).find(db, project_id)
        is_paused = llm.find_pause(db, project_id) is not None
    if setup.problem is not None:
        raise ConfigurationError(setup.problem)
    if setup.endpoint is None or is_paused:
        yield LlmDetector(None)
        return
    budget = setup.make_budget()

    def read_spent() -> None:
        # A server may ask for the same project meanwhile, and a day may end.
        with store.read() as db:
            setup.read_spent(db, project_id, budget)

    ledger = StoreLedger(store, project_id, is_shared=setup.is_shared)
    judge = make_judge(
        setup.endpoint,
        budget=budget,
        ledger=ledger,
        on_begin=read_spent,
        http_client=setup.make_client(),
    )
    try:
        yield LlmDetector(judge)
    finally:
        judge.close()
